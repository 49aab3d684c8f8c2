"""trackio: one run per trial, in a project named after the study, in the folder TRACKIO_DIR."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from whichpeft.tracking.payload import Sent


def open_tracker(study: str, folder: Path) -> Trackio:
    return Trackio("".join(c if c.isalnum() or c in "-_." else "-" for c in study))


class Trackio:
    """Writes trials to trackio's local folder, or to the place that its environment variables name."""

    def __init__(self, project: str) -> None:
        self._project = project

    def send(self, sent: Sent) -> None:
        import trackio

        values = {**sent.values, "outcome": sent.outcome, "reason": sent.reason or ""}
        # trackio prints how to open its dashboard for every run, and would log GPU and CPU use.
        with contextlib.redirect_stdout(io.StringIO()):
            run = trackio.init(
                project=self._project,
                name=sent.name,
                config=values,
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
            for step in sorted({step for step, _, _ in sent.curve}):
                run.log({name: value for at, name, value in sent.curve if at == step}, step=step)
            last = max((step for step, _, _ in sent.curve), default=0)
            run.log(dict(sent.final), step=last)
            trackio.finish()
