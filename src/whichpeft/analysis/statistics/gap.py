"""The gap between two methods, with a verdict for other seeds and other test examples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from whichpeft.analysis.statistics.intervals import CONFIDENCE, Interval
from whichpeft.analysis.statistics.power import Needed, what_decides
from whichpeft.analysis.statistics.random_effects import VarianceComponents, random_effects
from whichpeft.analysis.statistics.score_arrays import (
    Metric,
    check_margin,
    matrix,
    scores_by_example,
)
from whichpeft.errors import ScoresError

Verdict = Literal["equivalent", "better", "worse", "undecided"]

MARGIN = 0.02
"""Default gap, as a fraction, within which methods count as equivalent."""

LEVEL = 0.05
"""Level of the tests."""


class Levels(NamedTuple):
    """The error that tests may make; less if they are some of several looks at growing records."""

    difference: float = LEVEL
    """Of the tests of all gaps together, that any of them is wrong."""

    equivalence: float = LEVEL
    """Of the test that one gap is within a margin."""


WHOLE = Levels()
"""The levels of a single look."""


@dataclass(frozen=True)
class Gap:
    """How much better a candidate scores than a baseline, and how certain that is."""

    mean: float
    """Mean difference of the scores, in their unit."""

    low: float | None
    """Lower bound of the 95 % interval; None if the error cannot be estimated."""

    high: float | None
    """Upper bound of the 95 % interval; None if the error cannot be estimated."""

    p_value: float | None
    """Two-sided p-value of no gap; None if the variation between seeds cannot be estimated."""

    p_adjusted: float | None
    """The p-value after correction for the number of methods compared; `p_value` for one method."""

    verdict: Verdict
    """The verdict that `judge` gives, from the adjusted p-value."""

    proved_margin: float | None
    """Smallest margin at which the methods are proved equivalent; None without an error estimate."""

    margin: float
    """The margin that the verdict was given for."""

    level: float
    """Level at which the gap has to be tested among all that are compared; 0.05 for one method."""

    effects: VarianceComponents
    """The variance components that everything else is computed from."""

    examples: int | None
    """Number of test examples; None if only one score per seed was known."""

    @property
    def standard_error(self) -> float:
        """Return the standard error of the mean over seeds and examples."""
        return self.effects.standard_error

    @property
    def degrees_of_freedom(self) -> float:
        """Return Satterthwaite's degrees of freedom of the squared standard error."""
        return self.effects.degrees_of_freedom

    @property
    def seed_degrees_of_freedom(self) -> float:
        """Return the degrees of freedom of the variance by seeds.

        They are one less than seeds, and mostly more if it was borrowed from other methods that were
        compared at the same time.
        """
        return self.effects.degrees[0]

    @cached_property
    def needed(self) -> Needed | None:
        """Return the data that would decide; None if the verdict is not undecided."""
        if self.verdict != "undecided":
            return None
        return what_decides(self.effects, margin=self.margin, level=self.level, examples=self.examples)


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

    Differences are modelled with crossed random effects of seeds and examples. With one seed the
    interval is over examples alone and the verdict is always undecided.

    Parameters
    ----------
    candidate, baseline
        Shape (seeds, examples), one row per seed in the same order. Scores of each example or, with
        `labels` and `metric`, predictions: classes, or values for regression.
    labels
        Shape (examples,).
    metric
        ``accuracy``, ``balanced_accuracy``, ``f1`` (of class 1), ``macro_f1``, ``matthews``, ``auroc``
        and ``average_precision`` (of scores of class 1), ``pearson``, ``spearman``, ``neg_rmse``, or a
        function of labels and one seed's predictions for which higher is better. A metric that is not a
        mean over examples is split into jackknife pseudo-values (see `per_example`), leaving out one
        example at a time, or for a function one of 50 groups.
    margin
        The gap within which methods count as equivalent, in the unit of the scores.
    rng
        Draws the groups of examples for a metric given as a function; otherwise unused.

    Returns
    -------
    Gap
        The candidate's score minus the baseline's.

    Raises
    ------
    ScoresError
        A ValueError, if arrays are empty, ragged, not finite or differ in shape.
    """
    ours, theirs = matrix(candidate, "candidate"), matrix(baseline, "baseline")
    if ours.shape != theirs.shape:
        raise ScoresError(
            f"candidate has shape {ours.shape}, baseline {theirs.shape}; "
            "both need the same seeds and the same examples"
        )
    check_margin(margin)
    own, other = scores_by_example({"candidate": ours, "baseline": theirs}, labels, metric, rng)
    return gap_of(random_effects(own - other), margin=margin, examples=ours.shape[1])


def gap_of(
    effects: VarianceComponents,
    *,
    margin: float = MARGIN,
    examples: int | None = None,
    p_adjusted: float | None = None,
    level: float = LEVEL,
    levels: Levels = WHOLE,
) -> Gap:
    """Return the gap with a verdict from the variance components of differences.

    Parameters
    ----------
    effects
        Variance components of the candidate's scores minus the baseline's.
    margin
        The gap within which methods count as equivalent, in the unit of the scores.
    examples
        Number of test examples if `effects` comes from groups of them.
    p_adjusted
        The p-value after correction for several methods; by default there is one method.
    level
        Level at which the gap would have to be tested to count as different.
    levels
        The error that tests may make.
    """
    _, low, high = effects.interval(CONFIDENCE)
    p_value = effects.p_value if effects.has_error_estimate else None
    p_adjusted = p_value if p_adjusted is None else p_adjusted
    proved = _proved(effects, levels.equivalence) if effects.has_error_estimate else None
    return Gap(
        mean=effects.mean,
        low=low,
        high=high,
        p_value=p_value,
        p_adjusted=p_adjusted,
        verdict=judge(effects.mean, p_adjusted, proved, margin=margin, level=levels.difference),
        proved_margin=proved,
        margin=margin,
        level=level,
        effects=effects,
        examples=examples or effects.examples,
    )


def verdict_interval(gap: Gap, levels: Levels = WHOLE) -> Interval:
    """Return a gap with the interval that its verdict rests on.

    It is within the margin if the verdict is equivalent, leaves out zero if it is better or worse, and
    holds zero if a test left it undecided. There is none if too few seeds decided nothing.

    Parameters
    ----------
    gap
        The gap, with its verdict.
    levels
        The error that the tests may make, as `gap_of` got it.
    """
    effects = gap.effects
    if gap.verdict == "equivalent":
        return effects.interval(1 - 2 * levels.equivalence)
    if gap.p_value is None or gap.p_adjusted is None:
        return effects.interval()
    if gap.verdict == "undecided" and effects.too_few_seeds:
        return Interval(gap.mean, None, None)
    level = gap.level
    if (gap.p_value < level) != (gap.p_adjusted < levels.difference):
        # The level of a family is drawn, so it may miss the verdict by a hair.
        level = levels.difference * gap.p_value / gap.p_adjusted
    return effects.interval(1 - level)


def judge(
    mean: float,
    p_value: float | None,
    proved_margin: float | None,
    *,
    margin: float = MARGIN,
    level: float = LEVEL,
) -> Verdict:
    """Return the verdict on a gap, the first of these that applies.

    ``equivalent`` if two one-sided tests show that the gap is within the margin (Schuirmann 1987),
    ``better`` or ``worse`` if the p-value is below the level, otherwise ``undecided``.
    """
    if proved_margin is not None and proved_margin <= margin:
        return "equivalent"
    if p_value is not None and p_value < level:
        return "better" if mean > 0 else "worse"
    return "undecided"


def _proved(effects: VarianceComponents, level: float) -> float:
    """Return the largest distance from zero in the interval of two one-sided tests."""
    _, low, high = effects.interval(1 - 2 * level)
    assert low is not None
    assert high is not None
    return max(abs(low), abs(high))
