"""What methods are compared on."""

from whichpeft.tasks.protocol import SPLITS, Array, Batch, Examples, Metric, Task, scores

__all__ = ["SPLITS", "Array", "Batch", "Examples", "Metric", "Task", "scores"]
