"""TensorBoard: one event file per trial, in ``tensorboard/`` in the run folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.tracking.payload import Sent

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData


def open_tracker(study: str, folder: Path) -> TensorBoard:
    return TensorBoard(folder / "tensorboard")


class TensorBoard:
    """Writes event files for ``tensorboard --logdir``, without torch or TensorFlow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, sent: Sent) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(self._folder / sent.name))
        try:
            writer.add_event(_event(0, Summary(value=[_hyperparameters(sent)])))
            for step, name, value in sent.curve:
                writer.add_event(_event(step, Summary(value=[_scalar(name, value)])))
            final = [_scalar(name, value) for name, value in sent.final.items()]
            last = max((step for step, _, _ in sent.curve), default=0)
            writer.add_event(_event(last, Summary(value=[*final, _ended(sent)])))
        finally:
            writer.close()


def _event(step: int, summary: Summary) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), step=step, summary=summary)


def _scalar(name: str, value: float) -> Summary.Value:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary.Value(tag=name, simple_value=value)


def _hyperparameters(sent: Sent) -> Summary.Value:
    """Return what TensorBoard's HParams tab lists for a run."""
    from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    start = SessionStartInfo(start_time_secs=time.time())
    for key, value in sent.values.items():
        if isinstance(value, str):
            start.hparams[key].string_value = value
        else:
            start.hparams[key].number_value = value
    return _for_hparams(SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))


def _ended(sent: Sent) -> Summary.Value:
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.metadata import SESSION_END_INFO_TAG
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    status = "STATUS_FAILURE" if sent.outcome == "failed" else "STATUS_SUCCESS"
    end = SessionEndInfo(end_time_secs=time.time(), status=Status.Value(status))
    return _for_hparams(SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))


def _for_hparams(tag: str, content: HParamsPluginData) -> Summary.Value:
    """Return a value for the HParams tab. TensorBoard's own functions for this need TensorFlow."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams.metadata import PLUGIN_NAME

    about = SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME, content=content.SerializeToString())
    return Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=about))
