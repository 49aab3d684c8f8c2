"""Prints how many verdicts two rules decide on the records of the same run.

    python benchmarks/verdicts_on_records.py whichpeft-runs/default

The first rule compares each method with the baseline on the seeds that both have, and corrects p-values
by Holm's method (`paired_gap` and `holm`). The second judges all methods together, as reports do. The
tuned result stands for a method that was tuned.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from whichpeft.analysis import Comparison, Gap, MethodResult, comparisons, holm, paired_gap
from whichpeft.analysis.statistics.gap import judge
from whichpeft.records import Store
from whichpeft.units import points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of a run, with predictions")
    store = Store(parser.parse_args().folder)
    for comparison in comparisons(store.study(), store, predictions=store.predictions):
        print_verdicts(comparison)


def print_verdicts(comparison: Comparison) -> None:
    """Print each method's gap with the verdicts of both rules, and how many are decided."""
    base = comparison.baseline_result
    assert base is not None
    methods = [result for result in comparison.answers if result is not base and result.seeds]
    alone = [gap_alone(comparison, result, base) for result in methods]
    adjusted = holm([gap.p_value for gap in alone])
    pairwise = [judge(gap.mean, p, gap.proved_margin) for gap, p in zip(alone, adjusted, strict=True)]
    print(f"{comparison.backbone} on {comparison.task}: {len(base.seeds)} seeds of {base.method}")
    print(f"{'method':24}{'seeds':>6}{'gap':>8}{'each on its own':>24}{'together':>24}")
    for result, own, verdict in zip(methods, alone, pairwise, strict=True):
        assert None not in (own.high, result.gap_mean, result.gap_high)
        widths = [
            f"± {points((high or 0.0) - (mean or 0.0)):.1f}"
            for high, mean in ((own.high, own.mean), (result.gap_high, result.gap_mean))
        ]
        print(
            f"{result.method:24}{len(result.seeds):>6}{points(own.mean):+8.1f}"
            f"{verdict:>15}{widths[0]:>9}{result.verdict:>15}{widths[1]:>9}"
        )
    counts = [
        sum(verdict != "undecided" for verdict in verdicts)
        for verdicts in (pairwise, [result.verdict for result in methods])
    ]
    print(f"decided, of {len(alone)}: {counts[0]} each on its own, {counts[1]} together")


def gap_alone(comparison: Comparison, result: MethodResult, base: MethodResult) -> Gap:
    """Return the gap to the baseline by the seeds that both have, without the other methods."""
    seeds = sorted(set(result.seeds) & set(base.seeds))
    own, other = (
        scores_of(comparison, one)[[one.seeds.index(seed) for seed in seeds]] for one in (result, base)
    )
    return paired_gap(own, other, rng=np.random.default_rng(0))


def scores_of(comparison: Comparison, result: MethodResult) -> np.ndarray:
    """Return a method's scores, shape (seeds, examples)."""
    found = comparison.scores.of(result.records.completed)
    if found is None:
        raise SystemExit(f"{result.method} has no predictions; both rules need them")
    return found


if __name__ == "__main__":
    main()
