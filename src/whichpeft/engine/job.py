"""What an executor hands to the engine, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from whichpeft.backbones import Backbone
from whichpeft.engine.profile_budget import STANDARD, ProfileBudget
from whichpeft.methods import Method
from whichpeft.records import Record
from whichpeft.records.store import Curve
from whichpeft.study import Trial
from whichpeft.tasks import Array

CHECKPOINT_EVERY = 60.0
"""Seconds between two checkpoints of a trial, unless writing one takes long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A trial with all that is needed to carry it out in another process.

    data: file with the encoded task, written by `whichpeft.tasks.encoded_data`.
    device, beside: given by the executor: where it runs, and how many other trials may run on the same
    machine at the same time.
    profile_budget: of a profile, how long it may take. flops_per_sample: of its training, as counted,
    and matmul_speed: FLOP/s that the machine multiplies at, where known.
    rungs: of a tuning trial, the steps at which it is validated, each with the score it has to reach
    there to go on; None where it goes on with any. search_trials: how many trials its search has.
    halve: where it runs out of memory, try again with half the examples at once; micro_batch: so many
    of them, where that is not what the budget says.
    checkpoint: file to keep the trial's state in on the way, and to go on from, where it is to be kept.
    keep: folder to leave the trained adapter in, where it is to be kept.
    along: trials that train as one model with this one, each with a result of its own. earlier: where
    they are tuning trials, at each rung the scores of those that came before them in the search.
    together: of a profile, time so many trials as one model against as many one by one.
    """

    trial: Trial
    backbone: Backbone
    method: Method
    data: Path
    device: str
    beside: int = 0
    profile_budget: ProfileBudget = STANDARD
    flops_per_sample: float | None = None
    matmul_speed: float | None = None
    rungs: tuple[tuple[int, float | None], ...] = ()
    search_trials: int = 0
    halve: bool = False
    micro_batch: int | None = None
    checkpoint: Path | None = None
    checkpoint_every: float = CHECKPOINT_EVERY
    keep: Path | None = None
    along: tuple[Job, ...] = ()
    earlier: tuple[tuple[int, tuple[float, ...]], ...] = ()
    together: int = 0

    @property
    def micro_batch_size(self) -> int:
        """How many examples go through the model at once."""
        return self.micro_batch or self.trial.budget.micro_batch_size

    @property
    def members(self) -> tuple[Job, ...]:
        """This trial and those along with it."""
        return (self, *self.along)


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a running trial stands; `speed` in examples per second."""

    phase: str
    epoch: float = 0.0
    loss: float | None = None
    speed: float | None = None


ReportProgress = Callable[[Progress], None]
"""Called with each `Progress` of a running trial."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a trial gave: its record, the arrays kept beside it, and what the user should know."""

    record: Record
    curve: Curve = ()
    predictions: Mapping[str, Array] = field(default_factory=dict)
    note: str | None = None
