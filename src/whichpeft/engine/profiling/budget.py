"""How long a profile may take, and how its seconds are divided among its readings."""

from __future__ import annotations

from dataclasses import dataclass

from whichpeft.errors import StudyError, unknown


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileBudget:
    """What a profile may spend. Facts that need only one reading (memory, sizes) are always read."""

    seconds: float
    """Seconds for the whole profile; once they are used up, the least important readings are skipped."""

    step_seconds: float
    """Seconds for training steps, including those that warm up."""

    sizes: int
    """Number of training batches that represent all lengths."""

    latency_seconds: float = 0.0
    """Seconds for each reading of inference."""

    examples: int = 0
    """Number of single examples that represent all lengths; 0 to skip inference."""

    batches: int = 0
    """Number of inference batches that represent all lengths."""

    rounds: int = 2
    """Minimum number of times that everything is read, while seconds last."""

    stable: float = 0.01
    """The last round may move the median by at most this share."""


QUICK = ProfileBudget(seconds=2.0, step_seconds=0.6, sizes=2, rounds=1)
"""For a dry run: memory and a few steps."""

STANDARD = ProfileBudget(
    seconds=2.4, step_seconds=0.8, sizes=3, latency_seconds=0.12, examples=8, batches=2
)
"""At most about 4 seconds per method on a small model, since a reading that has begun is finished."""

THOROUGH = ProfileBudget(
    seconds=20.0,
    step_seconds=9.0,
    sizes=8,
    latency_seconds=2.0,
    examples=32,
    batches=8,
    rounds=8,
    stable=0.002,
)

PROFILE_BUDGETS = {"standard": STANDARD, "thorough": THOROUGH}
"""The profile budgets that a user can choose from, by name."""

# Overhead of a profile: its last reading runs past the limit, and its FLOPs are counted.
_EXCESS_SECONDS = 0.8


def find_profile_budget(name: str) -> ProfileBudget:
    """Return the profile budget of that name. Raises StudyError if there is none."""
    if name not in PROFILE_BUDGETS:
        raise StudyError(f"--profile: {unknown('profile', name, PROFILE_BUDGETS)}")
    return PROFILE_BUDGETS[name]


def profile_seconds(budget: ProfileBudget) -> float:
    """Return the seconds that a method's profile should take."""
    return budget.seconds + _EXCESS_SECONDS
