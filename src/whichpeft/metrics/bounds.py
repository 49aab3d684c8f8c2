"""What a metric can be at least and at most, so that no interval claims more."""

from __future__ import annotations

import math

from whichpeft.metrics.per_example import OF_ONE_CLASS

_SHARES = (
    "accuracy", "macro_f1", "f1", "acc", "acc_norm", "exact_match", "parsed", "bleu", "chrf", "rouge_l",
    "mrr", "balanced_accuracy", "auroc", "average_precision", "entity_f1", "token_accuracy", "micro_f1",
    "label_f1", "label_auroc",
)  # fmt: skip
_CORRELATIONS = ("matthews", "pearson", "spearman")
_NEGATED = ("neg_rmse", "log_likelihood")


def bounds_of(metric: str | None) -> tuple[float, float]:
    """Return the lowest and the highest value of a metric, as fractions; infinite if unknown."""
    name = metric or ""
    if name in _SHARES or name.startswith(OF_ONE_CLASS):
        return 0.0, 1.0
    if name in _CORRELATIONS:
        return -1.0, 1.0
    if name in _NEGATED:
        return -math.inf, 0.0
    return -math.inf, math.inf
