"""How often the finals of a race prove a wrong method, in simulated races at the margin's edge.

    python benchmarks/race_errors.py --races 1000

The best method is also the dearest, and all others are exactly the margin below it, so each of them is a
wrong choice. Twelve aliases of one method show how much too high the score of a choice is. The worlds
are those of `tests/analysis/race/simulated_finals.py`; the slow tests run fewer races of them.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.analysis.race.simulated_finals import simulate
from tests.analysis.race.test_proof import ALIASES, DEAR_FIRST, PLANNED, UNLIKE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=1000)
    races = parser.parse_args().races
    for name, world in {"normal": PLANNED, **UNLIKE}.items():
        began = time.perf_counter()
        rates = simulate(world, DEAR_FIRST, races=races)
        print(f"{name}: {rates} ({time.perf_counter() - began:.0f} s)", flush=True)
    print(f"aliases: {simulate(ALIASES, range(12), races=races, finalists=7)}", flush=True)


if __name__ == "__main__":
    main()
