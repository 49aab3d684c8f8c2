"""A study's trackers: checked before anything runs; each trial is sent to them when it has ended."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from whichpeft.errors import StudyError
from whichpeft.records import Record
from whichpeft.study import Study
from whichpeft.tracking.payload import Curve, Opens, Tracker, sent_of

_logger = logging.getLogger(__name__)

# The module that opens each tracker. Its library has the tracker's name.
_MODULES = {name: f"whichpeft.tracking.to_{name}" for name in ("tensorboard", "mlflow", "trackio")}


def check_trackers(names: Sequence[str]) -> None:
    """Raise StudyError if a tracker's library is not installed, or if its server is not configured."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise StudyError(f"track: {name} is not installed; run `pip install whichpeft[{name}]`")
    if "mlflow" in names and not os.environ.get("MLFLOW_TRACKING_URI"):
        raise StudyError(
            "track: mlflow needs the address of its server; set MLFLOW_TRACKING_URI, for example to "
            "http://127.0.0.1:5000"
        )


@dataclass(kw_only=True)
class Trackers:
    """Sends trials to a study's trackers.

    The process that started the run sends a trial after it has ended and before the next profile begins,
    so that no measurement is disturbed.
    """

    study: Study
    """The study, which names the trackers."""
    folder: Path
    """The run folder."""
    notify: Callable[[str], None]
    """Called once for each tracker that fails, with a line for the user."""
    _open: dict[str, Tracker] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def send(self, record: Record, curve: Curve) -> None:
        """Send a trial to every tracker that has not failed. Raises none of their errors."""
        for name in self.study.track:
            if name in self._failed:
                continue
            try:
                if name not in self._open:
                    opens: Opens = import_module(_MODULES[name]).open_tracker
                    self._open[name] = opens(self.study.name, self.folder)
                self._open[name].send(sent_of(record, curve))
            except Exception as error:
                self._failed.add(name)
                _logger.debug("tracker %s failed", name, exc_info=True)
                self.notify(
                    f"{name} failed and is disabled for the rest of this run; records are not affected: "
                    f"{type(error).__name__}: {error}"
                )
