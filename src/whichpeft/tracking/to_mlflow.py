"""MLflow: one run per trial, in an experiment named after the study, at MLFLOW_TRACKING_URI."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from whichpeft.tracking.payload import Sent

_PER_REQUEST = 500  # metrics; the server takes 1,000 entities per request
_MAX_LENGTH = 500  # characters of a parameter that older servers take


def open_tracker(study: str, folder: Path) -> MLflow:
    return MLflow(study)


class MLflow:
    """Sends trials to an MLflow server."""

    def __init__(self, study: str) -> None:
        # Fail soon if the server does not answer, instead of retrying for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # report nothing to anybody else
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient()
        existing = self._client.get_experiment_by_name(study)
        self._experiment = existing.experiment_id if existing else self._client.create_experiment(study)

    def send(self, sent: Sent) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(1000 * time.time())
        run = self._client.create_run(self._experiment, run_name=sent.name).info.run_id
        last = max((step for step, _, _ in sent.curve), default=0)
        metrics = [Metric(name, value, now, step) for step, name, value in sent.curve]
        # The name of a class may be part of a metric's name; the server refuses other characters.
        metrics += [
            Metric(re.sub(r"[^\w/.\- :]", "-", name), value, now, last)
            for name, value in sent.final.items()
        ]
        params = [Param(key, str(value)[:_MAX_LENGTH]) for key, value in sent.values.items()]
        tags = [RunTag("outcome", sent.outcome)]
        if sent.reason:
            tags.append(RunTag("reason", sent.reason))
        self._client.log_batch(run, params=params, tags=tags)
        for start in range(0, len(metrics), _PER_REQUEST):
            self._client.log_batch(run, metrics=metrics[start : start + _PER_REQUEST])
        self._client.set_terminated(run, "FAILED" if sent.outcome == "failed" else "FINISHED")
