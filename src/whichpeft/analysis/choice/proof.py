"""The level that a choice from the finals of a race is proved at."""

from __future__ import annotations

from dataclasses import replace

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.looks.spending import spending
from whichpeft.analysis.race.finals_so_far import FinalsSoFar


def level_of_finals(finals: FinalsSoFar, competing: int) -> float:
    """Return the level of each test at the last complete look; 0 before the first.

    Parameters
    ----------
    finals
        The looks that are complete.
    competing
        Number of methods that a choice is proved against, the chosen one included.
    """
    if not finals.looks:
        return 0.0
    spend = spending(finals.planned)[len(finals.looks) - 1]
    return spend / max(competing - 1, 1)


def at_last_look(records: MethodRecords, finals: FinalsSoFar | None) -> MethodRecords:
    """Return the records without final trials after the last complete look."""
    if finals is None or not finals.looks:
        return records
    seeds = finals.seeds[records.method]
    kept = {seed: final for seed, final in records.finals.items() if seed < seeds}
    return replace(records, finals=kept)
