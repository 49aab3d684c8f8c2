"""Measures what a method costs, with no other trial running, before its quality is measured.

Readings are taken in order of importance, each within its share of the seconds of a `ProfileBudget`:
memory, with an allocator that returns freed memory; training steps, with one that keeps it, as the
final trials use; the size on disk; inference; the model with the adapter merged, which ends the
adapter; and, if seconds are left, loading the saved adapter and switching between two.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from whichpeft.backbones import Backbone
from whichpeft.engine.batches import evaluation_batches, rows_of, shape, spread, training_batches
from whichpeft.engine.compute import Compute
from whichpeft.engine.evaluation import predict
from whichpeft.engine.job import Job, ProfileWork, Progress, ReportProgress
from whichpeft.engine.loop import take_step
from whichpeft.engine.memory import (
    PeakMemory,
    keep_freed_memory,
    ran_out_of_memory,
    return_freed_memory,
)
from whichpeft.engine.meter import Meter
from whichpeft.engine.model_setup import (
    PreparedTrial,
    prepare,
    saved_bytes,
    whole_adapter,
)
from whichpeft.engine.optimisation import Optimisation
from whichpeft.engine.process_group import Group
from whichpeft.engine.profiling.adapter_size import bytes_to_save
from whichpeft.engine.profiling.budget import STANDARD, ProfileBudget
from whichpeft.engine.profiling.energy import NvmlCounter, RaplCounter, StepEnergy, find_counter
from whichpeft.engine.profiling.inference import (
    measure_batch_latency,
    measure_latency,
    measure_loading,
    measure_merged,
    ready_for_use,
)
from whichpeft.engine.profiling.other_work import OtherWork
from whichpeft.engine.profiling.stopwatch import Stopwatch
from whichpeft.engine.profiling.timing_rounds import Readings, fact, quartiles, read_in_rounds
from whichpeft.engine.random_streams import TRAINING, start_stream
from whichpeft.methods import Adapter
from whichpeft.planning.batch_norm import set_training
from whichpeft.records import Measurement
from whichpeft.records.other_work import INFERENCE_TAKEN, STEPS_TAKEN
from whichpeft.tasks import Array, Batch, DecodedTask, Examples
from whichpeft.tasks.text_encoding import vocabulary_size

# Steps longer than this are not warmed up for every shape: a new shape costs only some milliseconds.
_LONG_STEP = 0.5
_SMALL = 2  # examples of the step that creates the optimiser's state; some layers cannot train on one
# Bytes that training keeps for a token per layer and unit of its width, and for a number of its logits.
# They need not be exact: they only rank batches by memory.
_TOKEN_BYTES, _LOGIT_BYTES = 40, 10
_WRITTEN = 1 << 30  # bytes; more would fill a small disk, or memory if temporary files are there
_PARTS = ("forward", "backward", "optimizer")


def profile(
    job: Job, work: ProfileWork, compute: Compute, meter: Meter, report: ReportProgress, group: Group
) -> list[Measurement]:
    """Measure parameters, memory, step time, adapter size and inference of one method.

    If several processes share the trial, the time of the slowest and the memory of the fullest count,
    and inference is not measured.
    """
    report(Progress(phase="set-up"))
    others = OtherWork(compute, job.trial.conditions.threads, group, meter, work.patience)
    return_freed_memory()
    peak = PeakMemory(compute.device)
    prepared = prepare(job, compute, group)
    peak.restart()  # memory that loading took on top of the model does not count
    found = list(prepared.counts)
    start_stream(job.trial.seed, TRAINING, group.rank)
    if not prepared.adapter.trains:
        found += [fact("train_seconds", 0, "s"), fact("adapter_bytes", 0, "B")]
        return [*found, *meter.measurements("profile")]
    found += _frozen_share(job, prepared)
    training = _Training(job, work, prepared)
    with meter.phase("warm-up"):
        found += _memory(job, work, prepared, training, peak)
        keep_freed_memory(compute.device)
        training.warm_up()
    with meter.phase("fit"):
        report(Progress(phase="fit"))
        found += others.watch(STEPS_TAKEN, training.measure)
    training.end()
    with tempfile.TemporaryDirectory(prefix="whichpeft-") as folder:
        with meter.phase("save"):
            adapter = whole_adapter(prepared, job)
            size, kept = _save(adapter, Path(folder)) if adapter is not None else (None, None)
            if size is not None:
                found.append(fact("adapter_bytes", size, "B"))
        if work.budget.examples and group.size == 1:
            found += _use(job, work.budget, prepared, kept, meter, report, others)
    return [*found, *others.measurements(), *meter.measurements("profile")]


def _frozen_share(job: Job, prepared: PreparedTrial) -> list[Measurement]:
    """Return the share of the layers that trials compute once, since nothing in or below them trains."""
    layers, depth = len(prepared.frozen_prefix), job.backbone.depth
    if not layers or not depth or prepared.group.size > 1 or isinstance(prepared.task, DecodedTask):
        return []
    return [fact("frozen_share", min(1.0, layers / depth), "fraction")]


def _save(adapter: Adapter, folder: Path) -> tuple[int | None, Path | None]:
    """Save an adapter; return its bytes and the folder. One that is too large is only weighed."""
    trained = (p.numel() * p.element_size() for p in adapter.model.parameters() if p.requires_grad)
    if sum(trained) > _WRITTEN:
        size = bytes_to_save(adapter)
        return (size, None) if isinstance(size, int) else (None, None)
    adapter.save(folder)
    return saved_bytes(folder), folder


def _memory(
    job: Job, work: ProfileWork, prepared: PreparedTrial, training: _Training, peak: PeakMemory
) -> list[Measurement]:
    """Measure the peaks of evaluation and of training, each on the largest batch of the study's size.

    Evaluation comes first, while the optimiser has no state yet. The training peak is that of a later
    step: a first one on a few examples creates the optimiser's state.
    """
    found = []
    if work.budget.examples:
        prepared.model.eval()
        validation = prepared.examples["validation"]
        at_once = min(job.trial.budget.batch_size, prepared.evaluated_at_once)
        longest = evaluation_batches(validation.sizes, at_once)[0]
        predict(prepared, validation.batch(longest))
        found = _peaks(peak, prepared, "evaluation_memory_bytes")
        peak.restart()
    training.begin()
    training.step(prepared.parts(training.smallest[:_SMALL]))
    training.step(prepared.parts(training.largest))
    return [*found, *_peaks(peak, prepared, "peak_memory_bytes", "reserved_memory_bytes")]


def _peaks(
    peak: PeakMemory, prepared: PreparedTrial, name: str, reserved: str | None = None
) -> list[Measurement]:
    prepared.compute.synchronise()
    values = {name: peak.measure()} | ({reserved: peak.reserved()} if reserved else {})
    largest = prepared.group.largest  # the fullest device is the one that may be too small
    return [fact(key, largest(value), "B") for key, value in values.items() if value is not None]


def _use(
    job: Job,
    budget: ProfileBudget,
    prepared: PreparedTrial,
    kept: Path | None,
    meter: Meter,
    report: ReportProgress,
    others: OtherWork,
) -> list[Measurement]:
    """Measure inference, then the merged model, then loading if seconds are left."""

    def latencies() -> list[Measurement]:
        return [
            *measure_latency(budget, prepared),
            *measure_batch_latency(job, budget, prepared),
        ]

    with meter.phase("validate"):
        report(Progress(phase="validate"))
        ready_for_use(prepared)
        found = others.watch(INFERENCE_TAKEN, latencies)
        found += measure_merged(job, budget, prepared)
    # Loading needs a new model, and building one takes about as long as it did at the start.
    if kept is not None and meter.elapsed + meter.seconds("set-up") < budget.seconds:
        with meter.phase("save"):
            try:
                found += measure_loading(job, prepared.task, prepared.compute, kept)
            except Exception as error:
                # It is a second model beside the first, and a trial needs no more than one.
                if not ran_out_of_memory(error):
                    raise
    return found


class _Training:
    """Training steps at one place of the schedule, on batches that represent all sizes."""

    def __init__(self, job: Job, work: ProfileWork, prepared: PreparedTrial) -> None:
        budget, train = job.trial.budget, prepared.examples["train"]
        fewest = prepared.fewest_together
        epoch = training_batches(
            train.sizes, budget.batch_size, seed=job.trial.seed, epoch=0, fewest=fewest
        )
        full = [batch for batch in epoch if len(batch) == budget.batch_size] or epoch

        def most(batch: Array) -> int:
            """Return about how many bytes the largest micro-batch of a batch takes."""
            return max(_about_bytes(job.backbone, train, part) for part, _ in prepared.cut(batch))

        by_size = sorted(full, key=most)
        self.smallest, self.largest = by_size[0], by_size[-1]
        self._chosen = spread(full, train.sizes, work.budget.sizes, rows_of(train))
        self._job, self._work, self._prepared = job, work, prepared
        self._steps = budget.steps(len(train))
        self._taken = 0
        self._optimisation: Optimisation | None = None
        self._spent = 0.0
        # Processes of a group have to take the same steps, so all of them use the slowest one's time.
        self._agreed = prepared.group.largest

    def begin(self) -> None:
        """Start with a new optimiser."""
        set_training(self._prepared.model)
        self._optimisation = Optimisation(self._prepared, self._job.method, self._steps)

    def end(self) -> None:
        """Release the optimiser's state."""
        self._optimisation = None

    def step(self, parts: Iterator[tuple[Batch, float]], mark: Callable[[], None] | None = None) -> None:
        assert self._optimisation is not None
        # Well into training, when a method that changes its shape has nearly its final one, and never
        # past the end, however many steps are taken.
        place = self._steps * 6 // 10 + self._taken % max(1, self._steps // 10)
        take_step(self._prepared, self._optimisation, parts, place, mark)
        self._taken += 1

    def warm_up(self) -> None:
        """Take a step with each shape: the first one takes longer.

        Only the batch itself has the mask and the positions to learn that choose the kernels of its
        timed steps.
        """
        began = time.perf_counter()
        train = self._prepared.examples["train"]
        shapes = {shape(train, batch): batch for batch in self._chosen}
        for batch in shapes.values():
            before = time.perf_counter()
            self.step(self._prepared.parts(batch))
            self._prepared.compute.synchronise()
            if self._agreed(time.perf_counter() - before) > _LONG_STEP:
                break
        self._spent = self._agreed(time.perf_counter() - began)

    def measure(self) -> list[Measurement]:
        """Time steps by the rule of `read_in_rounds`, and measure the energy that they take."""
        budget = self._work.budget
        watch = Stopwatch(self._prepared.compute)

        def read(indices: Array) -> tuple[float, ...]:
            watch.start()
            self.step(self._prepared.parts(indices), watch.mark)
            whole, *parts, optimizer = watch.stop()
            if energy is not None:
                energy.stepped()
            return self._agreed(whole), sum(parts[::2]), sum(parts[1::2]), optimizer

        counter = find_counter(self._prepared.compute.device)
        # Which takes seconds of its own.
        energy = StepEnergy(counter) if isinstance(counter, NvmlCounter) and budget.examples else None
        readings = read_in_rounds(
            self._chosen,
            read,
            seconds=budget.step_seconds - self._spent,
            rounds=budget.rounds,
            stable=budget.stable,
            agreed=self._agreed,
        )
        found = self._rates(readings)
        joules = None if energy is None else self._joules_of_a_step(energy)
        if isinstance(counter, RaplCounter):
            joules = counter.joules() / readings.count
        if counter is not None and joules is not None:
            found.append(fact("energy_joules", joules * self._steps, "J", counter.source))
        return found

    def _joules_of_a_step(self, energy: StepEnergy) -> float | None:
        """Take further steps until the counter has changed enough; add up the devices of a group."""
        for batch in itertools.cycle(self._chosen):
            if not self._agreed(float(energy.needs_more)):
                break
            self.step(self._prepared.parts(batch))
            self._prepared.compute.synchronise()
            energy.stepped()
        by_device = self._prepared.group.gathered(energy.per_step())
        told = [joules for joules in by_device if joules is not None]
        return sum(told) if len(told) == len(by_device) else None

    def _rates(self, readings: Readings) -> list[Measurement]:
        """Return the time of a step and of its parts, and the rates that follow."""
        train = self._prepared.examples["train"]
        batches = [self._chosen[place] for place in readings.inputs]
        times = readings.times()
        found = [quartiles("step_milliseconds", times)]
        found += [
            quartiles(f"{name}_milliseconds", readings.times(part))
            for part, name in enumerate(_PARTS, start=1)
        ]
        if self._work.budget.rounds > STANDARD.rounds:  # to show what the further rounds gained
            first = quartiles("step_milliseconds", readings.times(rounds=1))
            found.append(dataclasses.replace(first, name="first_round_step_milliseconds"))
        total = float(np.sum(times))
        samples = sum(map(len, batches)) / total
        # The mean, not the median: batches differ in size, and a trial trains on all of them.
        found += [
            fact("train_seconds", float(np.mean(times)) * self._steps, "s"),
            fact("samples_per_second", samples, "1/s"),
        ]
        units = {"tokens": train.tokens, "residues": getattr(train, "residues", None)}
        for unit, counts in units.items():
            if counts is not None:
                read = sum(int(counts[batch].sum()) for batch in batches)
                found.append(fact(f"{unit}_per_second", read / total, "1/s"))
        return [*found, *_peak_share(self._work, self._prepared.conditions.shards, samples)]


def _about_bytes(backbone: Backbone, train: Examples, part: Array) -> int:
    rows, length = shape(train, part)
    tokens = rows * length * _TOKEN_BYTES * (backbone.width or 1) * (backbone.depth or 1)
    learnt = getattr(train, "learnt", None)
    if learnt is None:
        return tokens
    return tokens + rows * int(learnt(part)) * _LOGIT_BYTES * (vocabulary_size(backbone) or 0)


def _peak_share(work: ProfileWork, shards: int, samples: float) -> list[Measurement]:
    """Compare the FLOP/s of training with those of the machine's matrix products."""
    found = []
    if work.flops_per_sample is not None:
        found.append(fact("flops_per_sample", work.flops_per_sample, "FLOP", "counted"))
    if work.matmul_speed is not None:
        found.append(fact("matmul_flops_per_second", work.matmul_speed, "FLOP/s", "matmul"))
    if work.flops_per_sample is not None and work.matmul_speed is not None:
        share = work.flops_per_sample * samples / (work.matmul_speed * shards)
        found.append(fact("peak_share", share, "fraction"))
    return found
