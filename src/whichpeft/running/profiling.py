"""A run's profiles: the jobs that measure costs, and what a trial should take by what they measured."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from whichpeft.costs import CostQuery, TimeRange, count_flops, time_by_profile
from whichpeft.engine import Job, ProfileWork
from whichpeft.engine.batches import as_trained_on, learnt_positions, padded_length
from whichpeft.engine.profiling.budget import ProfileBudget
from whichpeft.errors import StudyError
from whichpeft.planning import Cell
from whichpeft.records import Measurement, Record
from whichpeft.running.setup import RunSetup, make_job
from whichpeft.tasks.encoded_data import read_data

TUNING_SHARE = 0.4
"""Expected time of a tuning trial, as a share of a final trial's; most are stopped early."""

_PATIENCE = 10.0
_PATIENCE_NAME = "WHICHPEFT_PATIENCE"


def patience_of_run() -> float:
    """Return the seconds that all profiles of a run may wait together for other work to end.

    Raises StudyError if the environment has something else than seconds.
    """
    text = os.environ.get(_PATIENCE_NAME, str(_PATIENCE))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise StudyError(f"{_PATIENCE_NAME} is {text!r}; it has to be seconds, such as 10, or 0")
    return seconds


def profile_jobs(
    cells: Sequence[Cell],
    setup: RunSetup,
    profile_budget: ProfileBudget,
    trials_to_time: Callable[[Cell], int],
    patience: Callable[[], float],
) -> Iterator[Job]:
    """Yield the jobs that measure what cells cost; no other trial may run on the machine with them.

    The machine's own speed is measured once, before the first profile. FLOPs are counted for each cell
    only when its turn has come, so that no counting runs during a profile on the CPU.

    Parameters
    ----------
    trials_to_time
        Returns how many trials of a cell should be timed as one model.
    patience
        Returns the seconds that the next profile may wait for other work on the machine to end.
    """
    matmul_speed: float | None = None
    lengths: dict[Path, tuple[int, int | None]] = {}
    for cell in cells:
        data = setup.data_of(cell)
        if matmul_speed is None:
            matmul_speed = setup.executor.multiply_speed(cell.study.conditions.threads)
        if data not in lengths:
            lengths[data] = _training_lengths(data, cell)
        length, learnt = lengths[data]
        query = CostQuery(
            method=cell.method,
            backbone=cell.backbone,
            task=cell.task,
            compute=setup.executor.compute,
            batch_size=cell.study.budget.batch_size,
            length=length,
            learnt=learnt,
            same_targets=cell.study.conditions.same_targets,
        )
        work = ProfileWork(
            budget=profile_budget,
            flops_per_sample=count_flops(query),
            matmul_speed=matmul_speed,
            stacked_trials=trials_to_time(cell),
            patience=patience(),
        )
        yield make_job(cell.profile, cell, setup, work)


def _training_lengths(data: Path, cell: Cell) -> tuple[int, int | None]:
    """Return the mean padded length of a cell's training examples, and how much of it is learnt."""
    task, examples = read_data(data)
    train = as_trained_on(task, examples["train"], packing=cell.study.conditions.packing)
    size = cell.study.budget.batch_size
    learnt = learnt_positions(train, size)
    return padded_length(train, size), None if learnt is None else learnt[1]


def expected_costs(cells: Iterable[Cell], records: Mapping[str, Record]) -> tuple[dict[str, float], int]:
    """Return what final trials should cost, as far as their cells have been profiled.

    Parameters
    ----------
    records
        The records of the run folder, by fingerprint.

    Returns
    -------
    seconds
        Expected seconds of a final trial, by the fingerprint of its cell's profile.
    memory
        The largest peak memory of these profiles, in bytes.
    """
    seconds: dict[str, float] = {}
    memory = 0
    for cell in cells:
        profile = records.get(cell.profile.fingerprint)
        if profile is not None:
            seconds[profile.trial.fingerprint] = trial_time(profile, cell).likely
            memory = max(memory, int(profile.value("peak_memory_bytes") or 0))
    return seconds, memory


def trial_time(profile: Record, cell: Cell) -> TimeRange:
    """Estimate the time of a cell's final trial from its profile."""
    return time_by_profile(profile, cell.study.budget, cell.task.counts)


def describe_spread(profiles: Sequence[Record]) -> str | None:
    """Describe the spread of thorough profiles' step times, after one round and after all of them.

    Returns None if no profile measured both.
    """
    pairs = [
        (step, first)
        for record in profiles
        if (step := record.measurement("step_milliseconds")) is not None
        and (first := record.measurement("first_round_step_milliseconds")) is not None
    ]
    if not pairs:
        return None
    after, before = (statistics.median(map(_spread, found)) for found in zip(*pairs, strict=True))
    return (
        f"step-time interquartile range: {after:.1%} of the median ({before:.1%} after one round); what "
        "remains is variation between batches"
    )


def _spread(measured: Measurement) -> float:
    """Return the interquartile range as a share of the median."""
    if measured.low is None or measured.high is None or not measured.value:
        return 0.0
    return (measured.high - measured.low) / measured.value
