"""What a step costs, part by part, and what using a method costs: columns of the page's table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whichpeft.analysis import Comparison
from whichpeft.records import Record
from whichpeft.report.text import UNKNOWN
from whichpeft.units import show_bytes

_LATENCY = "of one example, encoded on the host to outputs on the host; median, then the 95th percentile"


def _milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _joules(value: float) -> str:
    return f"{value / 1000:.3g} kJ" if value >= 1000 else f"{value:.3g} J"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a profile measured: title, what it means, the measurements shown one after the other, how."""

    title: str
    meaning: str
    names: tuple[str, ...]
    show: Callable[[float], str]

    def text(self, record: Record | None) -> str:
        """Show it with the quartiles of a single measurement, where there are any."""
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
        """Return what it is sorted by."""
        return None if record is None else record.value(self.names[0])


_READINGS = (
    Reading("forward ms", "of the step: the loss", ("forward_milliseconds",), _milliseconds),
    Reading("backward ms", "of the step: the gradients", ("backward_milliseconds",), _milliseconds),
    Reading("optimiser ms", "of the step: clipping, update, what the method does after it",
            ("optimizer_milliseconds",), _milliseconds),
    Reading("GFLOP / sample", "forward and backward, counted from shapes", ("flops_per_sample",),
            lambda value: f"{value / 1e9:.3g}"),
    Reading("of peak speed", "share of the speed at which the machine multiplies large matrices, in the "
            "same precision and with the same threads", ("peak_share",),
            lambda value: f"{100 * value:.0f} %"),
    Reading("reserved memory", "what its allocator held at the peak of training",
            ("reserved_memory_bytes",), show_bytes),
    Reading("evaluation memory", "peak on the longest batch, without gradients and optimiser",
            ("evaluation_memory_bytes",), show_bytes),
    Reading("latency ms", _LATENCY, ("inference_milliseconds", "inference_milliseconds_p95"),
            _milliseconds),
    Reading("merged ms", "the same with the adapter folded into the weights",
            ("merged_inference_milliseconds", "merged_inference_milliseconds_p95"), _milliseconds),
    Reading("batch ms", "outputs of a batch of the study's size; median, then the 95th percentile",
            ("batch_inference_milliseconds", "batch_inference_milliseconds_p95"), _milliseconds),
    Reading("load ms", "from the adapter's file onto a backbone in memory", ("load_milliseconds",),
            _milliseconds),
    Reading("switch ms", "from one loaded adapter to another", ("switch_milliseconds",), _milliseconds),
    Reading("energy", "of all steps of a trial, as the machine's counter has it", ("energy_joules",),
            _joules),
)  # fmt: skip


def readings(comparison: Comparison) -> list[Reading]:
    """Return what profiles of a comparison measured beside what its rows have."""
    profiles = [result.records.cost for result in comparison.results if result.records.cost is not None]
    return [
        reading
        for reading in _READINGS
        if any(record.measurement(reading.names[0]) is not None for record in profiles)
    ]
