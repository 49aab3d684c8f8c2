"""The training loop, one for every method, task and device."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch

from whichpeft.engine.batches import training_batches
from whichpeft.engine.evaluation import evaluate
from whichpeft.engine.fit_result import FitResult, Validation, note_loss, validate
from whichpeft.engine.job import Job, Progress, ReportProgress
from whichpeft.engine.meter import Meter
from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.engine.optimisation import Optimisation
from whichpeft.errors import TrialFailed
from whichpeft.planning.batch_norm import set_training
from whichpeft.tasks import Array, Batch

_Batch = TypeVar("_Batch")  # a batch, or its place in the epoch

READ_LOSS_EVERY = 10  # steps; reading the loss makes an accelerator wait for the host


def take_step(
    prepared: PreparedTrial,
    optimisation: Optimisation,
    parts: Iterable[tuple[Batch, float]],
    step: int,
    mark: Callable[[], None] | None = None,
) -> torch.Tensor:
    """Train on one batch and return the task's own loss, detached.

    Parameters
    ----------
    parts
        Micro-batches, each with its share of the batch's loss, so that the step is that of the whole
        batch.
    mark
        Called after each part's forward pass, after its backward pass, and after the optimiser's work,
        to time them.
    """
    mark = mark or _unmarked
    losses: list[torch.Tensor] = []
    for part, share in parts:
        with prepared.compute.autocast():
            inputs = prepared.compute.place(prepared.compute.unmasked(part))
            loss = prepared.task.loss(prepared.model, inputs)
        penalty = prepared.adapter.penalty()
        whole = loss if penalty is None else loss + penalty
        mark()
        optimisation.backward(whole if share == 1 else whole * share)
        mark()
        losses.append(loss.detach() if share == 1 else loss.detach() * share)
    optimisation.step(step)
    prepared.adapter.after_step(step)  # before the gradients are cleared: some methods read them
    optimisation.clear()
    mark()
    return losses[0] if len(losses) == 1 else torch.stack(losses).sum()


def _unmarked() -> None:
    """Do nothing: the step is not timed."""


@dataclass(slots=True)
class TrainState:
    """Everything that changes while a trial trains."""

    prepared: PreparedTrial
    """The model and its data."""

    optimisation: Optimisation
    """The optimiser."""

    fitted: FitResult = field(default_factory=FitResult)
    """The result so far."""

    best: list[torch.Tensor] | None = None
    """The weights with the best validation score so far, on the host; None if the current ones are."""

    pending: list[torch.Tensor] = field(default_factory=list)
    """Losses that are not in the curve yet."""

    def changing(self) -> list[torch.Tensor]:
        """Return what training changes: trained parameters, and buffers such as running means."""
        return [*self.prepared.trained(), *self.prepared.model.buffers()]

    def remember(self) -> None:
        """Copy the current weights as the best.

        The copy is on the host: a device that just holds the training could not hold it too, and the
        peak that a profile measures does not include it.
        """
        self.best = [_local(tensor).detach().to("cpu", copy=True) for tensor in self.changing()]

    def go_back(self) -> None:
        """Return to the best weights."""
        if self.best is not None:
            with torch.no_grad():
                for tensor, old in zip(self.changing(), self.best, strict=True):
                    _local(tensor).copy_(old)


def _local(tensor: torch.Tensor) -> torch.Tensor:
    """Return this process's share of a tensor that is spread over several, or the tensor itself."""
    found: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return found


class Checkpointer(Protocol):
    """Restores the state of a training, and saves it now and then."""

    def restore(self, state: TrainState) -> None: ...

    def keep(self, state: TrainState) -> None: ...

    def pause(self, state: TrainState) -> None: ...


def fit(
    prepared: PreparedTrial,
    job: Job,
    meter: Meter,
    report: ReportProgress,
    checkpointer: Checkpointer | None = None,
) -> FitResult:
    """Train, validate after each epoch, and leave the model at its best validation score.

    Resumes from what the checkpointer restores, and lets it save after each step. Stops at a rung of the
    job if the score falls short. Validation changes nothing, so a trial with rungs is the same trial as
    one without, as far as it gets. A screening trial pauses at its last rung; what is saved there
    continues as if it had not. Raises TrialFailed if the loss is not finite.
    """
    budget, seed, pause = job.trial.budget, job.trial.seed, job.trial.stop_after
    train = prepared.examples["train"]
    steps = budget.epochs * math.ceil(len(train) / budget.batch_size)
    state = TrainState(prepared, Optimisation(prepared, job.method, steps))
    if checkpointer is not None:
        checkpointer.restore(state)
    fitted = state.fitted
    latest: Validation | None = None

    def validated() -> Validation:
        with meter.phase("validate"):
            report(Progress(phase="validate", epoch=fitted.examples / len(train)))
            return validate(prepared, evaluate(prepared, "validation"))

    for epoch in range(fitted.epochs_run, budget.epochs):
        if fitted.steps == pause or fitted.should_stop(budget):
            break
        batches = training_batches(
            train.sizes, budget.batch_size, seed=seed, epoch=epoch, fewest=prepared.fewest_together
        )
        end = (epoch + 1) * len(batches)
        left = batches[fitted.steps - end :]
        for part in until_rungs(left, fitted.steps, [step for step, _ in job.rungs]):
            with meter.phase("fit"):
                _train_on(state, part, report, checkpointer)
            latest = validated()
            fitted.note(latest)
            reason = why_pruned(fitted.steps, latest.score, job.rungs)
            if reason is not None:
                fitted.stop(reason, latest)
                return fitted
            if fitted.steps == pause:
                break
        if latest is None or fitted.steps < end:
            break
        if fitted.end_epoch(epoch, latest):
            state.best = None
            if epoch < budget.epochs - 1:
                state.remember()
    if pause is not None:
        if checkpointer is not None and latest is not None:
            checkpointer.pause(state)
        if fitted.steps == pause:
            fitted.pause(steps, latest or validated())
        else:
            fitted.pruned_because = f"stopped early, after {fitted.steps} of {steps} steps"
        return fitted
    state.go_back()
    return fitted


def until_rungs(batches: list[_Batch], done: int, rungs: Sequence[int]) -> list[list[_Batch]]:
    """Cut an epoch's batches at the rungs within it; `done` is the number of steps before the epoch."""
    cuts = [step - done for step in rungs if 0 < step - done < len(batches)]
    return [batches[i:j] for i, j in itertools.pairwise([0, *cuts, len(batches)])]


def why_pruned(step: int, score: float, rungs: Sequence[tuple[int, float | None]]) -> str | None:
    """Return why a score is too low for the rung at this step, or None."""
    needed = dict(rungs).get(step)
    if needed is None or score >= needed:
        return None
    return f"validation score {score:.4f} after {step} steps; {needed:.4f} was needed to continue"


def _train_on(
    state: TrainState,
    batches: Sequence[Array],
    report: ReportProgress,
    checkpointer: Checkpointer | None,
) -> None:
    prepared, fitted = state.prepared, state.fitted
    train = prepared.examples["train"]
    set_training(prepared.model)
    seen = 0
    began = time.perf_counter()
    for batch in batches:
        step = take_step(prepared, state.optimisation, prepared.parts(batch), fitted.steps)
        state.pending.append(step)
        fitted.steps += 1
        fitted.examples += len(batch)
        seen += len(batch)
        last = batch is batches[-1]
        if len(state.pending) == READ_LOSS_EVERY or last:
            loss = _read_loss(prepared, torch.stack(state.pending), fitted)
            speed = seen / (time.perf_counter() - began)
            epoch = fitted.examples / len(train)
            report(Progress(phase="fit", epoch=epoch, loss=loss, speed=speed))
            state.pending.clear()
        # Validation follows the last batch, and a checkpoint taken before it would skip it.
        if checkpointer is not None and not last:
            checkpointer.keep(state)
    prepared.compute.synchronise()  # so that the last update counts to this phase, not to the next
    fitted.skipped_steps = state.optimisation.skipped(fitted.steps)


def _read_loss(prepared: PreparedTrial, losses: torch.Tensor, fitted: FitResult) -> float:
    loss = float(prepared.group.mean(losses).mean())
    if not math.isfinite(loss) and prepared.compute.precision == "float16":
        raise TrialFailed(
            f"the loss is not finite ({loss}) at step {fitted.steps}; float16 holds numbers up to "
            "65,504, so try precision float32",
            phase="fit",
        )
    note_loss(loss, fitted)
    return loss
