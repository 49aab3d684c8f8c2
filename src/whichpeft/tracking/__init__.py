"""Where people already look at trainings: TensorBoard, MLflow and trackio are told of each trial."""

from whichpeft.tracking.trackers import Trackers, check_trackers

__all__ = ["Trackers", "check_trackers"]
