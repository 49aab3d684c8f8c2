"""Files to reuse a chosen method: its adapter, configuration, and scripts to predict and train."""

from whichpeft.takeaway.place import check_place
from whichpeft.takeaway.write import write_takeaway

__all__ = ["check_place", "write_takeaway"]
