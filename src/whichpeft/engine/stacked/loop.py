"""The training loop over a stack of trials; see `whichpeft.engine.loop` for the loop over one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from whichpeft.engine.batches import evaluation_batches, training_batches
from whichpeft.engine.evaluation import in_order
from whichpeft.engine.fit_result import FitResult, Validation, note_loss, validate
from whichpeft.engine.job import FinalWork, Job, Progress, ReportProgress, TuneWork
from whichpeft.engine.loop import READ_LOSS_EVERY, until_rungs, why_pruned
from whichpeft.engine.meter import Meter
from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.engine.stacked.build import Stacked
from whichpeft.engine.stacked.vmap import MappedOptimisation, Own, Stack, batch_of
from whichpeft.errors import TrialFailed
from whichpeft.planning import rung_threshold
from whichpeft.planning.batch_norm import set_training
from whichpeft.tasks import Array


@dataclass(slots=True, eq=False)
class Member:
    """A trial in a stack, with its progress."""

    job: Job
    """The trial's job."""

    meter: Meter = field(default_factory=Meter)
    """The trial's share of the time."""

    fitted: FitResult = field(default_factory=FitResult)
    """The result so far."""

    batches: list[Array] = field(default_factory=list)
    """The batches of the current epoch."""

    latest: Validation | None = None
    """The last validation."""

    best: Own | None = None
    """The trial's own tensors at its best epoch."""

    failure: TrialFailed | None = None
    """Why the trial failed, if it did."""


class SearchScores:
    """The scores of a search's trials at each rung so far, which decide what the next has to reach."""

    def __init__(self, job: Job) -> None:
        earlier = job.work.earlier_scores if isinstance(job.work, TuneWork) else ()
        self._scores = {step: list(scores) for step, scores in earlier}

    def needed(self, job: Job, step: int) -> float | None:
        return rung_threshold(self._scores[step]) if job.trial.number and step in self._scores else None

    def with_rungs(self, job: Job) -> Job:
        """Return a job to run alone, with the score that it has to reach at each of its rungs."""
        work = job.work
        if isinstance(work, TuneWork):
            work = replace(work, rungs=tuple((step, self.needed(job, step)) for step, _ in work.rungs))
        return replace(job, work=work, stacked_with=())

    def note(self, step: int, score: float) -> None:
        if step in self._scores:
            self._scores[step].append(score)


class _Fitting:
    """A stack in training. The active trials are in the order of their rows."""

    def __init__(self, stacked: Stacked, members: Sequence[Member], report: ReportProgress) -> None:
        self.active = list(members)
        self.prepared, self.stack = stacked.prepared, stacked.stack
        self.train_examples = stacked.prepared.examples["train"]
        self._report = report
        first = members[0].job.trial
        self._optimisation = MappedOptimisation(
            self.stack,
            stacked.layout,
            [member.job.method for member in members],
            first.budget.steps(len(self.train_examples)),
        )

    @property
    def epochs(self) -> float:
        return self.active[0].fitted.examples / len(self.train_examples)

    def phase(self, name: str) -> ExitStack:
        """Return a context in which the time of the active trials counts to a phase."""
        stack = ExitStack()
        for member in self.active:
            stack.enter_context(member.meter.phase(name))
        return stack

    def train(self, places: Sequence[int]) -> None:
        """Take the steps at these places of the epoch; remove trials whose loss is not finite."""
        set_training(self.prepared.model)
        pending: list[torch.Tensor] = []
        seen = 0
        began = time.perf_counter()
        for place in places:
            batches = [member.batches[place] for member in self.active]
            pending.append(self._step(batches))
            for member, batch in zip(self.active, batches, strict=True):
                member.fitted.steps += 1
                member.fitted.examples += len(batch)
            seen += len(batches[0])
            if len(pending) == READ_LOSS_EVERY or place == places[-1]:
                losses = torch.stack(pending).mean(dim=0).tolist()
                pending.clear()
                speed = seen / (time.perf_counter() - began)
                mean = sum(losses) / len(losses)
                self._report(Progress(phase="fit", epoch=self.epochs, loss=mean, speed=speed))
                self._note_losses(losses)
                if not self.active:
                    return

    def _step(self, batches: Sequence[Array]) -> torch.Tensor:
        """Take one step, each trial on its own batch; return the losses, (trials,)."""
        losses = take_stacked_step(self.prepared, self.stack, batches)
        self._optimisation.step(self.active[0].fitted.steps)
        return losses

    def _note_losses(self, losses: Sequence[float]) -> None:
        for member, loss in zip(self.active, losses, strict=True):
            try:
                note_loss(loss, member.fitted)
            except TrialFailed as error:
                member.failure = error
        self.remove([member for member in self.active if member.failure is not None])

    def validate(self) -> None:
        """Validate each remaining trial; remove those that cannot be scored."""
        self._report(Progress(phase="validate", epoch=self.epochs))
        outputs = evaluate_stacked(self.prepared, self.stack, "validation")
        for member, rows in zip(self.active, outputs, strict=True):
            try:
                member.latest = validate(self.prepared, {"outputs": rows})
            except TrialFailed as error:
                member.failure = TrialFailed(error.reason, phase="validate")
        self.remove([member for member in self.active if member.failure is not None])

    def remove(self, members: Sequence[Member]) -> None:
        """Remove trials; the remaining ones share the time from now on."""
        if not members:
            return
        rows = [row for row, member in enumerate(self.active) if member not in members]
        self.active = [self.active[row] for row in rows]
        for member in members:
            member.meter.take_share(0.0)
        for member in self.active:
            member.meter.take_share(1 / len(rows))
        if rows:
            self.stack.keep(rows)
            self._optimisation.keep(rows)


def fit_stacked(stacked: Stacked, members: Sequence[Member], report: ReportProgress) -> None:
    """Train the stack; validate after each epoch and at rungs. See `whichpeft.engine.loop.fit`."""
    first = members[0].job
    budget, search_scores = first.trial.budget, SearchScores(first)
    fitting = _Fitting(stacked, members, report)
    sizes = fitting.train_examples.sizes
    for epoch in range(budget.epochs):
        for member in fitting.active:
            seed = member.job.trial.seed
            member.batches = training_batches(
                sizes, budget.batch_size, seed=seed, epoch=epoch, fewest=stacked.prepared.fewest_together
            )
        done = fitting.active[0].fitted.steps
        places = list(range(len(fitting.active[0].batches)))
        for part in until_rungs(places, done, [step for step, _ in first.rungs]):
            with fitting.phase("fit"):
                fitting.train(part)
            if not fitting.active:
                return
            with fitting.phase("validate"):
                fitting.validate()
            _note_validations(fitting, search_scores)
            if not fitting.active:
                return
        _end_epoch(fitting, epoch, last=epoch == budget.epochs - 1)
        if not fitting.active:
            return


def _note_validations(fitting: _Fitting, search_scores: SearchScores) -> None:
    """Add validations to the curves; remove trials that are worse than earlier ones of the search."""
    for member in fitting.active:
        fitted, latest = member.fitted, member.latest
        assert latest is not None
        fitted.note(latest)
        rung = (fitted.steps, search_scores.needed(member.job, fitted.steps))
        search_scores.note(fitted.steps, latest.score)
        reason = why_pruned(fitted.steps, latest.score, (rung,))
        if reason is not None:
            fitted.stop(reason, latest)
    fitting.remove([member for member in fitting.active if member.fitted.pruned_because is not None])


def _end_epoch(fitting: _Fitting, epoch: int, *, last: bool) -> None:
    """Keep the best weights of each trial; remove trials that have stopped improving."""
    gone = []
    for row, member in enumerate(fitting.active):
        assert member.latest is not None
        if member.fitted.end_epoch(epoch, member.latest):
            if isinstance(member.job.work, FinalWork):
                member.best = fitting.stack.own(row)
        elif member.fitted.should_stop(member.job.trial.budget):
            gone.append(member)
    fitting.remove([] if last else gone)


def take_stacked_step(prepared: PreparedTrial, stack: Stack, batches: Sequence[Array]) -> torch.Tensor:
    """Compute the gradients of a step, one batch per trial; return the losses, (trials,)."""
    examples, losses = prepared.examples["train"], stack.trained.new_zeros(len(batches))
    sizes = [len(batch) for batch in batches]
    for size in sorted(set(sizes)):  # an epoch's smaller last batch is at different places
        rows = [row for row, own in enumerate(sizes) if own == size]
        batch = prepared.compute.place(batch_of(examples, [batches[row] for row in rows]))
        with prepared.compute.autocast():
            some = stack.losses(prepared.task, batch, None if len(rows) == len(batches) else rows)
        some.sum().backward()
        losses[rows] = some.detach().to(losses.dtype)
    return losses


def evaluate_stacked(prepared: PreparedTrial, stack: Stack, split: str) -> Array:
    """Return all trials' outputs on a split, in the split's own order: (trials, examples, width)."""
    examples = prepared.examples[split]
    batches = evaluation_batches(examples.sizes, prepared.evaluated_at_once)
    prepared.model.eval()
    rows: list[Array] = []
    with torch.no_grad(), prepared.compute.autocast():
        for batch in batches:
            inputs = prepared.compute.place(examples.batch(batch))
            outputs = stack.outputs(prepared.task, inputs)
            rows.append(outputs.float().cpu().numpy().swapaxes(0, 1))
    return np.ascontiguousarray(in_order(rows, batches).swapaxes(0, 1))
