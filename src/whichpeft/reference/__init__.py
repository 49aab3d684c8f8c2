"""Published results, as facts to compare with; none was measured here."""

from whichpeft.reference.published import NAMES, Source, canonical, load, source

__all__ = ["NAMES", "Source", "canonical", "load", "source"]
