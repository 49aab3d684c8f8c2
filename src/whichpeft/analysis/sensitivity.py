"""How sensitive a method is to its hyperparameters: their importance, and its robustness."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard

from whichpeft.analysis.search import Search, SearchTrial
from whichpeft.analysis.statistics.intervals import share_interval

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LEAST_TRIALS = 20
"""Fewest scores to compute importances from; even then an irrelevant one may reach 0.2 by chance."""

WITHIN = 0.01
"""Distance from the best validation score, a fraction, that counts as equally good."""

RATE = "learning_rate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hyperparameter:
    """A hyperparameter that a search varied."""

    name: str
    """Name of the hyperparameter."""

    values: tuple[Any, ...]
    """Its value in each trial, in the order of the search."""

    log: bool
    """Whether it was drawn on a log scale."""

    alike: tuple[str, ...] = ()
    """Other hyperparameters that follow from this one, such as ``lora_alpha`` from ``r``."""

    importance: float | None = None
    """Share of the scores' variance that it explains on its own, between 0 and 1; None if unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Robustness:
    """The share of the search space that is about as good as the best of it."""

    within: int
    """Number of trials with a score within `WITHIN` of the best."""

    of: int
    """Number of trials that sample the search space."""

    low: float
    """Lower bound of Wilson's interval of the share."""

    high: float
    """Upper bound of Wilson's interval of the share."""

    stopped: int
    """Number of the other trials that were stopped early, so that they might have come within."""

    @property
    def share(self) -> float:
        """Return the share of trials within `WITHIN` of the best."""
        return self.within / self.of


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensitivity:
    """How sensitive a method is to its hyperparameters, from its search."""

    method: str
    """The method as written in the study."""

    hyperparameters: tuple[Hyperparameter, ...]
    """The hyperparameters that varied, the most important first."""

    unknown: str | None
    """Why there are no importances, in words; None if there are."""

    robustness: Robustness | None
    """None if only the default was run, or no trial finished."""


def sensitivity_of(search: Search) -> Sensitivity:
    """Return the importance of a method's hyperparameters and its robustness.

    A stopped trial counts with the score it had reached; a failed trial has no score.

    Parameters
    ----------
    search
        The search of the method.

    Returns
    -------
    Sensitivity
        Importances by fANOVA, and the share of the search space that does well.
    """
    varied = varied_hyperparameters(search)
    scored = sum(trial.score is not None for trial in search.trials)
    unknown = None
    if scored < LEAST_TRIALS:
        unknown = f"it has {scored} of the {LEAST_TRIALS} scores needed"
    elif len(varied) < 2:
        unknown = f"only {varied[0].name} varied" if varied else "nothing varied"
    elif len({trial.score for trial in search.trials if trial.score is not None}) == 1:
        unknown = "every trial reached the same score"
    else:
        varied = _with_importances(search, varied)
    return Sensitivity(
        method=search.method, hyperparameters=varied, unknown=unknown, robustness=robustness(search)
    )


def robustness(search: Search) -> Robustness | None:
    """Return the share of the search space that is about as good as the method's best.

    Only the sample of the space counts, not the default. A failed trial is not within, nor is a
    stopped one unless it had already come within.
    """
    best = None if search.best is None else search.best.score
    if best is None or not search.sample:
        return None
    # Scores are counts over examples, so a difference of exactly the margin occurs and is within.
    needed: float = best - WITHIN - 1e-9
    near = [trial.score is not None and trial.score >= needed for trial in search.sample]
    low, high = share_interval(sum(near), len(near))
    stopped = sum(
        trial.status == "stopped" and not fits for trial, fits in zip(search.sample, near, strict=True)
    )
    return Robustness(within=sum(near), of=len(near), low=low, high=high, stopped=stopped)


def varied_hyperparameters(search: Search) -> tuple[Hyperparameter, ...]:
    """Return the hyperparameters that differ between the trials of a search.

    Those that always change together count as one.
    """
    names = dict.fromkeys(name for trial in search.trials for name in trial.values)
    # Grouped by the trials that have equal values, which is the same for two hyperparameters that
    # follow from each other. A learning rate differs in every trial, as another hyperparameter may by
    # chance, so it is kept separate.
    groups: dict[tuple[bool, tuple[int, ...]], list[str]] = {}
    for name in names:
        texts = [_text(trial.values.get(name)) for trial in search.trials]
        pattern = tuple(texts.index(text) for text in texts)
        if any(pattern):
            groups.setdefault((_is_rate(name), pattern), []).append(name)
    return tuple(_hyperparameter(search.trials, *alike) for alike in groups.values())


def _hyperparameter(trials: Sequence[SearchTrial], *alike: str) -> Hyperparameter:
    # The shortest name is the one that people write: r, from which lora_alpha and init_r follow.
    name = min(alike, key=len)
    values = tuple(trial.values.get(name) for trial in trials)
    return Hyperparameter(
        name=name,
        values=values,
        log=_is_rate(name) and all(_is_number(value) and value > 0 for value in values),
        alike=tuple(other for other in alike if other != name),
    )


def _with_importances(search: Search, varied: tuple[Hyperparameter, ...]) -> tuple[Hyperparameter, ...]:
    """Return the hyperparameters with their importances, the most important first.

    Numbers drawn from a list enter as their rank among the values seen, and a learning rate as its
    logarithm, so that the space is weighted as the search drew from it.
    """
    places = [_places(one) for one in varied]
    points = tuple(
        (*(own[i] for own in places), trial.score)
        for i, trial in enumerate(search.trials)
        if trial.score is not None
    )
    explained = [
        replace(one, importance=share) for one, share in zip(varied, _importances(points), strict=True)
    ]
    return tuple(sorted(explained, key=lambda one: -(one.importance or 0.0)))


def _places(one: Hyperparameter) -> list[float | int | str]:
    """Return each trial's position on a hyperparameter's axis: a real number, a rank or a name."""
    if one.log:
        return [math.log(value) for value in one.values]
    if all(_is_number(value) for value in one.values):
        met = sorted(set(one.values))
        return [met.index(value) for value in one.values]
    return [_text(value) for value in one.values]


@lru_cache(maxsize=512)  # a page needs each three times, once per width
def _importances(points: tuple[tuple[Any, ...], ...]) -> tuple[float, ...]:
    """Return the share of the scores' variance that each axis explains.

    A point has a position on each axis, then its score. The method is fANOVA, which decomposes the
    variance of a random forest over the space (Hutter et al. 2014, "An Efficient Approach for
    Assessing Hyperparameter Importance").
    """
    import optuna
    from optuna.importance import FanovaImportanceEvaluator

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    axes = {str(i): _axis(column) for i, column in enumerate(list(zip(*points, strict=True))[:-1])}
    study = optuna.create_study()
    for *places, score in points:
        trial = optuna.trial.create_trial(
            params=dict(zip(axes, places, strict=True)), distributions=axes, value=score
        )
        study.add_trial(trial)
    found = FanovaImportanceEvaluator(seed=0).evaluate(study)
    return tuple(float(found[axis]) for axis in axes)


def _axis(places: tuple[Any, ...]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(places[0], float):
        return FloatDistribution(min(places), max(places))
    if isinstance(places[0], int):
        return IntDistribution(min(places), max(places))
    return CategoricalDistribution(sorted(set(places)))


def _is_rate(name: str) -> bool:
    return name.rpartition(".")[2] == RATE


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
