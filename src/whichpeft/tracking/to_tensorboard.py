"""TensorBoard: an event file for each trial, under ``tensorboard/`` in the run folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from whichpeft.tracking.sent import Sent


def open_tracker(study: str, folder: Path) -> TensorBoard:
    return TensorBoard(folder / "tensorboard")


class TensorBoard:
    """Writes event files that ``tensorboard --logdir`` shows; needs neither torch nor TensorFlow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, sent: Sent) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams import summary as hparams
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(self._folder / sent.name))
        try:
            writer.add_event(_event(summary=hparams.session_start_pb(dict(sent.values))))
            for step, name, value in sent.curve:
                writer.add_event(_event(step, Summary(value=[_scalar(name, value)])))
            final = [_scalar(name, value) for name, value in sent.final.items()]
            last = max((step for step, _, _ in sent.curve), default=0)
            writer.add_event(_event(last, Summary(value=final)))
            status = "STATUS_FAILURE" if sent.outcome == "failed" else "STATUS_SUCCESS"
            writer.add_event(_event(summary=hparams.session_end_pb(_status(status))))
        finally:
            writer.close()


def _event(step: int = 0, summary: Any = None) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), step=step, summary=summary)


def _scalar(name: str, value: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary.Value(tag=name, simple_value=value)


def _status(name: str) -> Any:
    from tensorboard.plugins.hparams import api_pb2

    return api_pb2.Status.Value(name)
