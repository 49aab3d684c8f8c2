"""Simulates a study on many nodes: how many trials the process that keeps the records can handle.

    python benchmarks/cluster_on_paper.py --trials 100000 --nodes 1000

The simulation goes event by event. Each node runs one trial at a time. Starting and ending a trial takes
some milliseconds of the process that started the run, one after the other. Progress messages take
time of the progress actor, which forwards them. ray_trials.py measured these costs; nothing runs here.
"""

from __future__ import annotations

import argparse
import heapq
import random


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=100_000)
    options.add_argument("--nodes", type=int, default=1000)
    options.add_argument("--milliseconds", type=float, default=15.4, help="of the process, per trial")
    options.add_argument(
        "--word", type=float, default=1.3, help="milliseconds of the progress actor, per message"
    )
    options.add_argument(
        "--words", type=float, default=200.0, help="messages per second, from all trials"
    )
    options.add_argument("--lost", type=float, default=1.0, help="days between losses of one node")
    asked = options.parse_args()
    print("| a trial takes | all take | over the ideal | the process is busy | the actor | nodes lost |")
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
    """Return the seconds until the last record, the seconds the process worked, and the nodes lost.

    A trial's length varies by a fifth. A lost node is replaced, and its trial runs again from the start.
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
