"""Times 10,000 paired comparisons of 5 seeds on 1,000 examples, on one core.

    OMP_NUM_THREADS=1 python benchmarks/paired_gap.py

The scores are binary, as accuracy gives them. `--metric f1` compares predictions by a metric that is not
a mean over examples. Undecided comparisons also compute what would decide them, which takes most time.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np

from whichpeft.analysis import paired_gap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=10_000)
    parser.add_argument("--metric", default="accuracy")
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1000)
    predictions = np.where(rng.random((20, 5, 1000)) < 0.85, labels, 1 - labels)
    scores = (predictions == labels).astype(float)
    paired_gap(scores[0], scores[1], rng=rng)  # the first call imports
    verdicts: Counter[str] = Counter()
    compare_seconds = 0.0
    undecided = []
    for i in range(asked.comparisons):
        one, other = i % 20, (i * 7 + 1 + i // 20) % 20
        begin = time.process_time()
        if asked.metric == "accuracy":
            gap = paired_gap(scores[one], scores[other], rng=rng)
        else:
            gap = paired_gap(
                predictions[one], predictions[other], labels=labels, metric=asked.metric, rng=rng
            )
        compare_seconds += time.process_time() - begin
        verdicts[gap.verdict] += 1
        if gap.verdict == "undecided":
            undecided.append(gap)
    begin = time.process_time()
    for gap in undecided:
        assert gap.needed is not None
    deciding_seconds = time.process_time() - begin
    what = f"{asked.comparisons:,} comparisons of 5 x 1,000, {asked.metric}"
    print(f"{what}: {compare_seconds:.1f} s of one core")
    print(f"what would decide {len(undecided):,} undecided ones: {deciding_seconds:.1f} s")
    print(", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.most_common()))


if __name__ == "__main__":
    main()
