"""How sensitive a method is to its hyperparameters: which of them matter, and how widely it works."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeGuard

from whichpeft.analysis.search import Search, SearchTrial
from whichpeft.analysis.statistics.intervals import share_interval

LEAST_TRIALS = 20
"""Fewer scores say too little: with as many, what changes nothing still gets up to 0.2 by chance."""

WITHIN = 0.01
"""How near the best validation score counts as just as good, a fraction."""

RATE = "learning_rate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hyperparameter:
    """A hyperparameter that a search varied.

    values: what each trial had, in the order of the search. log: whether it was drawn on a log scale.
    alike: others that follow from this one, such as ``lora_alpha`` from ``r``.
    importance: share of the scores' variance that it explains on its own, between 0 and 1.
    """

    name: str
    values: tuple[Any, ...]
    log: bool
    alike: tuple[str, ...] = ()
    importance: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Robustness:
    """How much of the search space does about as well as the best of it.

    within: trials that reached a score within `WITHIN` of the best; of: trials that sample the space.
    low, high: Wilson's interval of their share. stopped: trials among the others that were stopped,
    so that they might have come within.
    """

    within: int
    of: int
    low: float
    high: float
    stopped: int

    @property
    def share(self) -> float:
        return self.within / self.of


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensitivity:
    """What a method's search says about its hyperparameters.

    unknown: why there are no importances; None where there are.
    robustness: None where no trial but the default was run, or none came to its end.
    """

    method: str
    hyperparameters: tuple[Hyperparameter, ...]
    unknown: str | None
    robustness: Robustness | None


def sensitivity_of(search: Search) -> Sensitivity:
    """Return which hyperparameters of a method matter, and how much of its space does well.

    A stopped trial counts with the score it had reached, a failed one has none.
    """
    varied = varied_hyperparameters(search)
    scored = sum(trial.score is not None for trial in search.trials)
    unknown = None
    if scored < LEAST_TRIALS:
        unknown = f"{scored} of the {LEAST_TRIALS} scores that it takes"
    elif len(varied) < 2:
        unknown = f"{varied[0].name} alone varied" if varied else "nothing varied"
    elif len({trial.score for trial in search.trials if trial.score is not None}) == 1:
        unknown = "every trial reached the same score"
    else:
        varied = _with_importances(search, varied)
    return Sensitivity(
        method=search.method, hyperparameters=varied, unknown=unknown, robustness=robustness(search)
    )


def robustness(search: Search) -> Robustness | None:
    """Return how much of the search space does about as well as the method's best.

    Only the sample of the space counts, the default does not. What failed is not within, and what
    was stopped neither, unless it had come within by then.
    """
    best = None if search.best is None else search.best.score
    if best is None or not search.sample:
        return None
    # Scores are counts over examples: a difference of exactly the margin is within it.
    needed: float = best - WITHIN - 1e-9
    near = [trial.score is not None and trial.score >= needed for trial in search.sample]
    low, high = share_interval(sum(near), len(near))
    stopped = sum(
        trial.status == "stopped" and not fits for trial, fits in zip(search.sample, near, strict=True)
    )
    return Robustness(within=sum(near), of=len(near), low=low, high=high, stopped=stopped)


def varied_hyperparameters(search: Search) -> tuple[Hyperparameter, ...]:
    """Return the hyperparameters that are not the same in all trials of a search.

    Those that always change together are one: the first, with the others named beside it.
    """
    names = dict.fromkeys(name for trial in search.trials for name in trial.values)
    # By which trials have equal values: the same for two that follow from each other. A learning rate
    # differs in every trial, as something else may by chance, so it stays apart.
    groups: dict[tuple[bool, tuple[int, ...]], list[str]] = {}
    for name in names:
        texts = [_text(trial.values.get(name)) for trial in search.trials]
        pattern = tuple(texts.index(text) for text in texts)
        if any(pattern):
            groups.setdefault((_is_rate(name), pattern), []).append(name)
    return tuple(_hyperparameter(search.trials, *alike) for alike in groups.values())


def _hyperparameter(trials: Sequence[SearchTrial], *alike: str) -> Hyperparameter:
    # The shortest name is the one that people type: r, where lora_alpha and init_r follow from it.
    name = min(alike, key=len)
    values = tuple(trial.values.get(name) for trial in trials)
    return Hyperparameter(
        name=name,
        values=values,
        log=_is_rate(name) and all(_is_number(value) and value > 0 for value in values),
        alike=tuple(other for other in alike if other != name),
    )


def _with_importances(search: Search, varied: tuple[Hyperparameter, ...]) -> tuple[Hyperparameter, ...]:
    """Return the hyperparameters with the variance that each explains, the most important first.

    What was drawn from a list enters by its place among the values met, and a learning rate by its
    logarithm, so that the space is weighed as the search drew from it.
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
    """Return where each trial lies on a hyperparameter's axis: a real number, a rank or a name."""
    if one.log:
        return [math.log(value) for value in one.values]
    if all(_is_number(value) for value in one.values):
        met = sorted(set(one.values))
        return [met.index(value) for value in one.values]
    return [_text(value) for value in one.values]


@lru_cache(maxsize=512)  # a page asks for each three times, once for each width
def _importances(points: tuple[tuple[Any, ...], ...]) -> tuple[float, ...]:
    """Return the share of the scores' variance that each axis explains; a point's last is its score.

    By fANOVA, the decomposition of the variance of a random forest over the space (Hutter et al.
    2014, "An Efficient Approach for Assessing Hyperparameter Importance").
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


def _axis(places: tuple[Any, ...]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(places[0], float):
        return FloatDistribution(min(places), max(places))
    if isinstance(places[0], int):
        return IntDistribution(min(places), max(places))
    return CategoricalDistribution(sorted(set(places)))


def _is_rate(name: str) -> bool:
    return name.rpartition(".")[2] == RATE


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
