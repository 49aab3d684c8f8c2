"""What every executor offers a run, wherever its trials are carried out."""

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

# A trial's process holds more than its profile's peak: libraries, and data while it loads.
PROCESS_BYTES = 500_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What a trial takes for as long as it runs.

    threads: on a CPU, of each of its `shards`, which are processes. memory: bytes that its profile saw
    at most in one of them, 0 where that is unknown. alone: nothing else may run on its machine.
    """

    threads: int = 1
    shards: int = 1
    memory: int = 0
    alone: bool = False

    @property
    def cores(self) -> int:
        """Cores that it keeps busy on a CPU."""
        return self.threads * self.shards

    @property
    def bytes(self) -> int:
        """Bytes of memory of all its processes."""
        return self.shards * (self.memory + PROCESS_BYTES)


class Executor(Protocol):
    """Carries out jobs; to be begun before anything else is asked of it, and closed at the end.

    What each has to keep is tested by tests/executors/test_contract.py.
    """

    @property
    def compute(self) -> Compute:
        """The device and the precision of every trial."""

    def begin(self, study: Study, families: Sequence[str], like: Iterable[Setting] = ()) -> None:
        """Find where trials can run. Raises StudyError where what the study asks for is not there.

        families: model types (``bert``) of its backbones, whose code can be imported meanwhile. like:
        settings in which costs were measured before; of several kinds of machines, theirs is the one to
        go on with.
        """

    def notes(self) -> list[str]:
        """Return what a user should know of where the trials run."""

    def setting(self) -> Setting:
        """Describe the hardware and the versions of the trials."""

    def concurrency(self, resources: Resources) -> int:
        """Return how many trials of such resources run side by side, at least one."""

    def multiply_speed(self, threads: int) -> float | None:
        """Measure the FLOP/s of matrix products with nothing beside; None where they cannot be known."""

    def run(
        self, jobs: Iterable[Job | None], resources: Resources, observer: RunObserver
    ) -> Generator[tuple[Job, Result], None, None]:
        """Carry out jobs, as many side by side as there is room for.

        Jobs are taken when there is room for them; None among them means that none is ready yet, because
        one of those that run, or another process, has to end something first. Yields each job with its
        result as it ends; jobs along with another one run in its process, and each is yielded with its
        own. A process that dies gives failed records. Where the consumer stops early, or is interrupted,
        what still runs is ended, and leaves checkpoints.
        """

    def close(self) -> None:
        """Let go of what was begun."""
