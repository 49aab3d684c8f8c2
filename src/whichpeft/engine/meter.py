"""Time by phase: each second of a trial belongs to one named phase, so the phases add up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from whichpeft.records import Measurement

PHASES = ("set-up", "warm-up", "fit", "validate", "test", "save")


class Meter:
    """A clock that is always in one phase. It starts at `began`, by default when it is created."""

    def __init__(self, began: float | None = None) -> None:
        self.phase_now = PHASES[0]
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._share = 1.0
        self._start = self._since = time.perf_counter() if began is None else began

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def seconds(self, phase: str) -> float:
        """Return the seconds of a phase that has ended."""
        return self._seconds[phase]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside to the phase `name`, then return to the phase before.

        After an exception the phase stays as it is, so that a failure can name it.
        """
        before = self.phase_now
        self._switch(name)
        yield
        self._switch(before)

    def by_phase(self) -> dict[str, float]:
        """Return the seconds of each phase so far."""
        self._switch(self.phase_now)
        return dict(self._seconds)

    def carry_over(self, seconds: Mapping[str, float]) -> None:
        """Add the seconds that an earlier process spent on the same trial."""
        for phase, value in seconds.items():
            self._seconds[phase] += value

    def take_share(self, share: float) -> None:
        """From now on count only this share of the time, because several trials train together."""
        self._switch(self.phase_now)
        self._share = share

    def _switch(self, name: str) -> None:
        now = time.perf_counter()
        self._seconds[self.phase_now] += (now - self._since) * self._share
        self._since, self.phase_now = now, name

    def measurements(self, source: str) -> list[Measurement]:
        """Return the seconds of each phase so far, and their sum."""
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


def with_margins(
    measurements: Sequence[Measurement], *, before: float, after: float
) -> tuple[Measurement, ...]:
    """Add seconds that a meter cannot see: those before it began and those after it was read.

    The seconds before (the process starts and unpacks its job) count as set-up, those after (the result
    is sent) as saving. The total includes both.
    """
    more = {("seconds", "set-up"): before, ("seconds", "save"): after}
    total = next((m for m in measurements if m.name == "total_seconds"), None)
    if total is None:
        return tuple(measurements)
    found = [
        replace(m, value=m.value + more.pop((m.name, m.phase), 0.0)) if m is not total
        else replace(m, value=m.value + before + after)
        for m in measurements
    ]  # fmt: skip
    missing = [
        Measurement(name=name, value=value, unit="s", phase=phase, source=total.source)
        for (name, phase), value in more.items()
    ]
    return (*found, *missing)
