"""The time of a trial: set-up, training and evaluation, estimated with a range.

A plan knows FLOPs and the speed of the machine; a dry run and a run have timed a few real steps. Both
add up the same parts here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from whichpeft.records import Record
from whichpeft.records.other_work import taken_share
from whichpeft.study import Budget

SET_UP_SECONDS = 1.0
"""Start of a trial's process and loading of its model, if no profile has timed them."""

_FORWARD_SHARE = 0.35
"""Time to evaluate an example, as a share of the time to train on it, if inference is not timed."""

# Shares of an estimate between which the time of a trial lies. Of 161 trials of 24 methods on a quiet
# machine, 97 % took between 0.75 and 1.3 times what their profiles said. Training of ten methods took
# 0.7 to 1.2 times as long as their FLOPs said; evaluation and other models add to that.
_BY_PROFILE = (0.75, 1.3)
_BY_FLOPS = (0.6, 1.6)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A time in seconds, and the range that it should lie in."""

    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    def __add__(self, other: TimeRange) -> TimeRange:
        return TimeRange(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, factor: float) -> TimeRange:
        return TimeRange(factor * self.low, factor * self.likely, factor * self.high)


def time_by_profile(profile: Record, budget: Budget, counts: Mapping[str, int]) -> TimeRange:
    """Estimate the time of a final trial from the profile of its method.

    If other work disturbed the profile, the range begins with the time on a quiet machine, and ends with
    the time if the other work continues.

    Parameters
    ----------
    profile
        A profile, which may have timed training steps only.
    budget
        What the trial may spend.
    counts
        Examples of the task by split.
    """
    steps = profile.value("train_seconds") or 0.0
    each = evaluation_seconds(profile, budget.batch_size) or 0.0
    evaluated = _evaluated(budget, counts, trains=steps > 0)
    whole = set_up_seconds(profile) + steps + each * evaluated
    # Layers below all training are computed once for all epochs and trials, so the first trial takes
    # longer than the others; and all of them take the whole time if memory is too small to keep them.
    frozen = profile.value("frozen_share") or 0.0
    least = whole - frozen * (_forward_share(profile) * steps + each * evaluated)
    first = least + frozen * each * _examples(budget, counts)
    low, high = shares_by_profile(profile)
    return TimeRange(low * least, min(first, whole), high * whole)


def shares_by_profile(profile: Record) -> tuple[float, float]:
    """Return the shares of an estimate by this profile between which a time lies."""
    low, high = _BY_PROFILE
    return low * (1 - (taken_share(profile) or 0.0)), high


def time_by_flops(
    train_seconds: float, trained: int, budget: Budget, counts: Mapping[str, int]
) -> TimeRange:
    """Estimate the time of a final trial from that of its FLOPs.

    Parameters
    ----------
    train_seconds
        Time of all training steps at the speed of the machine.
    trained
        Training examples of an epoch.
    budget
        What the trial may spend.
    counts
        Examples of the task by split; the evaluation of a split that is not among them is not counted.
    """
    each = _FORWARD_SHARE * train_seconds / max(1, trained * budget.epochs)
    likely = SET_UP_SECONDS + train_seconds + each * _evaluated(budget, counts, trains=True)
    low, high = _BY_FLOPS
    return TimeRange(low * likely, likely, high * likely)


def set_up_seconds(profile: Record) -> float:
    """Return the seconds that a trial takes before its first step."""
    timed = profile.value("seconds", "set-up")
    return SET_UP_SECONDS if timed is None else timed


def evaluation_seconds(profile: Record, batch_size: int) -> float | None:
    """Return the seconds that the evaluation of an example takes; None if nothing was timed."""
    batch = profile.value("batch_inference_milliseconds")
    if batch is not None:  # a model that writes its answers takes many times longer than a training step
        return batch / 1000 / batch_size
    rate = profile.value("samples_per_second")
    return _FORWARD_SHARE / rate if rate else None


def _forward_share(profile: Record) -> float:
    """Return the share of a step that its forward pass takes; 0 if it was not timed."""
    step = profile.value("step_milliseconds")
    return (profile.value("forward_milliseconds") or 0.0) / step if step else 0.0


def _examples(budget: Budget, counts: Mapping[str, int]) -> int:
    """Return the number of examples that a trial reads."""
    train = counts.get("train", 0)
    return min(train, budget.max_train or train) + _evaluated(budget, counts, trains=False)


def _evaluated(budget: Budget, counts: Mapping[str, int], *, trains: bool) -> int:
    """Return the number of evaluated examples: validation after each epoch, then the test split."""
    validation = counts.get("validation", 0)
    validated = min(validation, budget.max_validation or validation)
    return (budget.epochs if trains else 1) * validated + counts.get("test", 0)
