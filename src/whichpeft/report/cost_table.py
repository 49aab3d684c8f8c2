"""What a step costs, part by part, and what using a method costs: a second table of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whichpeft.analysis import Comparison
from whichpeft.records import Measurement
from whichpeft.report.columns import METHOD
from whichpeft.report.text import UNKNOWN
from whichpeft.units import show_bytes

_LATENCY = "of one example, encoded on the host to outputs on the host; median, then the 95th percentile"


def _milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _joules(value: float) -> str:
    return f"{value / 1000:.3g} kJ" if value >= 1000 else f"{value:.3g} J"


# Title, what it means, the measurements shown one after the other, and how.
_COLUMNS: tuple[tuple[str, str, tuple[str, ...], Callable[[float], str]], ...] = (
    ("step ms", "one optimiser step, with its quartiles", ("step_milliseconds",), _milliseconds),
    ("forward", "of the step: the loss", ("forward_milliseconds",), _milliseconds),
    ("backward", "of the step: the gradients", ("backward_milliseconds",), _milliseconds),
    ("optimizer", "of the step: clipping, update, what the method does after it",
     ("optimizer_milliseconds",), _milliseconds),
    ("GFLOP / sample", "forward and backward, counted from shapes", ("flops_per_sample",),
     lambda value: f"{value / 1e9:.3g}"),
    ("of peak", "share of the speed at which the machine multiplies large matrices, in the same "
     "precision and with the same threads", ("peak_share",), lambda value: f"{100 * value:.0f} %"),
    ("memory, training", "peak on the longest batch", ("peak_memory_bytes",), show_bytes),
    ("reserved", "what its allocator held at that", ("reserved_memory_bytes",), show_bytes),
    ("memory, evaluation", "peak on the longest batch, without gradients and optimiser",
     ("evaluation_memory_bytes",), show_bytes),
    ("latency ms", _LATENCY, ("inference_milliseconds", "inference_milliseconds_p95"), _milliseconds),
    ("merged ms", "the same with the adapter folded into the weights",
     ("merged_inference_milliseconds", "merged_inference_milliseconds_p95"), _milliseconds),
    ("batch ms", "outputs of a batch of the study's size; median, then the 95th percentile",
     ("batch_inference_milliseconds", "batch_inference_milliseconds_p95"), _milliseconds),
    ("load ms", "from the adapter's file onto a backbone in memory", ("load_milliseconds",),
     _milliseconds),
    ("switch ms", "from one loaded adapter to another", ("switch_milliseconds",), _milliseconds),
    ("energy", "of all steps of a trial, as the machine's counter has it", ("energy_joules",), _joules),
)  # fmt: skip


def cost_table(comparison: Comparison) -> dict[str, Any] | None:
    """Return titles with their meanings and a row of text for each profiled method; None without any.

    Columns of which nothing was measured are left out.
    """
    profiled = [
        (row, kept.cost)
        for row, kept in zip(comparison.rows, comparison.records, strict=True)
        if kept.cost is not None and kept.cost.measurement("step_milliseconds") is not None
    ]
    columns = [
        column
        for column in _COLUMNS
        if any(record.measurement(column[2][0]) is not None for _, record in profiled)
    ]
    if not profiled:
        return None
    return {
        "columns": [(title, meaning) for title, meaning, _, _ in columns],
        "rows": [
            (METHOD.show(row), [_cell([record.measurement(n) for n in names], show)
                                for _, _, names, show in columns])
            for row, record in profiled
        ],
    }  # fmt: skip


def _cell(found: list[Measurement | None], show: Callable[[float], str]) -> str:
    known = [measured for measured in found if measured is not None]
    if not known:
        return UNKNOWN
    text = " / ".join(show(measured.value) for measured in known)
    first = known[0]
    if len(found) == 1 and first.low is not None and first.high is not None:
        text += f" [{show(first.low)}, {show(first.high)}]"
    return text
