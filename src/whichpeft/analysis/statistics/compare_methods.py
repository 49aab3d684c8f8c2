"""Compare several methods with one baseline, judged together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from whichpeft.analysis.statistics.gap import MARGIN, Gap, gap_of
from whichpeft.analysis.statistics.score_arrays import Metric, check_margin, matrix, scores_by_example
from whichpeft.analysis.statistics.together import MethodsTogether
from whichpeft.errors import ScoresError
from whichpeft.units import counted


def compare_methods(
    scores: ArrayLike,
    *,
    baseline: int = 0,
    labels: ArrayLike | None = None,
    metric: Metric | None = None,
    margin: float = MARGIN,
    rng: np.random.Generator,
) -> list[Gap | None]:
    """Compare methods with a baseline, all run with the same seeds on the same test examples.

    Each method's variance between seeds is estimated from its own seeds and from the other methods'
    (see `seed_variances`), and the p-values are corrected for the number of methods by their joint
    distribution (see `step_down`). With one method beside the baseline the result is that of
    `paired_gap`.

    Parameters
    ----------
    scores
        Shape (methods, seeds, examples), seeds and examples in the same order for all methods. Scores
        of each example or, with `labels` and `metric`, predictions, as for `paired_gap`.
    baseline
        The place of the baseline among the methods.
    labels, metric
        As for `paired_gap`.
    margin
        The gap within which methods count as equivalent, in the unit of the scores.
    rng
        Draws the joint errors of the gaps, and the groups of examples for a metric given as a function.

    Returns
    -------
    list of Gap or None
        One gap per method, its score minus the baseline's; None for the baseline. `p_adjusted` and
        `verdict` hold for all methods together: in at most 5 % of studies any gap is wrongly called
        better or worse. Intervals and `proved_margin` hold for each gap alone.

    Raises
    ------
    ScoresError
        A ValueError, if arrays are empty, ragged, not finite or of another shape, or there is no such
        baseline.
    """
    arrays = [matrix(own, f"method {place}") for place, own in enumerate(_each(scores))]
    for place, own in enumerate(arrays):
        if own.shape != arrays[0].shape:
            raise ScoresError(
                f"method {place} has shape {own.shape}, method 0 {arrays[0].shape}; "
                "all need the same seeds and the same examples"
            )
    if not 0 <= baseline < len(arrays):
        raise ScoresError(f"baseline is {baseline}; it has to be a place from 0 to {len(arrays) - 1}")
    check_margin(margin)
    named = {f"method {place}": own for place, own in enumerate(arrays)}
    values = scores_by_example(named, labels, metric, rng)
    seeds = range(len(values[0]))
    together = MethodsTogether(values, [seeds] * len(values))
    family = together.against(baseline, rng=rng)
    examples = arrays[0].shape[1]
    return [
        None
        if effects is None
        else gap_of(effects, margin=margin, examples=examples, p_adjusted=p, level=family.level)
        for effects, p in zip(family.gaps, family.p_adjusted, strict=True)
    ]


def _each(scores: ArrayLike) -> list[ArrayLike]:
    """Return the scores of each method; two of them or more."""
    found: list[ArrayLike] = list(scores) if isinstance(scores, Iterable) else []
    if len(found) < 2:
        raise ScoresError(
            f"scores have {counted(len(found), 'method')}; the shape has to be (methods, seeds, "
            "examples), with a baseline and one method or more"
        )
    return found
