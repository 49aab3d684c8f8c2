"""What a profile's record says about other work that ran while it was timed."""

from __future__ import annotations

from collections.abc import Iterable

from whichpeft.records.record import Record
from whichpeft.units import join_words

STEPS_TAKEN = "taken_share"
"""Share of the processors that training steps need which other processes took while they were timed."""

INFERENCE_TAKEN = "inference_taken_share"
"""The same while inference was timed."""

GPU_TAKEN = "gpu_taken_share"
"""Share of the time in which others used the GPU, read before the profile used it."""

WAITED = "waited_seconds"
"""Seconds that a profile waited for other work to end."""

BUSY = 0.1
"""From this share on, times are not those of a quiet machine: they are at least a ninth too long."""


def taken_share(profile: Record | None) -> float | None:
    """Return the largest share that other work took of what a profile was timed on; None if unknown."""
    found = [] if profile is None else _shares(profile)
    return max((share for share, _ in found), default=None)


def was_busy(profile: Record | None) -> bool:
    """Whether so much other work ran during a profile that its times cannot be trusted."""
    return (taken_share(profile) or 0.0) >= BUSY


def describe_share(profile: Record) -> str:
    """Describe what other work took while a profile was timed: ``43 % of the processor time``."""
    share, of = max(_shares(profile))
    return f"{share:.0%} of the {of} time".replace("%", " %")


def busy_note(profiles: Iterable[Record]) -> str | None:
    """Say whose times were measured beside other work, and how much of it; None if nobody's."""
    busy = [record for record in profiles if was_busy(record)]
    if not busy:
        return None
    names = join_words(dict.fromkeys(record.trial.method for record in busy), most=3)
    most = describe_share(max(busy, key=lambda record: taken_share(record) or 0.0))
    up_to = "" if len(busy) == 1 else "up to "
    return f"times of {names} are too long: other work took {up_to}{most} while they were measured"


def _shares(profile: Record) -> list[tuple[float, str]]:
    """Return each share that other work took, with what it was taken of."""
    names = {STEPS_TAKEN: "processor", INFERENCE_TAKEN: "processor", GPU_TAKEN: "GPU"}
    return [(share, of) for name, of in names.items() if (share := profile.value(name)) is not None]
