"""Compare methods over several tasks: their ranks, and the probability of beating the baseline.

Friedman's test on ranks and Nemenyi's critical difference (Demšar 2006, JMLR 7) show whether an order
is more than chance. The Bayesian signed-rank test with a region of practical equivalence (Benavoli
et al. 2017, JMLR 18) estimates the probability that a method is better than the baseline, worse, or
equivalent, on tasks like these.
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
"""Fewest tasks to test an order on: with two, even the same order on both may be chance."""

_PRIOR = 0.5  # weight of the pseudo-observation in tasks, as in the paper
_SAMPLES = 20_000  # draws from the posterior; probabilities are exact to 0.7 points


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Tests of whether average ranks differ by more than chance."""

    statistic: float
    """Statistic of Friedman's test of no difference at all."""

    p_value: float
    """P-value of Friedman's test."""

    critical_difference: float
    """Average ranks that are further apart than this differ (Nemenyi, at 5 % over all pairs)."""

    groups: tuple[tuple[str, ...], ...]
    """Largest sets of methods, best first, without a difference between any two of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedRank:
    """Probabilities that a method is worse, equivalent or better on tasks like these; they sum to 1."""

    worse: float
    """Probability that the method is worse by more than the margin."""

    equivalent: float
    """Probability that the difference is within the margin."""

    better: float
    """Probability that the method is better by more than the margin."""

    mean: float
    """Mean of the observed differences, a fraction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AcrossTasks:
    """One backbone on several tasks, with its methods ranked; the best average rank comes first."""

    backbone: str
    """Short name of the backbone."""

    baseline: str
    """The baseline as written in the study."""

    margin: float
    """The difference, a fraction, within which methods count as equivalent."""

    tasks: tuple[str, ...]
    """Short names of the tasks."""

    ranks: Mapping[str, tuple[float, ...]]
    """By method, its rank on each task; 1 is the best, and ties share their mean rank."""

    scores: Mapping[str, tuple[float, ...]]
    """By method, its score on each task, a fraction."""

    average_ranks: Mapping[str, float]
    """By method, its mean rank over the tasks."""

    order: Order | None
    """Tests of the ranks; None if there are too few tasks or methods."""

    too_few: str | None
    """Why the ranks were not tested, in words; None if they were."""

    against: Mapping[str, SignedRank]
    """By method, its comparison with the baseline; empty if the baseline is not among the methods."""

    left_out: Mapping[str, str] = field(default_factory=dict)
    """By method, why it was left out, in words."""

    notes: tuple[str, ...] = ()
    """Sentences about tasks that were left out."""

    @property
    def methods(self) -> list[str]:
        """Return the methods, the best average rank first."""
        return list(self.average_ranks)


def across_tasks(
    comparisons: Sequence[Comparison], *, margin: float = MARGIN, rng: np.random.Generator
) -> list[AcrossTasks]:
    """Compare methods over all tasks of each backbone that has scores on two tasks or more.

    A method is included if it is completed on every task and its scores can be compared with the
    others'. The tuned result stands for a method that was tuned.

    Parameters
    ----------
    comparisons
        The comparisons of a study.
    margin
        The difference, a fraction, within which methods count as equivalent.
    rng
        Source of the draws of the Bayesian test.

    Returns
    -------
    list of AcrossTasks
        One entry per backbone with several tasks.
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
    """Return the distance from which two average ranks differ (Nemenyi, at 5 % over all pairs)."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(CONFIDENCE, methods, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * tasks))


def signed_rank(differences: Sequence[float], *, margin: float, rng: np.random.Generator) -> SignedRank:
    """Estimate the probabilities that differences are below, within or above a margin.

    The distribution of differences is a Dirichlet process. Its posterior weights the tasks and one
    pseudo-observation of no difference; each draw of weights decides for the region with most of the
    pairwise means.

    Parameters
    ----------
    differences
        One difference per task, as fractions.
    margin
        A fraction.
    rng
        Source of the draws.

    Returns
    -------
    SignedRank
        The probabilities and the mean difference.
    """
    values = np.array([0.0, *differences])
    concentrations = np.ones(len(values))
    concentrations[0] = _PRIOR
    weights = rng.dirichlet(concentrations, size=_SAMPLES)
    # A difference of exactly the margin is within it, whatever its rounding error.
    sums, edge = values[:, None] + values[None, :], 2 * margin + 1e-9
    shares = np.stack(
        [
            np.einsum("si,ij,sj->s", weights, region.astype(float), weights, optimize=True)
            for region in (sums < -edge, np.abs(sums) <= edge, sums > edge)
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
        f"task {name} is left out: its records belong to different data, revisions or budgets"
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
    """Return the scores of completed methods; only comparable ones if there is a gap to compare by."""
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
        return f"{tasks} tasks are too few to test an order; {LEAST_TASKS} or more are needed"
    if methods < 3:
        return "Friedman's test needs three methods or more"
    return None


def _order(scores: Floats, methods: Sequence[str], averages: Floats) -> Order:
    """Test average ranks; `methods` and `averages` have the best first."""
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
    """Return the largest runs of methods whose average ranks are within the critical difference."""
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
