"""Which methods race: those that can run, and that have a candidate within the limits.

Trained parameters, the adapter's size and the memory are counted on models without weights. The latency
and the training time are known only when a method has been profiled, so they leave out nothing here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from whichpeft.analysis.choice.constraints import COSTS, read_constraints
from whichpeft.costs import CostQuery, estimate_costs
from whichpeft.costs.assumptions import Assumptions
from whichpeft.costs.in_processes import ask_all
from whichpeft.costs.query import count_parameters_of
from whichpeft.costs.study_estimates import cost_query
from whichpeft.engine.batches import as_trained_on, learnt_positions
from whichpeft.errors import LimitsError, StudyError
from whichpeft.methods import Method
from whichpeft.planning import Cell, make_search
from whichpeft.records.race import Entrant
from whichpeft.running.request import Request
from whichpeft.running.setup import RunSetup
from whichpeft.study import AutoOptions
from whichpeft.tasks.encoded_data import read_data
from whichpeft.units import counted, join_words

_PARAMETER_BYTES = 16  # trained in float32 by AdamW: its value, its gradient and two averages
_NAMED = 6  # methods in a line
_INEXACT = 1.05  # an estimate of memory may be 3 % off, so a method this little over is measured instead


@dataclass(frozen=True, slots=True)
class _Question:
    """What is counted of a method with the hyperparameters of one candidate."""

    query: CostQuery
    file: bool
    memory: bool


Costs = Mapping[str, float]
"""What is known of a candidate, by the names of `COSTS`, in the unit of a limit."""


def entrants(request: Request, setup: RunSetup) -> tuple[Entrant, ...]:
    """Return the methods of a study that ``auto`` runs, with those that do not race and why.

    A value that cannot be counted without weights leaves out no method. Methods keep the order
    of the study.

    Raises
    ------
    StudyError
        If a limit cannot be read, or every method is refused.
    LimitsError
        If no method fits the limits.
    """
    study = request.study
    options = study.auto or AutoOptions()
    read = read_constraints(**options.limits, by=options.by, margin=options.margin)
    limits = {name: limit for name, limit in read.limits.items() if name in _COUNTED}
    candidates = {cell.text: _candidates(cell, request.search_seed) for cell in _racing(setup)}
    known = _count(candidates, limits, setup) if limits else {}
    found = []
    for cell in setup.plan.cells:
        if cell.refusal is not None:
            found.append(Entrant(method=cell.text, out="refused", reason=cell.refusal))
        elif cell.text not in candidates:
            found.append(Entrant(method=cell.text, out="trains nothing"))
        else:
            costs = known.get(cell.text, [{} for _ in candidates[cell.text]])
            found.append(_judged(cell.text, costs, limits, races=cell.text == study.baseline))
    if all(entrant.out is not None for entrant in found):
        _complain(found, known, limits)
    return tuple(found)


def with_fewer(found: Sequence[Entrant], candidates: int, baseline: str) -> tuple[Entrant, ...]:
    """Return the entrants with at most so many candidates; some may have none left within the limits."""
    kept = []
    for entrant in found:
        most = min(candidates, entrant.candidates)
        over = tuple(number for number in entrant.over if number < most)
        fewer = replace(entrant, candidates=most, over=over)
        if most and not fewer.arms:
            reason = (
                f"its first {counted(most, 'candidate')} {'is' if most == 1 else 'are'} over a limit"
            )
            races = entrant.method == baseline
            fewer = replace(
                fewer, candidates=most if races else 0, over=(), out="over a limit", reason=reason
            )
        kept.append(fewer)
    return tuple(kept)


def describe(found: Sequence[Entrant]) -> str:
    """Say how many methods race, and which are left out."""
    parts = [f"{counted(sum(bool(entrant.arms) for entrant in found), 'method')} race"]
    for out in ("over a limit", "refused"):
        methods = [entrant.method for entrant in found if entrant.out == out]
        if methods:
            parts.append(
                f"{join_words(methods, most=_NAMED)} {'is' if len(methods) == 1 else 'are'} {out}"
            )
    return "; ".join(parts)


def _complain(
    found: Sequence[Entrant], known: Mapping[str, Sequence[Costs]], limits: Mapping[str, float]
) -> NoReturn:
    """Say why no method can be chosen. Raises StudyError."""
    if not known:
        reasons = (f"{entrant.method}: {entrant.reason}" for entrant in found if entrant.reason)
        raise StudyError(f"auto: every method is refused; {'; '.join(reasons)}")

    def excess(costs: Costs) -> float:
        return max(costs.get(name, 0.0) / limit if limit else math.inf for name, limit in limits.items())

    nearest, costs = min(
        ((method, each) for method, own in known.items() for each in own),
        key=lambda pair: excess(pair[1]),
    )
    over = [name for name, limit in limits.items() if costs.get(name, 0.0) > limit]
    raise LimitsError(
        f"auto: no method fits the limits; {nearest} comes closest, but its {_reason(costs, limits)}: "
        f"raise {join_words([f'--max-{name}' for name in over])}"
    )


_COUNTED = ("trainable", "memory", "adapter-size")


def _racing(setup: RunSetup) -> list[Cell]:
    return [cell for cell in setup.plan.accepted if cell.method.info.learning_rate]


def _candidates(cell: Cell, seed: int) -> tuple[Method, ...]:
    search = make_search(cell, seed)
    return (cell.method,) if search is None else search.methods


def _judged(method: str, costs: Sequence[Costs], limits: Mapping[str, float], races: bool) -> Entrant:
    """Return an entrant by what its candidates cost; with `races`, it races in any case."""
    reasons = [_reason(each, limits) for each in costs]
    over = tuple(number for number, reason in enumerate(reasons) if reason is not None)
    if len(over) < len(costs):
        return Entrant(method=method, candidates=len(costs), over=over)
    return Entrant(
        method=method,
        candidates=len(costs) if races else 0,
        out="over a limit",
        reason=reasons[0],  # of the default, which people know
    )


def _reason(costs: Costs, limits: Mapping[str, float]) -> str | None:
    """Return which limits a candidate is over, in words; None if it is within all."""
    reasons = []
    for name, limit in limits.items():
        cost, value = COSTS[name], costs.get(name)
        if value is not None and value > limit * (_INEXACT if name == "memory" else 1):
            about = "of about " if name == "memory" else ""
            needs, allows = cost.shown_limit(value), cost.shown_limit(limit)
            barely = f" by {value / limit - 1:.1%}" if needs == allows else ""
            reasons.append(f"{cost.words} {about}{needs} is over {allows}{barely}")
    return "; ".join(reasons) or None


def _count(
    candidates: Mapping[str, Sequence[Method]], limits: Mapping[str, float], setup: RunSetup
) -> dict[str, list[Costs]]:
    """Count what each candidate costs, once for all that differ only in their learning rate.

    A step is traced for the defaults alone, since that takes ten times as long as counting. The memory
    of other candidates differs from it by that of their trained parameters.
    """
    cells = {cell.text: cell for cell in _racing(setup)}
    file, memory = "adapter-size" in limits, "memory" in limits
    assumed = {cell.text: _assumed(cell, setup, memory) for cell in cells.values()}
    questions: dict[tuple[str, str], _Question] = {}
    for text, methods in candidates.items():
        task = cells[text].task.without_examples()
        for number, method in enumerate(methods):
            query = cost_query(replace(cells[text], method=method, task=task), assumed[text])
            question = _Question(query, file, memory and number == 0)
            questions.setdefault((text, _sizes(method)), question)
    answers = dict(zip(questions, ask_all(_answer, list(questions.values())), strict=True))
    return {
        text: _with_memory([answers[text, _sizes(method)] for method in methods])
        for text, methods in candidates.items()
    }


def _assumed(cell: Cell, setup: RunSetup, memory: bool) -> Assumptions:
    """Return what memory is estimated for: a batch of the longest training examples."""
    length, learnt = 1, None
    if memory:
        task, examples = read_data(setup.data_of(cell))
        train = as_trained_on(task, examples["train"], packing=cell.study.conditions.packing)
        length, learnt = int(np.max(train.sizes)), learnt_positions(train, cell.study.budget.batch_size)
    return Assumptions(
        compute=setup.executor.compute,
        length=length,
        typical_length=None,
        learnt=learnt[0] if learnt else None,
        typical_learnt=None,
        examples=None,
        memory=None,
        speed=None,
    )


def _sizes(method: Method) -> str:
    """Return the hyperparameters that decide sizes."""
    options = {key: value for key, value in method.hyperparameters.items() if key != "learning_rate"}
    return json.dumps(options, sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class _Counts:
    """What was counted of a candidate; None if it cannot be told without weights."""

    trained: int | None = None
    total: int | None = None
    file: int | None = None
    memory: int | None = None


def _answer(question: _Question) -> _Counts:
    try:
        if not (question.file or question.memory):
            counts = count_parameters_of(question.query)
            return _Counts(counts["trainable_parameters"], counts["total_parameters"])
        costs = estimate_costs(question.query, step=question.memory, checkpointed=False)
    except Exception:  # of many kinds; a method that cannot work was refused before
        return _Counts()
    memory = None if costs.memory is None else costs.memory.total
    counts = dict(costs.counts)
    return _Counts(
        counts["trainable_parameters"], counts["total_parameters"], costs.adapter_bytes, memory
    )


def _with_memory(found: Sequence[_Counts]) -> list[Costs]:
    """Return the costs of a method's candidates, of which the first one's step may be traced."""
    first = found[0]
    costs: list[Costs] = []
    for each in found:
        memory = None
        if first.memory is not None and first.trained is not None and each.trained is not None:
            memory = first.memory + _PARAMETER_BYTES * (each.trained - first.trained)
        trainable = None
        if each.trained is not None and each.total:
            trainable = 100 * each.trained / each.total
        known = {"trainable": trainable, "adapter-size": each.file, "memory": memory}
        costs.append({name: float(value) for name, value in known.items() if value is not None})
    return costs
