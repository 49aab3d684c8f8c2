"""Prints how many verdicts two rules decide on the records of the same run.

    python benchmarks/verdicts_on_records.py whichpeft-runs/default

The first rule compares each method with the baseline on its own and corrects p-values by Holm's method
(`paired_gap` and `holm`). The second judges all methods together (`compare_methods`), as reports do.
Both get the methods that were tested on all seeds; the tuned result stands for a method that was tuned.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from whichpeft.analysis import Comparison, MethodResult, compare_methods, comparisons, holm, paired_gap
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
    methods = [result for result in comparison.answers if result.seeds == base.seeds]
    methods.sort(key=lambda result: result is not base)
    scores = np.stack([scores_of(comparison, result) for result in methods])
    rng = np.random.default_rng(0)
    alone = [paired_gap(own, scores[0], rng=rng) for own in scores[1:]]
    adjusted = holm([gap.p_value for gap in alone])
    pairwise = [judge(gap.mean, p, gap.proved_margin) for gap, p in zip(alone, adjusted, strict=True)]
    together = compare_methods(scores, rng=rng)[1:]
    print(
        f"{comparison.backbone} on {comparison.task}: "
        f"{scores.shape[1]} seeds, {scores.shape[2]:,} examples"
    )
    print(f"{'method':28}{'gap':>8}{'each on its own':>26}{'together':>26}")
    for result, own, verdict, gap in zip(methods[1:], alone, pairwise, together, strict=True):
        assert gap is not None
        assert None not in (own.high, gap.high)
        widths = [f"± {points((one.high or 0.0) - one.mean):.1f}" for one in (own, gap)]
        print(
            f"{result.method:28}{points(gap.mean):+8.1f}{verdict:>16}{widths[0]:>10}"
            f"{gap.verdict:>16}{widths[1]:>10}"
        )
    counts = [
        sum(verdict != "undecided" for verdict in verdicts)
        for verdicts in (pairwise, [gap.verdict for gap in together if gap is not None])
    ]
    print(f"decided, of {len(alone)}: {counts[0]} each on its own, {counts[1]} together")


def scores_of(comparison: Comparison, result: MethodResult) -> np.ndarray:
    """Return a method's scores, shape (seeds, examples)."""
    found = comparison.scores.of(result.records.completed)
    if found is None:
        raise SystemExit(f"{result.method} has no predictions; both rules need them")
    return found


if __name__ == "__main__":
    main()
