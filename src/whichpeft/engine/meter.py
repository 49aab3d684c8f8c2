"""Time by phase: all of a trial's time belongs to a named phase, and the phases add up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from whichpeft.records import Measurement

PHASES = ("set-up", "warm-up", "fit", "validate", "test", "save")


class Meter:
    """A clock that is always in one phase."""

    def __init__(self) -> None:
        self.phase_now = PHASES[0]
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._share = 1.0
        self._start = self._since = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what happens inside to `name`, then go back to the phase before.

        The phase stays where an exception left it, so that a failure names its phase.
        """
        before = self.phase_now
        self._switch(name)
        yield
        self._switch(before)

    def take_share(self, share: float) -> None:
        """Count, from here on, this share of the time that passes, where several trials take it."""
        self._switch(self.phase_now)
        self._share = share

    def _switch(self, name: str) -> None:
        now = time.perf_counter()
        self._seconds[self.phase_now] += (now - self._since) * self._share
        self._since, self.phase_now = now, name

    def measurements(self, source: str) -> list[Measurement]:
        """Return the seconds of each phase and their sum, up to now."""
        self._switch(self.phase_now)
        seconds = [
            Measurement(name="seconds", value=value, unit="s", phase=phase, source=source)
            for phase, value in self._seconds.items()
            if value > 0
        ]
        total = sum(self._seconds.values())
        return [
            *seconds,
            Measurement(name="total_seconds", value=total, unit="s", phase="all", source=source),
        ]
