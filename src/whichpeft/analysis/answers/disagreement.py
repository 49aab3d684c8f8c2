"""On how many test examples methods disagree, next to how much one method disagrees with itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whichpeft.analysis.answers.given import GivenAnswers
from whichpeft.metrics.metric import Array, Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Disagreement:
    """How different the answers of methods are, two by two."""

    methods: tuple[str, ...]
    """The methods as written in the study."""

    between: tuple[tuple[float | None, ...], ...]
    """By method and method, the share of examples with different answers, a fraction.

    It is the mean over pairs of trials with different seeds, so that the diagonal, which compares seeds
    of one method, can be compared with the rest. With one seed per method, the seeds are the same and
    the diagonal is None. For values it is the mean absolute difference, in their unit. For texts it
    is the share of examples that one answers right and the other wrong.
    """

    same_seeds: bool
    """Whether the pairs are of trials with the same seed, because no method has two."""

    all_right: int | None
    """Number of examples that every trial answers right; None for values."""

    all_wrong: int | None
    """Number of examples that every trial answers wrong; None for values."""


def disagreement(answers: GivenAnswers) -> Disagreement:
    """Compare the answers of the methods with each other."""
    methods = answers.methods
    same = all(len(one.seeds) < 2 for one in methods)
    trials = np.concatenate([one.given for one in methods])
    distances = np.stack([_distances(answers, one, trials) for one in trials])
    seeds = np.concatenate([one.seeds for one in methods])
    counts = (seeds[:, None] == seeds) == same
    if same:
        np.fill_diagonal(counts, val=False)  # a trial agrees with itself
    ends = np.cumsum([len(one.seeds) for one in methods])
    own = [slice(end - len(one.seeds), end) for one, end in zip(methods, ends, strict=True)]
    right = wrong = None
    if answers.kind != "values":
        everywhere = np.concatenate([answers.wrong(one) for one in methods])
        right, wrong = int((~everywhere).all(axis=0).sum()), int(everywhere.all(axis=0).sum())
    return Disagreement(
        methods=tuple(one.name for one in methods),
        between=tuple(tuple(_mean(distances[i, j], counts[i, j]) for j in own) for i in own),
        same_seeds=same,
        all_right=right,
        all_wrong=wrong,
    )


def _distances(answers: GivenAnswers, one: Array, trials: Array) -> Floats:
    """Return how different one trial's answers are from those of each trial, shape (trials,)."""
    different = np.abs(trials - one) if answers.kind == "values" else trials != one
    found: Floats = different.mean(axis=1)
    return found


def _mean(values: Floats, counts: Array) -> float | None:
    return float(values[counts].mean()) if counts.any() else None
