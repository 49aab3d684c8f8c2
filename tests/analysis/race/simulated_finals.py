"""Finals of races whose truth is known, decided by the functions that decide real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verdict_power import World
from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.candidates import UNKNOWN, Candidate
from whichpeft.analysis.choice.choice import decide
from whichpeft.analysis.choice.constraints import COSTS, Constraints
from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.analysis.race.finals import may_be_proved, still_in
from whichpeft.analysis.race.finals_so_far import FinalsSoFar

LOOKS = (3, 5, 8)
MARGIN = 0.02


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one race ended."""

    chosen: int
    """The chosen method."""

    proved: bool
    seeds: int
    """Seeds at the last look."""

    trials: int
    """Final trials of all methods."""

    shown: float
    """The score that the answer shows."""

    mean: float
    """The chosen method's mean score."""

    level: float


def run_finals(
    scores: np.ndarray, costs: Sequence[float], *, looks: Sequence[int] = LOOKS, margin: float = MARGIN
) -> Ended:
    """Run the finals on scores of shape (methods, seeds, examples)."""
    candidates = tuple(
        Candidate(
            method=str(place), method_id=None, variant="tuned", trains=True, score=UNKNOWN,
            costs=dict.fromkeys(COSTS, cost), limited={}, place=place,
        )
        for place, cost in enumerate(costs)
    )  # fmt: skip
    methods = range(len(scores))
    counts = [0 for _ in methods]
    going = {str(place) for place in methods}
    for look, seeds in enumerate(looks):
        counts = [seeds if str(m) in going else counts[m] for m in methods]
        own = [scores[m][: counts[m]] for m in methods]
        evidence = TrialEvidence(own, [range(count) for count in counts], np.random.default_rng(0))
        so_far = FinalsSoFar(looks=tuple(looks[: look + 1]), planned=tuple(looks), seeds={})
        answer = decide(
            Answer(
                backbone="", tasks=("",), metric=None, constraints=Constraints(margin=margin),
                candidates=candidates, evidence=evidence, finals=so_far,
            )
        )  # fmt: skip
        going = still_in(answer)
        if answer.within_margin or len(going) < 2 or not may_be_proved(answer, looks[-1]):
            break
    assert answer.chosen is not None
    assert answer.chosen.place is not None
    return Ended(
        chosen=answer.chosen.place,
        proved=answer.within_margin,
        seeds=seeds,
        trials=sum(counts),
        shown=answer.likely_score or 0.0,
        mean=float(evidence.means[answer.chosen.place]),
        level=answer.level,
    )


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of simulated races."""

    races: int

    wrong: float
    """Races that prove a method the margin or more below the best one."""

    proved: float
    at_first_look: float
    """Races that are proved at the first look."""

    trials: float
    """Final trials, as a share of all methods on all seeds."""

    too_high: float
    """By how much the chosen method's score is shown too high, a mean over races."""

    luck: float
    """By how much its mean score is too high."""

    def __str__(self) -> str:
        error = 100 * np.sqrt(max(self.wrong, 1 / self.races) * (1 - self.wrong) / self.races)
        return (
            f"wrong {100 * self.wrong:.1f} ± {error:.1f} %, proved {100 * self.proved:.0f} %, at the "
            f"first look {100 * self.at_first_look:.0f} %, trials {100 * self.trials:.0f} %, shown "
            f"{100 * self.too_high:+.2f} points too high (the mean: {100 * self.luck:+.2f})"
        )


def simulate(
    world: World, costs: Sequence[float], *, races: int, finalists: int | None = None, seed: int = 1
) -> Rates:
    """Simulate races; method 0 is the baseline. With `finalists`, that many of them are drawn."""
    gaps = np.append(0.0, np.broadcast_to(world.gap, world.methods))
    best, ended = gaps.max(), []
    for race in range(races):
        rng = np.random.default_rng([seed, race])
        scores, _ = world.draw(rng)
        taken = np.arange(len(scores))
        if finalists is not None:
            taken = np.append(0, 1 + rng.choice(world.methods, finalists - 1, replace=False))
        found = run_finals(scores[taken], [costs[int(method)] for method in taken])
        chosen = taken[found.chosen]
        wrong = found.proved and gaps[chosen] <= best - MARGIN + 1e-9
        right = gaps[chosen] + (0.85 if world.answers else 0.0)
        first = found.proved and found.seeds == LOOKS[0]
        spent = found.trials / (LOOKS[-1] * len(taken))
        ended.append((wrong, found.proved, first, spent, found.shown - right, found.mean - right))
    means = np.mean(np.array(ended, dtype=float), axis=0)
    names = ("wrong", "proved", "at_first_look", "trials", "too_high", "luck")
    return Rates(races=races, **dict(zip(names, map(float, means), strict=True)))
