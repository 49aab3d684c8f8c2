"""The trackers of a study: checked before anything runs, told of each trial when it has ended."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from whichpeft.errors import StudyError
from whichpeft.records import Record
from whichpeft.study import Study
from whichpeft.tracking.sent import Curve, Opens, Tracker, sent_of

# Where each is opened; the module of its library has the tracker's name.
_OPENED = {name: f"whichpeft.tracking.to_{name}" for name in ("tensorboard", "mlflow", "trackio")}


def check_trackers(names: Sequence[str]) -> None:
    """Raise StudyError where a tracker's library is absent, or where it does not know where to send."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise StudyError(
                f"track: {name} is not installed; `pip install whichpeft[{name}]` brings it"
            )
    if "mlflow" in names and not os.environ.get("MLFLOW_TRACKING_URI"):
        raise StudyError(
            "track: mlflow needs to know its server; set MLFLOW_TRACKING_URI, such as "
            "http://127.0.0.1:5000"
        )


@dataclass(kw_only=True)
class Trackers:
    """A study's trackers. notify: told once of each that fails, which then gets no more of this run.

    Trials are told of by the process that started the run, when they have ended and before the next
    profile begins, so that no measurement is disturbed.
    """

    study: Study
    folder: Path
    notify: Callable[[str], None]
    _open: dict[str, Tracker] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def send(self, record: Record, curve: Curve) -> None:
        """Tell every tracker of a trial. Raises nothing: the record is kept whatever a tracker does."""
        for name in self.study.track:
            if name in self._failed:
                continue
            try:
                if name not in self._open:
                    opens: Opens = import_module(_OPENED[name]).open_tracker
                    self._open[name] = opens(self.study.name, self.folder)
                self._open[name].send(sent_of(record, curve))
            except Exception as error:
                self._failed.add(name)
                self.notify(
                    f"{name} failed and gets no more of this run; records are kept all the same: "
                    f"{type(error).__name__}: {error}"
                )
