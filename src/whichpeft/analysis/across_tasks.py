"""Several tasks at once: which methods rank higher on all of them, and which differences hold.

Two readings. Ranks with Friedman's test and Nemenyi's critical difference (Demšar 2006, JMLR 7) ask
whether an order is more than chance. The Bayesian signed-rank test with a region of practical
equivalence (Benavoli et al. 2017, JMLR 18) says how probable it is that a method is better than the
baseline, worse, or as good as the same, on tasks like these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.statistics.gap import MARGIN
from whichpeft.analysis.statistics.intervals import CONFIDENCE
from whichpeft.metrics.metric import Floats

LEAST_TASKS = 3
"""On two tasks no order of methods is more than chance, not even the same one on both."""

_PRIOR = 0.5  # weight of the pseudo-observation, in tasks, as its authors have it
_SAMPLES = 20_000  # from the posterior: probabilities to within 0.7 of a point


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Whether average ranks differ by more than chance.

    statistic, p_value: Friedman's test of no difference at all. critical_difference: average ranks
    further apart than this differ (Nemenyi, at 5 % over all pairs). groups: largest sets of methods,
    best first, among which no two differ.
    """

    statistic: float
    p_value: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedRank:
    """How probable it is that a method is worse, equivalent or better, on tasks like those seen.

    The three add up to 1. mean: of the differences seen, a fraction.
    """

    worse: float
    equivalent: float
    better: float
    mean: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AcrossTasks:
    """One backbone on several tasks: methods ranked, the best average rank first.

    ranks: by method, its rank on each task, 1 the best, ties at their mean; scores: what it scored
    there, a fraction. order: None where there are too few tasks or methods, and `too_few` says so.
    against: by method, how it compares with the baseline; empty where the baseline is not among the
    methods. left_out: by method, why it is not.
    """

    backbone: str
    baseline: str
    margin: float
    tasks: tuple[str, ...]
    ranks: Mapping[str, tuple[float, ...]]
    scores: Mapping[str, tuple[float, ...]]
    average_ranks: Mapping[str, float]
    order: Order | None
    too_few: str | None
    against: Mapping[str, SignedRank]
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def methods(self) -> list[str]:
        return list(self.average_ranks)


def across_tasks(
    comparisons: Sequence[Comparison], *, margin: float = MARGIN, rng: np.random.Generator
) -> list[AcrossTasks]:
    """Compare methods over all tasks of each backbone that has two tasks or more with scores.

    A method counts as tuned where it was tuned, and only where it completed on every task and its
    scores can be compared with the others'. margin: a fraction. rng: of the Bayesian test.
    """
    by_backbone: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_backbone.setdefault(comparison.backbone, []).append(comparison)
    found = [_across_tasks(backbone, own, margin, rng) for backbone, own in by_backbone.items()]
    return [one for one in found if one is not None]


def average_ranks(scores: Floats) -> tuple[Floats, Floats]:
    """Return ranks on each task and their averages, 1 the best; `scores` are (..., tasks, methods)."""
    from scipy.stats import rankdata

    # Equal scores share a rank even if rounding errors make them differ in their last digits.
    ranks: Floats = rankdata(-np.round(scores, 9), axis=-1)
    return ranks, ranks.mean(axis=-2)


def critical_difference(methods: int, tasks: int) -> float:
    """Return how far two average ranks have to be apart to differ (Nemenyi, at 5 % over all pairs)."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(CONFIDENCE, methods, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * tasks))


def signed_rank(differences: Sequence[float], *, margin: float, rng: np.random.Generator) -> SignedRank:
    """Return how probable it is that such differences, one a task, are below, within or above a margin.

    differences, margin: fractions. The distribution of differences is a Dirichlet process, whose
    posterior weighs the tasks seen and one pseudo-observation of no difference; each draw of weights
    decides for what most of the pairs' means say.
    """
    values = np.array([0.0, *differences])
    concentrations = np.ones(len(values))
    concentrations[0] = _PRIOR
    weights = rng.dirichlet(concentrations, size=_SAMPLES)
    # A difference of exactly the margin is within it, whatever its last bit.
    sums, edge = values[:, None] + values[None, :], 2 * margin + 1e-9
    shares = np.stack(
        [
            np.einsum("si,ij,sj->s", weights, where.astype(float), weights, optimize=True)
            for where in (sums < -edge, np.abs(sums) <= edge, sums > edge)
        ]
    )
    won = shares == shares.max(axis=0)
    worse, equivalent, better = (won / won.sum(axis=0)).mean(axis=1)
    return SignedRank(
        worse=float(worse),
        equivalent=float(equivalent),
        better=float(better),
        mean=float(np.mean(differences)),
    )


def _across_tasks(
    backbone: str, comparisons: Sequence[Comparison], margin: float, rng: np.random.Generator
) -> AcrossTasks | None:
    names = [comparison.task for comparison in comparisons]
    twice = sorted({name for name in names if names.count(name) > 1})
    notes = tuple(
        f"{name} is not among the tasks: its records belong to different data, revisions or budgets"
        for name in twice
    )
    usable = {
        comparison.task: _usable(comparison)
        for comparison in comparisons
        if comparison.task not in twice
    }
    usable = {task: rows for task, rows in usable.items() if len(rows) > 1}
    asked = list(
        dict.fromkeys(result.method for comparison in comparisons for result in comparison.answers)
    )
    left_out = {method: _lacking(method, usable) for method in asked}
    methods = [method for method in asked if left_out[method] is None]
    if len(usable) < 2 or len(methods) < 2:
        return None
    scores = np.array([[rows[method] for method in methods] for rows in usable.values()])
    ranks, averages = average_ranks(scores)
    best_first = [int(i) for i in np.argsort(averages, kind="stable")]
    too_few = _too_few(len(usable), len(methods))
    baseline = comparisons[0].baseline
    return AcrossTasks(
        backbone=backbone,
        baseline=baseline,
        margin=margin,
        tasks=tuple(usable),
        ranks={methods[i]: tuple(map(float, ranks[:, i])) for i in best_first},
        scores={methods[i]: tuple(map(float, scores[:, i])) for i in best_first},
        average_ranks={methods[i]: float(averages[i]) for i in best_first},
        order=None
        if too_few
        else _order(scores, [methods[i] for i in best_first], averages[best_first]),
        too_few=too_few,
        against=_against(scores, methods, baseline, margin, rng),
        left_out={method: why for method, why in left_out.items() if why is not None},
        notes=notes,
    )


def _usable(comparison: Comparison) -> dict[str, float]:
    """Return the scores of what completed, by method; of what can be compared, where that is known."""
    done = [result for result in comparison.answers if result.status == "completed"]
    related = [result for result in done if result.gap_mean is not None]
    return {
        result.method: result.score_mean for result in related or done if result.score_mean is not None
    }


def _lacking(method: str, usable: Mapping[str, Mapping[str, float]]) -> str | None:
    tasks = [task for task, scores in usable.items() if method not in scores]
    return f"no complete, comparable scores on {', '.join(tasks)}" if tasks else None


def _too_few(tasks: int, methods: int) -> str | None:
    if tasks < LEAST_TASKS:
        return f"{tasks} tasks cannot tell an order from chance; it takes {LEAST_TASKS} or more"
    if methods < 3:
        return "Friedman's test compares three methods or more"
    return None


def _order(scores: Floats, methods: Sequence[str], averages: Floats) -> Order:
    """Test average ranks; `methods` and `averages` are the best first."""
    from scipy.stats import friedmanchisquare

    rounded = np.round(scores, 9)
    statistic, p_value = 0.0, 1.0
    if np.ptp(rounded, axis=1).any():  # otherwise every method ties with every other on every task
        statistic, p_value = friedmanchisquare(*rounded.T)
    difference = critical_difference(len(methods), len(scores))
    return Order(
        statistic=float(statistic),
        p_value=float(p_value),
        critical_difference=difference,
        groups=_groups(methods, averages, difference),
    )


def _groups(methods: Sequence[str], averages: Floats, difference: float) -> tuple[tuple[str, ...], ...]:
    """Return the largest runs of methods whose average ranks lie within the critical difference."""
    found: list[tuple[int, int]] = []
    for start in range(len(methods)):
        end = max(i for i in range(len(methods)) if averages[i] - averages[start] <= difference)
        if end > start and (not found or end > found[-1][1]):
            found.append((start, end))
    return tuple(tuple(methods[start : end + 1]) for start, end in found)


def _against(
    scores: Floats, methods: Sequence[str], baseline: str, margin: float, rng: np.random.Generator
) -> dict[str, SignedRank]:
    if baseline not in methods:
        return {}
    base = scores[:, methods.index(baseline)]
    return {
        method: signed_rank(list(scores[:, i] - base), margin=margin, rng=rng)
        for i, method in enumerate(methods)
        if method != baseline
    }
