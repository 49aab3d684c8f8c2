"""Tuning: the candidates of a method's search, and when one of them is stopped.

Candidates do not depend on results: number 0 is the method as it comes, the others are spread
evenly over its search space. So they are known beforehand, a search goes on where it was stopped,
and what they show of the space (how much tuning is enough, how sensitive a method is) is no
artefact of a sampler that has already found the best. What is saved is saved by stopping early.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from whichpeft.methods import LogRange, Method
from whichpeft.planning.plan import Cell
from whichpeft.study import Trial, parse_method

SEED = 0
"""Of every tuning trial, so that adding seeds to a study leaves its searches as they are."""

_KEPT = 3  # at a rung, the best third goes on
_RUNGS = (1 / 5, 1 / 2)  # of a trial's steps; at a ninth most scores were still those of chance
_MOST_DRAWS = 8  # for each trial, where a space repeats itself
_FEWEST_STEPS = 16  # before a score means anything: a rate is still being warmed up

Space = Mapping[str, LogRange | tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A method's search in one cell. methods, trials: by number; `trials[0]` is the default.

    No two are alike; a small space of choices holds fewer than the study asks for.
    """

    cell: Cell
    methods: tuple[Method, ...]
    trials: tuple[Trial, ...]

    def tuned(self, fingerprint: str) -> Cell:
        """Return the cell with the hyperparameters of one of the trials."""
        number = [trial.fingerprint for trial in self.trials].index(fingerprint)
        return replace(self.cell, method=self.methods[number])


def make_search(cell: Cell) -> SearchPlan | None:
    """Lay out a cell's search over what its method leaves open.

    None where the study does not tune, or where nothing is left to be chosen.
    """
    count = cell.study.budget.tuning_trials
    space = open_space(cell)
    if not count or not space:
        return None
    methods = [cell.method]
    trials = [cell.tuning_trial(0, SEED)]
    met = {trials[0].fingerprint}
    # A space of few choices repeats itself, and is used up before there are enough.
    for values in itertools.islice(spread(space), _MOST_DRAWS * count):
        if len(trials) == count:
            break
        method = cell.typed.with_options(values).resolved_for(cell.backbone)
        trial = replace(cell, method=method).tuning_trial(len(trials), SEED)
        if trial.fingerprint not in met:
            met.add(trial.fingerprint)
            methods.append(method)
            trials.append(trial)
    return SearchPlan(cell, tuple(methods), tuple(trials))


def open_space(cell: Cell) -> dict[str, LogRange | tuple[Any, ...]]:
    """Return what tuning may try in a cell.

    What was typed is settled, and so is all that a config file says; values that the method refuses
    on this backbone are left out, and an option that has one value left is no choice.
    """
    settled = _settled(cell)
    space: dict[str, LogRange | tuple[Any, ...]] = {}
    for key, values in cell.method.search_space.items():
        if key in settled or (_from_file(cell.text) and key != "learning_rate"):
            continue
        if isinstance(values, tuple):
            values = tuple(value for value in values if _works(cell, key, value))
        if isinstance(values, LogRange) or len(values) > 1:
            space[key] = values
    return space


def spread(space: Space) -> Iterator[dict[str, Any]]:
    """Yield points spread evenly over a space: a scrambled Sobol sequence, always the same."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    axes = {key: _axis(values) for key, values in space.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.QMCSampler(seed=SEED, scramble=True, warn_independent_sampling=False)
    search = optuna.create_study(sampler=sampler)
    # The sampler draws its first point at random; number 0 is the default and needs none.
    search.tell(search.ask(axes), 0.0)
    while True:
        asked = search.ask(axes)
        search.tell(asked, 0.0)
        yield {key: _value(space[key], asked.params[key]) for key in space}


def rungs(steps: int) -> list[int]:
    """Return the steps of a trial after which it may be stopped, in order; never the last."""
    found = {max(_FEWEST_STEPS, math.ceil(share * steps)) for share in _RUNGS}
    return sorted(step for step in found if step < steps)


def bar(earlier: Sequence[float]) -> float | None:
    """Return what a trial has to reach at a rung to go on, given the earlier trials' scores there.

    It has to be among the best third, itself counted: successive halving as it is done one trial
    after the other (Li et al. 2020, arXiv 1810.05934), a third being rounded up so that more than
    the one best of few go on. None where there is nothing to be held against.
    """
    places = math.ceil((len(earlier) + 1) / _KEPT)
    return sorted(earlier, reverse=True)[places - 1] if len(earlier) >= places else None


def _axis(values: LogRange | tuple[Any, ...]) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    if isinstance(values, LogRange):
        return FloatDistribution(values.low, values.high, log=True)
    return IntDistribution(0, len(values) - 1)


def _value(values: LogRange | tuple[Any, ...], drawn: float) -> Any:
    if isinstance(values, tuple):
        return values[int(drawn)]
    return float(f"{drawn:.3g}")  # a rate is read and typed again by people


def _settled(cell: Cell) -> set[str]:
    """Return the options that the method's name gives, as they are called in its search space."""
    parts = parse_method(cell.text).parts
    aliases: dict[str, str] = {}
    for kind in _kinds(cell.typed):
        aliases |= kind.info.aliases
    given: set[str] = set()
    for part in parts:
        for key, _ in part.options:
            field = aliases.get(key, key)
            given |= {field, f"{part.name}.{field}"} if len(parts) == 1 else {f"{part.name}.{field}"}
            if field == "learning_rate":  # one for all parts
                given.add(field)
    return given


def _kinds(method: Method) -> Iterable[Method]:
    parts: Iterable[Method] = getattr(method, "parts", (method,))
    return parts


def _from_file(text: str) -> bool:
    return any(part.is_file for part in parse_method(text).parts)


def _works(cell: Cell, key: str, value: Any) -> bool:
    method = cell.typed.with_options({key: value}).resolved_for(cell.backbone)
    return method.refuses(cell.backbone, cell.task, cell.study.budget) is None
