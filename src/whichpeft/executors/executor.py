"""What every executor offers a run, on one machine or on a cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from whichpeft.engine import Job, Result
from whichpeft.executors.observer import RunObserver
from whichpeft.records import Setting
from whichpeft.study import Study

if TYPE_CHECKING:
    from whichpeft.engine.compute import Compute

PROCESS_BYTES = 500_000_000
"""What a trial's process takes in addition to its profile's peak: libraries, and data while it loads."""

GPU_PROCESS_BYTES = 2_000_000_000
"""What the process of a trial on a GPU takes of the machine's own memory, in addition to its weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What a trial takes for as long as it runs."""

    threads: int = 1
    """On a CPU, threads of each of its processes."""
    shards: int = 1
    """Its processes."""
    memory: int = 0
    """Peak bytes of one of them by its profile, on its device; 0 if unknown."""
    weights: int = 0
    """Bytes of the model in float32, which each of them may hold outside its GPU while it loads."""
    alone: bool = False
    """Whether nothing else may run on its device."""

    @property
    def cores(self) -> int:
        """Cores that it keeps busy on a CPU."""
        return self.threads * self.shards

    @property
    def bytes(self) -> int:
        """Bytes of memory of all its processes."""
        return self.shards * (self.memory + PROCESS_BYTES)

    @property
    def host_bytes(self) -> int:
        """Bytes of the machine's own memory that all its processes take, if it runs on GPUs."""
        return self.shards * (self.weights + GPU_PROCESS_BYTES)


class Executor(Protocol):
    """Carries out jobs. Call `begin` before anything else, and `close` at the end.

    tests/executors/test_contract.py tests what every executor must do.
    """

    @property
    def compute(self) -> Compute:
        """The device and the precision of every trial."""

    def begin(self, study: Study, families: Sequence[str], like: Iterable[Setting] = ()) -> None:
        """Find where trials can run.

        Parameters
        ----------
        families
            Model types (``bert``) of the study's backbones, whose code can be imported in the meantime.
        like
            Settings in which costs were measured before. If there are several types of machines, costs
            are measured on one of these again.

        Raises
        ------
        StudyError
            If what the study asks for is not available.
        """

    def notes(self) -> list[str]:
        """Return what a user should know of the machines that trials run on."""

    def setting(self) -> Setting:
        """Describe the hardware and the versions that trials run with."""

    def concurrency(self, resources: Resources) -> int:
        """Return how many trials with such resources run side by side, at least one."""

    def multiply_speed(self, threads: int) -> float | None:
        """Measure the FLOP/s of matrix products with nothing else running; None if that fails."""

    def run(
        self,
        jobs: Iterable[Job | None],
        resources: Resources,
        observer: RunObserver,
        *,
        until: float | None = None,
    ) -> Generator[tuple[Job, Result], None, None]:
        """Carry out jobs, as many side by side as there is room for.

        A job is taken from `jobs` as soon as there is room for it. None means that no job is ready yet,
        because a running one, or another process, has to finish something first.

        Yields each job with its result as it ends. Jobs stacked with another one run in its process, and
        each is yielded with its own result. A process that dies gives failed records. If the consumer
        stops early or is interrupted, running trials are ended and leave checkpoints.

        Parameters
        ----------
        until
            The `time.monotonic()` after which no job is taken. Trials that run then are ended and leave
            checkpoints; those that finish all the same are yielded.
        """

    def close(self) -> None:
        """Release what `begin` started."""
