"""Costs of the parts of a step and costs of using a method: columns of the page's table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whichpeft.analysis import Comparison
from whichpeft.records import Record
from whichpeft.records.other_work import STEPS_TAKEN
from whichpeft.report.text import UNKNOWN
from whichpeft.units import show_bytes

_LATENCY = "time for one example, from encoded input to outputs on the host; median / 95th percentile"


def _milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _joules(value: float) -> str:
    return f"{value / 1000:.3g} kJ" if value >= 1000 else f"{value:.3g} J"


@dataclass(frozen=True, slots=True)
class ProfileColumn:
    """A column of profile measurements."""

    title: str
    """The heading, with the unit."""

    meaning: str
    """The definition, in a phrase."""

    names: tuple[str, ...]
    """The measurements shown in one cell, in order."""

    show: Callable[[float], str]
    """Formats a measurement."""

    def text(self, record: Record | None) -> str:
        """Format the measurements; a single one with its quartiles, if known."""
        found = [record.measurement(name) for name in self.names] if record else []
        known = [measured for measured in found if measured is not None]
        if not known:
            return UNKNOWN
        text = " / ".join(self.show(measured.value) for measured in known)
        first = known[0]
        if len(found) == 1 and first.low is not None and first.high is not None:
            text += f" [{self.show(first.low)}, {self.show(first.high)}]"
        return text

    def value(self, record: Record | None) -> float | None:
        """Return the value that a record is sorted by."""
        return None if record is None else record.value(self.names[0])


_PROFILE_COLUMNS = (
    ProfileColumn("forward ms", "part of the step: the loss", ("forward_milliseconds",), _milliseconds),
    ProfileColumn(
        "backward ms", "part of the step: the gradients", ("backward_milliseconds",), _milliseconds
    ),
    ProfileColumn(
        "optimiser ms",
        "part of the step: clipping, update and the method's own actions after it",
        ("optimizer_milliseconds",),
        _milliseconds,
    ),
    ProfileColumn(
        "GFLOP / sample",
        "forward and backward, counted from shapes",
        ("flops_per_sample",),
        lambda value: f"{value / 1e9:.3g}",
    ),
    ProfileColumn(
        "of peak speed",
        "share of the machine's speed at multiplying large matrices in the same "
        "precision with the same threads",
        ("peak_share",),
        lambda value: f"{100 * value:.0f} %",
    ),
    ProfileColumn(
        "reserved memory",
        "memory held by the allocator at the peak of training",
        ("reserved_memory_bytes",),
        show_bytes,
    ),
    ProfileColumn(
        "evaluation memory",
        "peak memory on the longest batch, without gradients and optimiser",
        ("evaluation_memory_bytes",),
        show_bytes,
    ),
    ProfileColumn(
        "latency ms", _LATENCY, ("inference_milliseconds", "inference_milliseconds_p95"), _milliseconds
    ),
    ProfileColumn(
        "merged ms",
        "latency with the adapter merged into the weights",
        ("merged_inference_milliseconds", "merged_inference_milliseconds_p95"),
        _milliseconds,
    ),
    ProfileColumn(
        "batch ms",
        "time for a batch of the study's size; median / 95th percentile",
        ("batch_inference_milliseconds", "batch_inference_milliseconds_p95"),
        _milliseconds,
    ),
    ProfileColumn(
        "load ms",
        "time to load the adapter's file onto a backbone",
        ("load_milliseconds",),
        _milliseconds,
    ),
    ProfileColumn(
        "switch ms", "time to switch to another adapter", ("switch_milliseconds",), _milliseconds
    ),
    ProfileColumn(
        "energy",
        "energy of all steps of a trial, from the machine's counter",
        ("energy_joules",),
        _joules,
    ),
    ProfileColumn(
        "other work",
        "share of the processors that other work took while steps were timed",
        (STEPS_TAKEN,),
        lambda value: f"{100 * value:.0f} %",
    ),
)


def profile_columns(comparison: Comparison) -> list[ProfileColumn]:
    """Return the columns for which a comparison's profiles have measurements."""
    profiles = [result.records.cost for result in comparison.results if result.records.cost is not None]
    return [
        column
        for column in _PROFILE_COLUMNS
        if any(record.measurement(column.names[0]) is not None for record in profiles)
    ]
