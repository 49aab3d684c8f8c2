"""Published results to compare with; none of them was measured by whichpeft."""

from whichpeft.reference.published import NAMES, Source, canonical, load, source

__all__ = ["NAMES", "Source", "canonical", "load", "source"]
