"""The frozen table, as ``benchmarks/race_table.py`` made it from real run folders."""

from __future__ import annotations

from functools import cache

import race_table
from whichpeft.analysis.race.replay import Table

NAMES = sorted(path.stem for path in race_table.FIXTURE.glob("*.parquet"))


@cache
def frozen(name: str) -> Table:
    """Return the table of a task."""
    return race_table.read(race_table.FIXTURE / f"{name}.parquet")
