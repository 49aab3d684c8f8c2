"""The frozen table, as ``benchmarks/race_table.py`` made it from real run folders."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path

from whichpeft.analysis.race.replay import Table

_PATH = Path(__file__).parents[3] / "benchmarks" / "race_table.py"
_spec = importlib.util.spec_from_file_location("race_table", _PATH)
assert _spec is not None
assert _spec.loader is not None
race_table = importlib.util.module_from_spec(_spec)
sys.modules["race_table"] = race_table
_spec.loader.exec_module(race_table)

NAMES = sorted(path.stem for path in race_table.FIXTURE.glob("*.parquet"))


@cache
def frozen(name: str) -> Table:
    """Return the table of a task."""
    return race_table.read(race_table.FIXTURE / f"{name}.parquet")
