"""What an executor hands to the engine, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from whichpeft.backbones import Backbone
from whichpeft.engine.profiling.budget import STANDARD, ProfileBudget
from whichpeft.methods import Method
from whichpeft.records import Record
from whichpeft.records.store import Curve
from whichpeft.study import Trial
from whichpeft.tasks import Array

CHECKPOINT_EVERY = 60.0
"""Seconds between two checkpoints of a trial, unless writing one takes long."""

Rungs = tuple[tuple[int, float | None], ...]
"""Steps at which a trial is validated, each with the score that it needs there to continue.

The score is None if the trial continues whatever it scores.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileWork:
    """Measure what a method costs."""

    purpose: ClassVar[str] = "profile"

    budget: ProfileBudget = STANDARD
    """How long the profile may take."""

    flops_per_sample: float | None = None
    """FLOPs of training on one example, as counted; None if unknown."""

    matmul_speed: float | None = None
    """FLOP/s at which the machine multiplies matrices; None if unknown."""

    stacked_trials: int = 0
    """Number of trials to time as one model, compared with the same number one by one; 0 for none."""

    patience: float = 0.0
    """Seconds to wait at most for other work on the machine to end, before it is measured again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneWork:
    """Train on the training split and score on the validation split."""

    purpose: ClassVar[str] = "tune"

    rungs: Rungs = ()
    """Steps at which the trial is validated and may be stopped."""

    search_trials: int = 0
    """Number of trials in the trial's search."""

    earlier_scores: tuple[tuple[int, tuple[float, ...]], ...] = ()
    """For each rung, the scores of the trials that came earlier in the search.

    Only needed if trials are stacked with this one: each has to compete with those before it.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class ScreenWork:
    """Train until the trial's `stop_after`, validate there, and leave a checkpoint.

    It resumes from a checkpoint of a shorter one. Without a checkpoint it begins at its first step and
    comes to the same result.
    """

    purpose: ClassVar[str] = "screen"

    rungs: tuple[int, ...] = ()
    """Steps at which the whole trial is validated; those after `stop_after` do not count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalWork:
    """Train, then score the best epoch on the test split."""

    purpose: ClassVar[str] = "final"

    keep: Path | None = None
    """Folder to save the trained adapter in; None to discard it."""


Work = ProfileWork | ScreenWork | TuneWork | FinalWork


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where an executor runs a job."""

    device: str
    """The device, such as ``cpu`` or ``cuda:1``; for a sharded trial that of its first process."""

    concurrent_trials: int = 0
    """How many other trials may run on the same machine at the same time."""

    sharing: int = 0
    """How many of them may run on the same accelerator."""

    precision: str | None = None
    """The precision chosen for all trials of the study; None to choose what suits the device."""

    @property
    def beside(self) -> int:
        """How many other trials may run on the same device at the same time."""
        return self.concurrent_trials if self.device == "cpu" else self.sharing


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A trial with everything needed to carry it out in another process."""

    trial: Trial
    """The question that the record answers."""

    backbone: Backbone
    """The pretrained model."""

    method: Method
    """The method, with its hyperparameters."""

    data: Path
    """File with the encoded task, written by `whichpeft.tasks.encoded_data`."""

    placement: Placement
    """Where it runs."""

    work: Work
    """What to do, of the kind that the trial's purpose names."""

    halve_micro_batch: bool = False
    """Whether to try again with half the examples at a time if memory runs out."""

    micro_batch: int | None = None
    """How many examples go through the model at a time; None for the budget's own number."""

    checkpoint: Path | None = None
    """File to save the trial's state in while it trains, and to resume from; None for no checkpoints."""

    checkpoint_every: float = CHECKPOINT_EVERY
    """Seconds between two checkpoints."""

    stacked_with: tuple[Job, ...] = ()
    """Jobs that train as one model with this one; each gets a result of its own."""

    def __post_init__(self) -> None:
        if self.trial.purpose != self.work.purpose:
            raise ValueError(
                f"{type(self.work).__name__} for a trial whose purpose is {self.trial.purpose}"
            )
        if self.stacked_with and isinstance(self.work, ScreenWork):
            raise ValueError("a screening trial needs a checkpoint of its own, so it cannot be stacked")

    @property
    def micro_batch_size(self) -> int:
        """How many examples go through the model at a time."""
        return self.micro_batch or self.trial.budget.micro_batch_size

    @property
    def members(self) -> tuple[Job, ...]:
        """This job and those stacked with it."""
        return (self, *self.stacked_with)

    def placed(self, device: str, concurrent_trials: int, sharing: int = 0) -> Job:
        """Return the job, and those stacked with it, placed on a device."""
        placement = replace(
            self.placement, device=device, concurrent_trials=concurrent_trials, sharing=sharing
        )
        others = tuple(replace(other, placement=placement) for other in self.stacked_with)
        return replace(self, placement=placement, stacked_with=others)

    @property
    def rungs(self) -> Rungs:
        """The rungs of a tuning or a screening trial; empty for other trials."""
        if isinstance(self.work, ScreenWork):
            last = self.trial.stop_after or 0
            return tuple((step, None) for step in sorted({*self.work.rungs, last}) if step <= last)
        return self.work.rungs if isinstance(self.work, TuneWork) else ()

    @property
    def keep(self) -> Path | None:
        """Folder to save a final trial's adapter in; None for no folder."""
        return self.work.keep if isinstance(self.work, FinalWork) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a running trial is."""

    phase: str
    """One of `whichpeft.engine.meter.PHASES`."""

    epoch: float = 0.0
    """Epochs done, the current one in part."""

    loss: float | None = None
    """Mean training loss of the last few steps."""

    speed: float | None = None
    """Examples per second."""


ReportProgress = Callable[[Progress], None]
"""Called with each `Progress` of a running trial."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a trial produced."""

    record: Record
    """Its record."""

    curve: Curve = ()
    """Losses and validation scores, by step."""

    predictions: Mapping[str, Array] = field(default_factory=dict)
    """Arrays with the predictions on the validation and the test split, kept next to the record."""

    note: str | None = None
    """Something that the user should know."""
