"""Sends each trial to where people already look at training runs: TensorBoard, MLflow and trackio."""

from whichpeft.tracking.trackers import Trackers, check_trackers

__all__ = ["Trackers", "check_trackers"]
