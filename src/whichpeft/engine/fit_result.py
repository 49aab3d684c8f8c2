"""What training gives: a curve, the best epoch, and what the trial predicts on the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.errors import TrialFailed
from whichpeft.metrics.loss import mean_loss
from whichpeft.study import Budget
from whichpeft.tasks import Array, scores

_KEPT_OF_VALIDATION = ("outputs", "groups")


@dataclass(frozen=True, slots=True)
class Validation:
    """What a trial predicts on the validation split, and how good that is."""

    score: float
    """The score."""

    loss: float | None
    """The mean loss; None if the outputs do not give one."""

    arrays: Mapping[str, Array]
    """The outputs, one row per example, and the number of each one's set if there are several."""


@dataclass(slots=True)
class FitResult:
    """What training gave."""

    best_score: float = -math.inf
    """The best validation score."""

    best_epoch: int = 0
    """The epoch of the best score, counted from 1."""

    epochs_run: int = 0
    """Number of epochs."""

    steps: int = 0
    """Number of optimiser steps."""

    examples: int = 0
    """Number of examples trained on, repetitions included."""

    skipped_steps: int = 0
    """Number of steps that changed nothing, because their gradients overflowed in float16."""

    curve: list[tuple[int, str, float]] = field(default_factory=list)
    """Losses and validation scores, as (step, name, value)."""

    pruned_because: str | None = None
    """Why a trial was stopped before its end, at a rung; None if it was not."""

    validation: Validation | None = None
    """The validation that counts: of the best epoch, or of the rung that the trial was stopped at."""

    def note(self, validation: Validation) -> None:
        """Add a validation to the curve."""
        if validation.loss is not None:
            self.curve.append((self.steps, "validation_loss", validation.loss))
        self.curve.append((self.steps, "validation_score", validation.score))

    def stop(self, reason: str, validation: Validation) -> None:
        """End at a rung."""
        self.pruned_because, self.validation = reason, validation
        self.best_score = max(self.best_score, validation.score)

    def pause(self, steps: int, validation: Validation) -> None:
        """End a screening trial with the validation of its last step, of `steps` in the whole trial.

        Its score is that of this step, which is compared with those of other trials after it.
        """
        self.pruned_because = f"paused after {self.steps} of {steps} steps"
        self.validation, self.best_score = validation, validation.score

    def end_epoch(self, epoch: int, validation: Validation) -> bool:
        """Take the validation of an epoch (from 0); return whether it has the best score so far."""
        self.epochs_run = epoch + 1
        if validation.score > self.best_score:
            self.best_score, self.best_epoch = validation.score, epoch + 1
            self.validation = validation
            return True
        return False

    def should_stop(self, budget: Budget) -> bool:
        """Whether the score has not improved for as many epochs as the budget allows."""
        patience = budget.early_stopping
        return patience is not None and self.epochs_run - self.best_epoch >= patience


def note_loss(loss: float, fitted: FitResult) -> None:
    """Add a mean training loss to the curve. Raises TrialFailed if it is not finite."""
    if not math.isfinite(loss):
        raise TrialFailed(f"the loss is not finite ({loss}) at step {fitted.steps}", phase="fit")
    fitted.curve.append((fitted.steps, "train_loss", loss))


def validate(prepared: PreparedTrial, found: Mapping[str, Array]) -> Validation:
    """Score what `evaluate` returned for the validation split.

    Raises TrialFailed if the outputs or the score are not finite.
    """
    outputs = found["outputs"]
    if not np.isfinite(outputs).all():
        raise TrialFailed("the outputs are not finite", phase="validate")
    metrics = prepared.task.metrics
    labels = prepared.examples["validation"].labels
    score = scores(metrics, labels, outputs, found.get("groups"))[metrics[0].name]
    if not math.isfinite(score):
        raise TrialFailed(f"the validation score is not finite ({metrics[0].name} {score})")
    loss = mean_loss(prepared.task.problem, metrics[0].name, labels, outputs)
    arrays = {name: found[name] for name in _KEPT_OF_VALIDATION if name in found}
    return Validation(score, loss if loss is not None and math.isfinite(loss) else None, arrays)
