"""Carries out a job: by itself, sharded over processes, or stacked with others as one model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.engine.job import Job, ProfileWork, ReportProgress, Result
from whichpeft.engine.process_group import ALONE
from whichpeft.engine.sharded_trial import carry_out_sharded
from whichpeft.engine.stacked.speedup import time_stacked
from whichpeft.engine.stacked.trials import carry_out_stacked
from whichpeft.engine.trial import carry_out_alone


def carry_out_all(job: Job, report: ReportProgress, *, began: float | None = None) -> Iterator[Result]:
    """Run a job and the trials stacked with it; yield one result per trial.

    Parameters
    ----------
    began
        As for `carry_out`.
    """
    if job.stacked_with:
        yield from carry_out_stacked(job, report)
    else:
        yield carry_out(job, report, began=began)


def carry_out(job: Job, report: ReportProgress, *, began: float | None = None) -> Result:
    """Run one trial, in this process or in one process per shard. A failure becomes a record too.

    Parameters
    ----------
    began
        When this process started to work on the trial, by `time.perf_counter`; by default now.
    """
    if job.trial.conditions.shards > 1:
        return carry_out_sharded(job, report)
    result = carry_out_alone(job, report, ALONE, began=began)
    if isinstance(job.work, ProfileWork) and job.work.stacked_trials:
        return _with_speedup(job, job.work.stacked_trials, result)
    return result


def _with_speedup(job: Job, trials: int, result: Result) -> Result:
    """Add to a profile how much faster its trials train when they are stacked."""
    record = result.record
    if record.outcome.status != "completed" or not record.value("trainable_parameters"):
        return result
    micro_batch = record.value("micro_batch")
    if micro_batch is not None:
        job = replace(job, micro_batch=int(micro_batch))
    with quiet_warnings():
        found, note = time_stacked(job, trials, record.value("peak_memory_bytes"))
    return replace(
        result, record=replace(record, measurements=(*record.measurements, *found)), note=note
    )
