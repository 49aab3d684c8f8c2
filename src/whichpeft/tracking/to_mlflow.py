"""MLflow: a run for each trial, in an experiment named after the study, on MLFLOW_TRACKING_URI."""

from __future__ import annotations

import os
import time
from pathlib import Path

from whichpeft.tracking.sent import Sent

_AT_ONCE = 500  # metrics in one request; the server takes 1,000 things
_LONGEST = 500  # letters of a parameter, which older servers take


def open_tracker(study: str, folder: Path) -> MLflow:
    return MLflow(study)


class MLflow:
    """Sends trials to an MLflow server."""

    def __init__(self, study: str) -> None:
        # A server that is gone is a warning, and not minutes of trying again.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nobody asked for it
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient()
        found = self._client.get_experiment_by_name(study)
        self._experiment = found.experiment_id if found else self._client.create_experiment(study)

    def send(self, sent: Sent) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(1000 * time.time())
        run = self._client.create_run(self._experiment, run_name=sent.name).info.run_id
        last = max((step for step, _, _ in sent.curve), default=0)
        metrics = [Metric(name, value, now, step) for step, name, value in sent.curve]
        metrics += [Metric(name, value, now, last) for name, value in sent.final.items()]
        params = [Param(key, str(value)[:_LONGEST]) for key, value in sent.values.items()]
        tags = [RunTag("outcome", sent.outcome)]
        if sent.reason:
            tags.append(RunTag("reason", sent.reason))
        self._client.log_batch(run, params=params, tags=tags)
        for start in range(0, len(metrics), _AT_ONCE):
            self._client.log_batch(run, metrics=metrics[start : start + _AT_ONCE])
        self._client.set_terminated(run, "FAILED" if sent.outcome == "failed" else "FINISHED")
