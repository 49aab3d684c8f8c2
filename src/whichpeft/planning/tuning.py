"""Tuning: the candidates of a method's search, and the rule that stops one of them early.

Candidates do not depend on results. Number 0 is the method with its defaults; the others are spread
evenly over its search space. So they are known in advance, and an interrupted search can resume. What
they show of the space (how much tuning is enough, how sensitive a method is) is not an artefact of a
sampler that has already found the best. Only early stopping saves time.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whichpeft.methods import LogRange, Method
from whichpeft.planning.plan import Cell
from whichpeft.study import Trial, parse_method

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_KEPT = 3  # the best third continues at a rung
_RUNGS = (1 / 5, 1 / 2)  # of a trial's steps; at a ninth, most scores were still at chance level
_MOST_DRAWS = 8  # draws per trial, if a small space repeats itself
_POINTS_SEED = 0  # of the sequence of candidates, so that all searches of a space try the same ones
_FEWEST_STEPS = 16  # before a score means anything; the learning rate is still warming up

Space = Mapping[str, LogRange | tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A method's search in one cell.

    All candidates differ. A small space of choices may have fewer of them than the study asks for.
    """

    cell: Cell
    """The cell whose method is tuned."""

    methods: tuple[Method, ...]
    """The method with the hyperparameters of each candidate, by number."""

    trials: tuple[Trial, ...]
    """The trial of each candidate, by number; `trials[0]` is the default."""

    def tuned(self, fingerprint: str) -> Cell:
        """Return the cell with the hyperparameters of one of the trials."""
        number = [trial.fingerprint for trial in self.trials].index(fingerprint)
        return replace(self.cell, method=self.methods[number])


def make_search(cell: Cell, seed: int) -> SearchPlan | None:
    """Plan a cell's search over the hyperparameters that its method leaves open.

    Returns None if the study does not tune, or if nothing is left open.

    Parameters
    ----------
    cell
        The cell whose method is tuned.
    seed
        The seed that its trials train on.
    """
    count = cell.study.budget.tuning_trials
    space = tunable_space(cell)
    if not count or not space:
        return None
    methods = [cell.method]
    trials = [cell.tuning_trial(0, seed)]
    met = {trials[0].fingerprint}
    # A space of few choices repeats itself and may run out before there are enough candidates.
    for values in itertools.islice(sobol_points(space), _MOST_DRAWS * count):
        if len(trials) == count:
            break
        method = cell.unresolved.with_options(values).resolved_for(cell.backbone)
        trial = replace(cell, method=method).tuning_trial(len(trials), seed)
        if trial.fingerprint not in met:
            met.add(trial.fingerprint)
            methods.append(method)
            trials.append(trial)
    return SearchPlan(cell, tuple(methods), tuple(trials))


def tunable_space(cell: Cell) -> dict[str, LogRange | tuple[object, ...]]:
    """Return the values that tuning may try in a cell, by hyperparameter.

    Options given explicitly are not tuned, nor are those of a config file. Values that the method
    refuses on this backbone are left out, and so is an option with only one value left.
    """
    fixed = _fixed_options(cell)
    space: dict[str, LogRange | tuple[object, ...]] = {}
    for key, values in cell.method.search_space.items():
        if key in fixed or (_from_file(cell.text) and key != "learning_rate"):
            continue
        if isinstance(values, tuple):
            values = tuple(value for value in values if _works(cell, key, value))
        if isinstance(values, LogRange) or len(values) > 1:
            space[key] = values
    return space


def sobol_points(space: Space) -> Iterator[dict[str, object]]:
    """Yield points spread evenly over a space: a scrambled Sobol sequence, the same on every call."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    axes = {key: _axis(values) for key, values in space.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.QMCSampler(
            seed=_POINTS_SEED, scramble=True, warn_independent_sampling=False
        )
    search = optuna.create_study(sampler=sampler)
    # The sampler draws its first point at random. Number 0 is the default and needs no point.
    search.tell(search.ask(axes), 0.0)
    while True:
        asked = search.ask(axes)
        search.tell(asked, 0.0)
        yield {key: _value(space[key], asked.params[key]) for key in space}


def rungs(steps: int) -> list[int]:
    """Return the steps of a trial after which it may be stopped, in order. The last is never one."""
    found = {max(_FEWEST_STEPS, math.ceil(share * steps)) for share in _RUNGS}
    return sorted(step for step in found if step < steps)


def rung_threshold(earlier: Sequence[float]) -> float | None:
    """Return the score that a trial needs to continue past a rung, given those of earlier trials there.

    It has to be among the best third, itself included. This is successive halving done one trial after
    another (Li et al. 2020, arXiv 1810.05934), with the third rounded up so that more than the best one
    of few continue. Returns None if there are too few scores to compare with.
    """
    places = math.ceil((len(earlier) + 1) / _KEPT)
    return sorted(earlier, reverse=True)[places - 1] if len(earlier) >= places else None


def _axis(values: LogRange | tuple[object, ...]) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    if isinstance(values, LogRange):
        return FloatDistribution(values.low, values.high, log=True)
    return IntDistribution(0, len(values) - 1)


def _value(values: LogRange | tuple[object, ...], drawn: float) -> object:
    if isinstance(values, tuple):
        return values[int(drawn)]
    return float(f"{drawn:.3g}")  # people read and retype a rate


def _fixed_options(cell: Cell) -> set[str]:
    """Return the options that the method's name sets, by their names in its search space."""
    parts = parse_method(cell.text).parts
    aliases: dict[str, str] = {}
    for kind in _kinds(cell.unresolved):
        aliases |= kind.info.aliases
    given: set[str] = set()
    for part in parts:
        for key, _ in part.options:
            field = aliases.get(key, key)
            given |= {field, f"{part.name}.{field}"} if len(parts) == 1 else {f"{part.name}.{field}"}
            if field == "learning_rate":  # one rate for all parts
                given.add(field)
    return given


def _kinds(method: Method) -> Iterable[Method]:
    parts: Iterable[Method] = getattr(method, "parts", (method,))
    return parts


def _from_file(text: str) -> bool:
    return any(part.is_file for part in parse_method(text).parts)


def _works(cell: Cell, key: str, value: object) -> bool:
    method = cell.unresolved.with_options({key: value}).resolved_for(cell.backbone)
    return method.refuses(cell.backbone, cell.task, cell.study.budget) is None
