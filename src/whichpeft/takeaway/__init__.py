"""What a user takes away from a choice: configuration, hyperparameters, a script, the best adapter."""

from whichpeft.takeaway.write import write_takeaway

__all__ = ["write_takeaway"]
