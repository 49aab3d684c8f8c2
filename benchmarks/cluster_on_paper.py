"""A study of many trials on many nodes, on paper: what the one process that keeps the records can bear.

    python benchmarks/cluster_on_paper.py --trials 100000 --nodes 1000

Event by event: nodes run a trial each; starting and ending one takes the process that started the run
some milliseconds, one after the other, and words of progress take the desk some. The costs are those
that ray_trials.py measured; nothing runs.
"""

from __future__ import annotations

import argparse
import heapq
import random


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=100_000)
    options.add_argument("--nodes", type=int, default=1000)
    options.add_argument("--milliseconds", type=float, default=15.4, help="of the process, a trial")
    options.add_argument("--word", type=float, default=1.3, help="milliseconds of the desk, a word")
    options.add_argument("--words", type=float, default=200.0, help="a second, of all trials")
    options.add_argument("--lost", type=float, default=1.0, help="of a node, in days between losses")
    asked = options.parse_args()
    print("| a trial takes | all take | over the ideal | the process is busy | the desk | nodes lost |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for seconds in (1, 5, 15, 60, 600):
        wall, busy, lost = simulate(asked, float(seconds))
        ideal = asked.trials * seconds / asked.nodes
        words = asked.trials / wall + min(asked.words, asked.nodes)
        print(
            f"| {seconds} s | {wall / 3600:.2f} h | {wall / ideal - 1:+.0%} | {busy / wall:.0%} "
            f"| {words * asked.word / 1000:.0%} | {lost} |"
        )


def simulate(asked: argparse.Namespace, seconds: float) -> tuple[float, float, int]:
    """Return the seconds until the last record is kept, those the process worked, and nodes lost.

    A trial's length varies by a fifth; a node that is lost is replaced, and its trial done again whole.
    """
    rng = random.Random(0)
    cost = asked.milliseconds / 1000 / 2  # to start it, and to end it
    left, free_at, busy, lost = asked.trials, 0.0, 0.0, 0
    ends: list[float] = []
    for _ in range(min(asked.nodes, left)):
        left, free_at, busy = left - 1, free_at + cost, busy + cost
        ends.append(free_at + seconds * rng.uniform(0.8, 1.2))
    heapq.heapify(ends)
    while ends:
        ended = heapq.heappop(ends)
        again = rng.random() < seconds / (asked.lost * 86400)
        lost += again
        free_at = max(free_at, ended) + cost
        busy += cost
        left += again
        if left:
            left, free_at, busy = left - 1, free_at + cost, busy + cost
            heapq.heappush(ends, free_at + seconds * rng.uniform(0.8, 1.2))
    return free_at, busy, lost


if __name__ == "__main__":
    main()
