"""Several trials of one method, seeds and learning rates, trained as one model.

Each trial keeps its own order of the data, schedule, clipping, early stopping, rungs, best checkpoint
and test predictions, so its result is the same as alone. Only with dropout does it draw other random
numbers than alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.engine.compute import Compute, start_computing
from whichpeft.engine.environment import describe_setting
from whichpeft.engine.job import Job, Progress, ReportProgress, Result
from whichpeft.engine.memory import keep_freed_memory
from whichpeft.engine.model_setup import keep_adapter
from whichpeft.engine.process_group import ALONE
from whichpeft.engine.random_streams import TRAINING, start_stream
from whichpeft.engine.stacked.build import Stacked, stack_up
from whichpeft.engine.stacked.loop import Member, SearchScores, evaluate_stacked, fit_stacked
from whichpeft.engine.stacked.vmap import Stack
from whichpeft.engine.trial import (
    carry_out_alone,
    checked_predictions,
    explain,
    failed,
    final_scores,
    result_of,
)
from whichpeft.errors import CannotStack, TrialFailed
from whichpeft.records import Measurement, Setting
from whichpeft.tasks import Array

_logger = logging.getLogger(__name__)


def carry_out_stacked(job: Job, report: ReportProgress) -> Iterator[Result]:
    """Carry out a job and those stacked with it as one model; yield one result per job.

    If they cannot be stacked, they are carried out one by one, and the first result's note gives the
    reason.
    """
    found = _try_stacked(job, report)
    if not isinstance(found, str):
        yield from found
        return
    note: str | None = f"trials of {job.trial.method} are trained one by one: {found}"
    search_scores = SearchScores(job)
    for member in job.members:
        result = carry_out_alone(search_scores.with_rungs(member), report, ALONE)
        for step, name, value in result.curve:
            if name == "validation_score":
                search_scores.note(step, value)
        yield replace(result, note=note)
        note = None


def _try_stacked(job: Job, report: ReportProgress) -> list[Result] | str:
    """Return the results, or the reason why the trials cannot be stacked."""
    members = [Member(member) for member in job.members]
    compute: Compute | None = None
    try:
        placement = job.placement
        compute = start_computing(
            placement.device, job.trial.conditions, placement.precision, sharing=placement.sharing
        )
        setting = replace(describe_setting(compute, placement.beside), together=len(members))
        with quiet_warnings():
            return _carry_out(members, compute, setting, report)
    except CannotStack as error:
        reason = str(error)
    except Exception as error:  # the trials may still succeed one by one
        _logger.debug("%s cannot be stacked", job.trial.method, exc_info=True)
        reason = explain(error)
    # After the handlers, which keep the attempt's tensors alive. Cycles keep some until a collection.
    if compute is not None:
        compute.let_go()
    return reason


def _carry_out(
    members: Sequence[Member], compute: Compute, setting: Setting, report: ReportProgress
) -> list[Result]:
    keep_freed_memory(compute.device)
    report(Progress(phase="set-up"))
    for member in members:
        member.meter.take_share(1 / len(members))
    stacked = stack_up([member.job for member in members], compute)
    start_stream(members[0].job.trial.seed, TRAINING)
    fit_stacked(stacked, members, report)
    tested = _test(stacked, members, report)
    results = []
    for member, (predictions, scored) in zip(members, tested, strict=True):
        if member.failure is not None:
            results.append(failed(member.job, setting, member.failure, member.meter))
            continue
        if member.job.keep is not None and member.best is not None:
            with member.meter.phase("save"):
                stacked.stack.put(member.best)
                keep_adapter(stacked.prepared.adapter, stacked.prepared.task, member.job.keep)
        results.append(
            result_of(
                member.job, setting, stacked.prepared, member.fitted, predictions, scored, member.meter
            )
        )
    return results


Tested = tuple[dict[str, Array], list[Measurement]]


def _test(stacked: Stacked, members: Sequence[Member], report: ReportProgress) -> list[Tested]:
    """Test all final trials together, each at its best epoch; return predictions and scores."""
    prepared = stacked.prepared
    tested: dict[int, Tested] = {}
    final = [member for member in members if member.best is not None and member.failure is None]
    for member in members:
        member.meter.take_share(1 / len(final) if member in final else 0.0)
    with ExitStack() as phases:
        for member in final:
            phases.enter_context(member.meter.phase("test"))
        if final:
            report(Progress(phase="test", epoch=final[0].job.trial.budget.epochs))
            own = [member.best for member in final if member.best is not None]
            stack = Stack(prepared.model, stacked.layout, own)
            outputs = evaluate_stacked(prepared, stack, "test")
            for member, rows in zip(final, outputs, strict=True):
                try:
                    predictions = checked_predictions(prepared, {"outputs": rows})
                    tested[id(member)] = predictions, final_scores(prepared, predictions)
                except TrialFailed as error:
                    member.failure = error
    return [tested.get(id(member), ({}, [])) for member in members]
