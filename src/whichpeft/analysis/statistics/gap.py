"""The gap between two methods, with a verdict that holds for other seeds and other test examples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from whichpeft.analysis.statistics.intervals import CONFIDENCE
from whichpeft.analysis.statistics.power import Needed, what_decides
from whichpeft.analysis.statistics.random_effects import VarianceComponents, random_effects
from whichpeft.errors import ScoresError, unknown
from whichpeft.metrics.metric import Array, Floats
from whichpeft.metrics.per_example import OF_CLASSES, PSEUDO_VALUES, as_pseudo_values

Verdict = Literal["equivalent", "better", "worse", "undecided"]
Metric = str | Callable[[Array, Array], float]

MARGIN = 0.02
LEVEL = 0.05
GROUPS = 50


@dataclass(frozen=True)
class Gap:
    """How much better a candidate scores than a baseline, and how sure that is.

    mean, low, high: the gap and its 95 % interval, in the scores' unit. p_value: two-sided, of no
    gap; None where chance cannot be told: with one seed, or with seeds that agree exactly where examples
    are not known. verdict: see `judge`. proved_margin: the smallest margin at which the methods are
    proved equivalent; None where nothing can be proved. margin: the one the verdict was given for.
    effects: the mean squares all this comes from. examples: number of test examples, None where only
    one score a seed was known.
    """

    mean: float
    low: float | None
    high: float | None
    p_value: float | None
    verdict: Verdict
    proved_margin: float | None
    margin: float
    effects: VarianceComponents
    examples: int | None

    @property
    def standard_error(self) -> float:
        """Return the standard error of the mean over seeds and examples."""
        return self.effects.standard_error

    @property
    def degrees_of_freedom(self) -> float:
        """Return Satterthwaite's degrees of freedom of the squared standard error."""
        return self.effects.degrees_of_freedom

    @cached_property
    def needed(self) -> Needed | None:
        """Return what would decide, where the verdict is undecided."""
        if self.verdict != "undecided":
            return None
        return what_decides(self.effects, margin=self.margin, examples=self.examples)


def paired_gap(
    candidate: ArrayLike,
    baseline: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    metric: Metric | None = None,
    margin: float = MARGIN,
    rng: np.random.Generator,
) -> Gap:
    """Compare two methods run with the same seeds on the same test examples.

    candidate, baseline: shape (seeds, examples), row by row of one seed; scores of each example,
    or, with labels and metric, predictions: classes, or values for regression. labels: shape
    (examples,). metric: ``accuracy``, ``f1`` (of class 1), ``macro_f1``, ``matthews``, ``pearson``,
    ``spearman``, ``neg_rmse``, or a function of labels and one seed's predictions for which higher
    is better. A metric that is no mean over examples is taken apart by jackknife pseudo-values
    (see `per_example`), one example left out at a time; for a function, one of 50 groups of
    examples, which `rng` draws. Only then is `rng` used. margin: in the scores' unit.

    Differences are modelled with crossed random effects of seeds and examples. With one seed the
    interval is over examples alone and the verdict always undecided. Raises ScoresError, a
    ValueError, for arrays that are empty, ragged, of other shapes or not finite.
    """
    ours, theirs = _matrix(candidate, "candidate"), _matrix(baseline, "baseline")
    if ours.shape != theirs.shape:
        raise ScoresError(
            f"candidate has shape {ours.shape}, baseline {theirs.shape}; "
            "both need the same seeds and the same examples"
        )
    if not margin >= 0 or math.isinf(margin):
        raise ScoresError(f"margin is {margin}; it has to be a number that is not negative")
    examples = ours.shape[1]
    if (labels is None) != (metric is None):
        raise ScoresError("labels and metric go together: predictions need both, scores neither")
    if labels is None or metric is None:
        differences = _numbers(ours, "candidate") - _numbers(theirs, "baseline")
    else:
        values = _pseudo_values(metric, _labels(labels, examples), examples, rng)
        differences = np.stack(
            [
                values(own, "candidate") - values(other, "baseline")
                for own, other in zip(ours, theirs, strict=True)
            ]
        )
    return gap_of(random_effects(differences), margin=margin, examples=examples)


def gap_of(effects: VarianceComponents, *, margin: float = MARGIN, examples: int | None = None) -> Gap:
    """Return the gap that differences taken apart amount to.

    examples: how many there are where `effects` was taken from groups of them.
    """
    _, low, high = effects.interval(CONFIDENCE)
    p_value = effects.p_value if effects.has_error_estimate else None
    proved = _proved(effects) if effects.has_error_estimate else None
    return Gap(
        mean=effects.mean,
        low=low,
        high=high,
        p_value=p_value,
        verdict=judge(effects.mean, p_value, proved, margin=margin),
        proved_margin=proved,
        margin=margin,
        effects=effects,
        examples=examples or effects.examples,
    )


def judge(
    mean: float, p_value: float | None, proved_margin: float | None, *, margin: float = MARGIN
) -> Verdict:
    """Return the verdict on a gap: the first that applies of four.

    ``equivalent``: two one-sided tests at 5 % show the gap to be within the margin (Schuirmann 1987);
    ``better`` and ``worse``: p below 0.05; else ``undecided``.
    """
    if proved_margin is not None and proved_margin <= margin:
        return "equivalent"
    if p_value is not None and p_value < LEVEL:
        return "better" if mean > 0 else "worse"
    return "undecided"


def _proved(effects: VarianceComponents) -> float:
    """Return how far from zero the 90 % interval reaches."""
    _, low, high = effects.interval(1 - 2 * LEVEL)
    assert low is not None
    assert high is not None
    return max(abs(low), abs(high))


def _pseudo_values(
    metric: Metric, labels: Array, examples: int, rng: np.random.Generator
) -> Callable[[Array, str], Floats]:
    """Return what gives one seed's predictions their values, shape (examples,) or (groups,)."""
    if callable(metric):
        groups = np.array_split(rng.permutation(examples), min(GROUPS, examples))
        kept = [np.delete(np.arange(examples), group) for group in groups]
        return lambda row, whose: _by_groups(metric, labels, row, kept, whose)
    if metric not in PSEUDO_VALUES:
        fix = f"choose {', '.join(PSEUDO_VALUES)} or a function of labels and predictions"
        raise ScoresError(unknown("metric", metric, PSEUDO_VALUES, fix=fix))
    known = PSEUDO_VALUES[metric]
    if metric in OF_CLASSES:
        return lambda row, whose: known(labels, row)
    values = _numbers(labels, "labels")
    return lambda row, whose: known(values, _numbers(row, whose))


def _by_groups(
    metric: Callable[[Array, Array], float],
    labels: Array,
    row: Array,
    kept: list[Array],
    whose: str,
) -> Floats:
    """Return pseudo-values, one for each group left out; `kept` are the examples it leaves."""
    whole = float(metric(labels, row))
    without = np.array([float(metric(labels[rest], row[rest])) for rest in kept])
    if not math.isfinite(whole) or not np.isfinite(without).all():
        raise ScoresError(
            f"the metric of {whose} is not finite, on all examples or without some of them"
        )
    return as_pseudo_values(whole, without)


def _matrix(values: ArrayLike, whose: str) -> Array:
    try:
        array = np.asarray(values)
    except ValueError:
        raise ScoresError(f"{whose} is ragged: every seed needs the same number of examples") from None
    if array.ndim != 2:
        raise ScoresError(f"{whose} has shape {array.shape}; it has to be (seeds, examples)")
    if array.size == 0:
        raise ScoresError(f"{whose} is empty: its shape is {array.shape}")
    if array.shape[1] < 2:
        raise ScoresError(f"{whose} has one example; how examples differ takes two or more")
    _check_known(array, whose)
    return array


def _labels(values: ArrayLike, examples: int) -> Array:
    array = np.asarray(values)
    if array.shape != (examples,):
        raise ScoresError(
            f"labels have shape {array.shape}; for {examples} examples it has to be ({examples},)"
        )
    _check_known(array, "labels")
    return array


def _check_known(array: Array, whose: str) -> None:
    if array.dtype.kind == "f" and not (fine := np.isfinite(array)).all():
        place = tuple(int(i) for i in np.argwhere(~fine)[0])
        where = f"seed {place[0]}, example {place[1]}" if len(place) == 2 else f"example {place[0]}"
        raise ScoresError(
            f"{whose}: {array[place]} at {where} (counted from 0); every value has to be finite"
        )


def _numbers(array: Array, whose: str) -> Floats:
    if array.dtype.kind not in "fiub":
        raise ScoresError(f"{whose} holds {array.dtype}, not numbers")
    return array.astype(np.float64)
