"""Files to reuse a chosen method: configuration, hyperparameters, script and the best adapter."""

from whichpeft.takeaway.write import write_takeaway

__all__ = ["write_takeaway"]
