"""Why a method's training takes the time it takes, from the measured parts of a step."""

from __future__ import annotations

from typing import NamedTuple

from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.method_result import MethodResult
from whichpeft.records.record import finite
from whichpeft.units import join_words, show_milliseconds, show_percent

_FAR = 3.0  # a time is explained if its share is this many times the share of the parameters
_LEAST = 0.1  # and at least this share of the time
_ALL = 99.0  # per cent of its parameters that full fine-tuning trains, or more
_COUNTS = 0.04  # a part below this share of full fine-tuning's step is not worth a word
_AGREES = 0.2  # parts explain a time if their sum differs from it by at most this share
_AS_LONG, _LONGER = 0.97, 1.05  # shares of the time that count as the same


class StepParts(NamedTuple):
    """Median times of the parts of a training step, in milliseconds."""

    forward: float
    """The loss."""

    backward: float
    """The gradients."""

    optimiser: float
    """Clipping, the update, and what the method does after it."""


def parts_of(result: MethodResult) -> StepParts | None:
    """Return the measured parts of a method's training step; None if one was not measured."""
    cost = result.records.cost
    if cost is None:
        return None
    names = ("forward_milliseconds", "backward_milliseconds", "optimizer_milliseconds")
    forward, backward, optimiser = (finite(cost.value(name)) for name in names)
    if forward is None or backward is None or optimiser is None:
        return None
    return StepParts(forward, backward, optimiser)


def explain_time(result: MethodResult, comparison: Comparison) -> str | None:
    """Explain in a sentence why a method saves less time than trained parameters.

    Return None if there is nothing to explain, if the baseline is not full fine-tuning, if the parts of
    a step were not measured for both, or if they contradict the time.
    """
    base = comparison.baseline_result
    if base is None or base is result or not (result.comparable_costs and base.comparable_costs):
        return None
    own, full = parts_of(result), parts_of(base)
    if own is None or full is None or (base.trainable_percent or 0.0) < _ALL:
        return None
    if not (result.trainable_parameters and base.trainable_parameters):
        return None
    if not (result.train_seconds and base.train_seconds):
        return None
    trained = result.trainable_parameters / base.trainable_parameters
    taken = result.train_seconds / base.train_seconds
    if taken < max(_LEAST, _FAR * trained) or abs(sum(own) / sum(full) / taken - 1) > _AGREES:
        return None
    if not result.adapter_parameters and own.forward > (1 + _AGREES) * full.forward:
        return None  # it adds nothing to the model, so something else ran beside its profile
    time = f"takes {100 * taken:.0f} % of its time"
    if taken >= _LONGER:
        time = f"takes {taken:.1f} times as long"
    elif taken >= _AS_LONG:
        time = "takes about as long"
    return (
        f"{result.method} trains {show_percent(100 * trained)} of {base.method}'s parameters but "
        f"{time}, because {_because(own, full, base.method, saves=taken < _AS_LONG)}."
    )


def _because(own: StepParts, full: StepParts, base: str, *, saves: bool) -> str:
    """Say what remains of full fine-tuning's step, what is saved of it, and what is added to it."""
    least = _COUNTS * sum(full)
    step = f"{base}'s step ({_ms(sum(full))})"
    frozen = own.backward > least
    remaining = {
        "the forward pass": min(own.forward, full.forward),
        "the backward pass through the frozen layers": min(own.backward, full.backward),
        "the work after the gradients": min(own.optimiser, full.optimiser),
    }
    saved = {
        "weight gradients" if frozen else "the backward pass": full.backward - own.backward,
        "the optimiser's work": full.optimiser - own.optimiser,
    }
    added = {
        "in the forward pass": own.forward - full.forward,
        "in the backward pass": own.backward - full.backward,
        "after the gradients": own.optimiser - full.optimiser,
    }
    kept, gone = _listed(remaining, least), _listed(saved, least)
    more = [f"{_ms(value)} {where}" for where, value in added.items() if value > least]
    adds = f"what it adds to the model costs {join_words(more)}"
    only = f"it saves only {join_words(gone)}" if gone else "it saves nothing that shows"
    if more and not saves:
        return f"{adds}, and {only} of {step}"
    remain = f"{join_words(kept)} of {step} {'remains' if len(kept) == 1 else 'remain'}"
    return f"{remain}: {only}{f', and {adds}' if more else ''}"


def _listed(parts: dict[str, float], least: float) -> list[str]:
    return [f"{words} ({_ms(value)})" for words, value in parts.items() if value > least]


def _ms(value: float) -> str:
    return show_milliseconds(round(value) if value >= 10 else float(f"{value:.2g}"))
