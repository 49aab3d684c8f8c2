"""The row of a comparison: one method on one backbone and task, with the keys others rely on."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

IDENTITY = (
    "backbone",
    "task",
    "metric",
    "chance",
    "method",
    "method_id",
    "hyperparameters",
    "variant",
    "seeds",
    "status",
    "error",
)
# Whole numbers in a table: counts and bytes.
COUNTS = (
    "trainable_parameters",
    "adapter_parameters",
    "head_parameters",
    "peak_memory_bytes",
    "adapter_bytes",
)
KEYS = (
    *IDENTITY,
    "score_mean",
    "score_low",
    "score_high",
    "gap_mean",
    "gap_low",
    "gap_high",
    "p_value",
    "p_adjusted",
    "verdict",
    "proved_margin",
    "retention_percent",
    "trainable_parameters",
    "adapter_parameters",
    "head_parameters",
    "trainable_percent",
    "percent_of_full",
    "parameter_reduction",
    "train_seconds",
    "total_seconds",
    "train_seconds_reduction",
    "memory_reduction",
    "speedup",
    "normalised_score",
    "time_efficiency",
    "step_milliseconds",
    "samples_per_second",
    "tokens_per_second",
    "peak_memory_bytes",
    "adapter_bytes",
    "inference_milliseconds",
    "on_frontier",
)


def unknown_row() -> Row:
    """Return a row that has every key and knows nothing yet."""
    return dict.fromkeys(KEYS)
