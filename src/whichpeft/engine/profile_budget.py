"""ProfileBudget: how long a profile may take, and how it shares its seconds out among its readings."""

from __future__ import annotations

from dataclasses import dataclass

from whichpeft.errors import StudyError, unknown


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileBudget:
    """What a profile may spend. Facts that need one reading only (memory, sizes) are read in any case.

    seconds: of the whole profile; when they are used up, what is least worth is left out.
    step_seconds: of training steps, those to warm up among them; sizes: how many batches stand for
    all lengths. latency_seconds: of inference, for each of its readings; examples, batches: how
    many stand for all lengths; 0 where inference is not measured.
    rounds: how often everything is read at least, while seconds last; stable: the share by which a
    further round may move the median and still be the last.
    """

    seconds: float
    step_seconds: float
    sizes: int
    latency_seconds: float = 0.0
    examples: int = 0
    batches: int = 0
    rounds: int = 2
    stable: float = 0.01


QUICK = ProfileBudget(seconds=2.0, step_seconds=0.6, sizes=2, rounds=1)
"""For a dry run: memory and a few steps."""

STANDARD = ProfileBudget(
    seconds=2.4, step_seconds=0.8, sizes=3, latency_seconds=0.12, examples=8, batches=2
)
"""At most about 4 seconds a method on a small model, since the reading under way is ended."""

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
"""What a user may ask for."""

# What a profile takes beside its own seconds: the last reading's excess, and counting its FLOPs.
_EXCESS_SECONDS = 0.8


def find_profile_budget(name: str) -> ProfileBudget:
    """Return the profile budget of that name. Raises StudyError where there is none."""
    if name not in PROFILE_BUDGETS:
        raise StudyError(f"--profile: {unknown('profile', name, PROFILE_BUDGETS)}")
    return PROFILE_BUDGETS[name]


def profile_seconds(budget: ProfileBudget) -> float:
    """Return the seconds that a method's profile should take."""
    return budget.seconds + _EXCESS_SECONDS
