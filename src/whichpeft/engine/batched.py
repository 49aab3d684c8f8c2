"""Several trials of one method at once: seeds and learning rates, trained as one model.

Each keeps its own order of the data, schedule, clipping, early stop, rungs, best checkpoint and test
predictions, so that each gives the result that it would have given alone. With dropout it draws other
numbers than alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from whichpeft.engine.batches import evaluation_batches, training_batches
from whichpeft.engine.compute import Compute, choose_compute
from whichpeft.engine.job import Job, Progress, Result
from whichpeft.engine.loop import (
    EVALUATION_BATCH,
    READ_LOSS_EVERY,
    Fitted,
    Report,
    behind,
    in_order,
    note_loss,
    until_rungs,
    validation_score,
)
from whichpeft.engine.mapped import MappedOptimisation, Own, Stack, batch_of
from whichpeft.engine.memory import keep_freed_memory
from whichpeft.engine.meter import Meter
from whichpeft.engine.prepare import TRAINING, Prepared, start_stream
from whichpeft.engine.setting import describe_setting
from whichpeft.engine.stacking import Stacked, stack_up
from whichpeft.engine.trial import (
    carry_out,
    explain,
    failed,
    keep_adapter,
    quietly,
    result_of,
    checked_predictions,
    final_scores,
)
from whichpeft.errors import CannotBatch, TrialFailed
from whichpeft.planning import bar
from whichpeft.records import Measurement, Setting
from whichpeft.tasks import Array


@dataclass(slots=True, eq=False)
class _Member:
    """A trial in a stack: where it stands. best: what it had of its own at its best epoch."""

    job: Job
    meter: Meter = field(default_factory=Meter)
    fitted: Fitted = field(default_factory=Fitted)
    batches: list[Array] = field(default_factory=list)
    best: Own | None = None
    failure: TrialFailed | None = None


class _Earlier:
    """The scores at each rung of a search's trials so far, which say what the next one has to reach."""

    def __init__(self, job: Job) -> None:
        self._scores = {step: list(scores) for step, scores in job.earlier}

    def needed(self, job: Job, step: int) -> float | None:
        return bar(self._scores[step]) if job.trial.number and step in self._scores else None

    def note(self, step: int, score: float) -> None:
        if step in self._scores:
            self._scores[step].append(score)


def carry_out_together(job: Job, report: Report) -> Iterator[Result]:
    """Carry out a job and those along with it as one model, and give a result for each.

    Where they cannot be, they are carried out one by one, and the first result's note says why.
    """
    found = _try_together(job, report)
    if not isinstance(found, str):
        yield from found
        return
    note: str | None = f"{job.trial.method} is trained trial by trial: {found}"
    earlier = _Earlier(job)
    for member in job.members:
        rungs = tuple((step, earlier.needed(member, step)) for step, _ in member.rungs)
        result = carry_out(replace(member, rungs=rungs, along=()), report)
        for step, name, value in result.curve:
            if name == "validation_score":
                earlier.note(step, value)
        yield replace(result, note=note)
        note = None


def _try_together(job: Job, report: Report) -> list[Result] | str:
    """Return the results, or why the trials cannot be carried out together."""
    members = [_Member(member) for member in job.members]
    torch.set_num_threads(job.trial.threads)
    try:
        compute = choose_compute(job.device, job.trial.precision)
        setting = replace(describe_setting(compute, job.beside), together=len(members))
        with quietly():
            return _together(members, compute, setting, report)
    except CannotBatch as error:
        reason = str(error)
    except Exception as error:  # the trials may well do alone what they could not together
        reason = explain(error)
    if job.device.startswith("cuda"):
        torch.cuda.empty_cache()
    return reason


def _together(
    members: Sequence[_Member], compute: Compute, setting: Setting, report: Report
) -> list[Result]:
    keep_freed_memory()
    report(Progress(phase="set-up"))
    for member in members:
        member.meter.take_share(1 / len(members))
    stacked = stack_up([member.job for member in members], compute)
    start_stream(members[0].job.trial.seed, TRAINING)
    _fit(stacked, members, report)
    tested = _test(stacked, members, report)
    results = []
    for member, (predictions, scored) in zip(members, tested, strict=True):
        if member.failure is not None:
            results.append(failed(member.job, setting, member.failure, member.meter))
            continue
        if member.job.keep is not None and member.best is not None:
            with member.meter.phase("save"):
                stacked.stack.put(member.best)
                keep_adapter(stacked.prepared, member.job.keep)
        results.append(
            result_of(
                member.job, setting, stacked.prepared, member.fitted, predictions, scored, member.meter
            )
        )
    return results


class _Fitting:
    """A stack in training: the trials still in it, each a row, in the order of their rows."""

    def __init__(self, stacked: Stacked, members: Sequence[_Member], report: Report) -> None:
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
        """Return the context in which the active trials' time belongs to a phase."""
        stack = ExitStack()
        for member in self.active:
            stack.enter_context(member.meter.phase(name))
        return stack

    def train(self, places: Sequence[int]) -> None:
        """Take the steps with these places in the epoch. A trial whose loss is not finite leaves."""
        self.prepared.model.train()
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
        """Take one step, each trial on its own batch; return their losses, (trials,)."""
        losses = step_together(self.prepared, self.stack, batches)
        self._optimisation.step(self.active[0].fitted.steps)
        return losses

    def _note_losses(self, losses: Sequence[float]) -> None:
        for member, loss in zip(self.active, losses, strict=True):
            try:
                note_loss(loss, member.fitted)
            except TrialFailed as error:
                member.failure = error
        self.leave([member for member in self.active if member.failure is not None])

    def validate(self) -> list[float]:
        """Return the validation score of each trial that stays; what cannot be scored leaves."""
        self._report(Progress(phase="validate", epoch=self.epochs))
        scores = []
        outputs = evaluate_together(self.prepared, self.stack, "validation")
        for member, rows in zip(self.active, outputs, strict=True):
            try:
                scores.append(validation_score(self.prepared, rows))
            except TrialFailed as error:
                member.failure = TrialFailed(error.reason, phase="validate")
        self.leave([member for member in self.active if member.failure is not None])
        return scores

    def leave(self, members: Sequence[_Member]) -> None:
        """Let trials go; those that stay share the time from here on."""
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


def _fit(stacked: Stacked, members: Sequence[_Member], report: Report) -> None:
    """Train the stack, validate after each epoch and at rungs; see `whichpeft.engine.loop.fit`."""
    first = members[0].job
    budget, earlier = first.trial.budget, _Earlier(first)
    fitting = _Fitting(stacked, members, report)
    sizes = fitting.train_examples.sizes
    for epoch in range(budget.epochs):
        for member in fitting.active:
            seed = member.job.trial.seed
            member.batches = training_batches(sizes, budget.batch_size, seed=seed, epoch=epoch)
        done = fitting.active[0].fitted.steps
        places = list(range(len(fitting.active[0].batches)))
        for part in until_rungs(places, done, [step for step, _ in first.rungs]):
            with fitting.phase("fit"):
                fitting.train(part)
            if not fitting.active:
                return
            with fitting.phase("validate"):
                scores = fitting.validate()
            _note_scores(fitting, scores, earlier)
            if not fitting.active:
                return
        _end_epoch(fitting, epoch, last=epoch == budget.epochs - 1)
        if not fitting.active:
            return


def _note_scores(fitting: _Fitting, scores: Sequence[float], earlier: _Earlier) -> None:
    """Keep the scores in the curves; trials that fall behind those before them in the search leave."""
    for member, score in zip(fitting.active, scores, strict=True):
        fitted = member.fitted
        fitted.curve.append((fitted.steps, "validation_score", score))
        rung = (fitted.steps, earlier.needed(member.job, fitted.steps))
        earlier.note(fitted.steps, score)
        fitted.behind = behind(fitted.steps, score, (rung,))
        if fitted.behind is not None:
            fitted.best_score = max(fitted.best_score, score)
    fitting.leave([member for member in fitting.active if member.fitted.behind is not None])


def _end_epoch(fitting: _Fitting, epoch: int, *, last: bool) -> None:
    """Keep what is the best so far; trials that have not been better for long leave."""
    gone = []
    for row, member in enumerate(fitting.active):
        _, _, score = member.fitted.curve[-1]
        if member.fitted.end_epoch(epoch, score):
            if member.job.trial.purpose == "final":
                member.best = fitting.stack.own(row)
        elif member.fitted.gives_up(member.job.trial.budget):
            gone.append(member)
    fitting.leave([] if last else gone)


def step_together(prepared: Prepared, stack: Stack, batches: Sequence[Array]) -> torch.Tensor:
    """Leave the gradients of a step in a stack, one batch a trial; return the losses, (trials,)."""
    examples, losses = prepared.examples["train"], stack.trained.new_zeros(len(batches))
    sizes = [len(batch) for batch in batches]
    for size in sorted(set(sizes)):  # an epoch's last batch is smaller, and not at one place for all
        rows = [row for row, own in enumerate(sizes) if own == size]
        batch = prepared.compute.place(batch_of(examples, [batches[row] for row in rows]))
        with prepared.compute.autocast():
            some = stack.losses(prepared.task, batch, None if len(rows) == len(batches) else rows)
        some.sum().backward()
        losses[rows] = some.detach().to(losses.dtype)
    return losses


def evaluate_together(prepared: Prepared, stack: Stack, split: str) -> Array:
    """Return every trial's outputs on a split, in the split's own order: (trials, examples, width)."""
    examples = prepared.examples[split]
    batches = evaluation_batches(examples.sizes, EVALUATION_BATCH)
    prepared.model.eval()
    rows: list[Array] = []
    with torch.no_grad(), prepared.compute.autocast():
        for batch in batches:
            inputs = prepared.compute.place(examples.batch(batch))
            outputs = stack.outputs(prepared.task, inputs)
            rows.append(outputs.float().cpu().numpy().swapaxes(0, 1))
    return np.ascontiguousarray(in_order(rows, batches).swapaxes(0, 1))


Tested = tuple[dict[str, Array], list[Measurement]]


def _test(stacked: Stacked, members: Sequence[_Member], report: Report) -> list[Tested]:
    """Test all final trials at once, each at its best epoch; predictions and scores, one a member."""
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
            outputs = evaluate_together(prepared, stack, "test")
            for member, rows in zip(final, outputs, strict=True):
                try:
                    predictions = checked_predictions(prepared, rows)
                    tested[id(member)] = predictions, final_scores(prepared, predictions)
                except TrialFailed as error:
                    member.failure = error
    return [tested.get(id(member), ({}, [])) for member in members]
