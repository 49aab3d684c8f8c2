"""PSCP, the composite of PEFT-Bench: a score with penalties for what a method costs."""

from __future__ import annotations

import dataclasses
import math

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.rows import Row

# What halves the score (arXiv 2511.21285v1): trainable parameters, TFLOP that inference takes more than
# without the method, and GB of peak memory in training.
PARAMETERS, TFLOP, GIGABYTES = 5e8, 10.0, 94.0
PSCP_KEYS = ("pscp_low", "pscp_high")


def pscp(score: float, *, trainable: float, extra_tflop: float, memory_gigabytes: float) -> float:
    """Return the score with PEFT-Bench's penalties, in the score's own unit.

    score: higher is better, not negative. extra_tflop: what inference takes more than the model without
    the method does. Raises ValueError for a number that is negative or not finite.
    """
    for name, value in (
        ("score", score),
        ("trainable", trainable),
        ("extra_tflop", extra_tflop),
        ("memory_gigabytes", memory_gigabytes),
    ):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value}; PSCP takes finite numbers from 0 on")
    penalties = (
        (1 + trainable / PARAMETERS) * (1 + extra_tflop / TFLOP) * (1 + memory_gigabytes / GIGABYTES)
    )
    return score / penalties


def with_pscp(comparison: Comparison) -> Comparison:
    """Return the comparison with `PSCP_KEYS` in each row, as fractions; None where unknown.

    What inference takes more is 0 where a method folds into the weights or adds nothing to them. Of
    the others it is known to be less than one training step takes, which bounds PSCP from below; the two
    bounds are the same to all digits shown on small backbones.
    """
    rows = []
    for row, kept in zip(comparison.rows, comparison.records, strict=True):
        low, high = _bounds(row, kept)
        rows.append({**row, "pscp_low": low, "pscp_high": high})
    return dataclasses.replace(comparison, rows=rows)


def _bounds(row: Row, kept: MethodRecords) -> tuple[float | None, float | None]:
    score, trainable, memory = (
        row[key] for key in ("score_mean", "trainable_parameters", "peak_memory_bytes")
    )
    if score is None or score < 0 or trainable is None or memory is None:
        return None, None

    def at(extra: float) -> float:
        return pscp(score, trainable=trainable, extra_tflop=extra, memory_gigabytes=memory / 1e9)

    adds_nothing = row["adapter_parameters"] == 0 or row["percent_of_full"] == 100
    if adds_nothing or kept.value("merged_inference_milliseconds") is not None:
        return at(0), at(0)
    training = kept.value("flops_per_sample")
    return None if training is None else at(training / 1e12), at(0)
