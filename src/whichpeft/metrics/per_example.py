"""Scores of each example, also for metrics that are not a mean over examples.

Accuracy is the mean of the scores of the examples. F1, Matthews and correlations are not, so each
example gets its jackknife pseudo-value, ``n * metric(all) - (n - 1) * metric(all but it)`` (Tukey 1958;
Efron 1982, *The Jackknife*), which is the contribution of the example to first order. Pseudo-values
are shifted by a constant so that their mean is the metric itself and not its bias-corrected form. So
only the uncertainty of a shown metric comes from the jackknife.

Definitions are those of the tasks' metrics: higher is better, and the correlation of a constant
counts as 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from whichpeft.metrics import several, tagging
from whichpeft.metrics import text as text_scores
from whichpeft.metrics.metric import Array, Floats
from whichpeft.metrics.ranking import Rated, area_under_curve, over_classes, precision_by_rank

Values: TypeAlias = float | Floats

F1_OF = "f1:"
"""What the name of F1 of one class begins with; the name of the class follows."""

PRECISION_OF = "average_precision:"
"""What the name of the average precision of one class begins with; the name of the class follows."""

AUROC_OF = "auroc:"
"""What the name of the area under the curve of one class begins with; the class follows."""

OF_ONE_CLASS = (F1_OF, PRECISION_OF, AUROC_OF)

LM_EVAL = "lm-eval:"
"""Prefix of the names of lm-evaluation-harness's tasks and metrics."""


def per_example(metric: str, labels: Array, outputs: Array, *, positive: int = 1) -> Floats | None:
    """Return a score per example whose mean is the metric.

    Parameters
    ----------
    metric
        Name of the metric.
    labels
        Shape (examples,).
    outputs
        Outputs of a task: shape (examples, classes), or (examples, 1) in the unit of the labels for
        regression. `tasks.generative.scoring` has the outputs of language models.
    positive
        Number of the class that F1 or average precision is of.

    Returns
    -------
    numpy.ndarray or None
        Shape (examples,); None if the metric is unknown.
    """
    if metric.startswith(LM_EVAL):
        return outputs[:, 0].astype(np.float64)  # the score is in the first column
    if metric in OF_ANSWERS:
        return OF_ANSWERS[metric](labels, outputs)
    if metric == "f1" or metric.startswith(F1_OF):
        found = np.argmax(outputs, axis=1)
        return binary_f1(np.equal(labels, positive), np.equal(found, positive))
    if metric in several.BY_EXAMPLE:
        found = several.BY_EXAMPLE[metric](labels, outputs)
        return as_pseudo_values(found.whole, found.without)
    if metric == "average_precision" or metric.startswith(PRECISION_OF):
        return ranked(precision_by_rank, labels, outputs, positive if ":" in metric else None)
    if metric == "auroc" or metric.startswith(AUROC_OF):
        return ranked(area_under_curve, labels, outputs, positive if ":" in metric else None)
    if metric not in PSEUDO_VALUES:
        return None
    predictions = np.argmax(outputs, axis=1) if metric in OF_CLASSES else outputs[:, 0]
    return PSEUDO_VALUES[metric](labels, predictions)


def per_example_in_sets(metric: str, labels: Array, outputs: Array, groups: Array) -> Floats | None:
    """Return a score per example whose mean is the mean of the metric over the examples' sets."""
    numbers, counts = np.unique(groups, return_counts=True)
    found: Floats = np.zeros(len(labels))
    for number, count in zip(numbers, counts, strict=True):
        own = groups == number
        values = per_example(metric, labels[own], outputs[own])
        if values is None:
            return None
        found[own] = values * (len(labels) / (len(numbers) * count))
    return found


def accuracy(labels: Array, predictions: Array) -> Floats:
    """Return 1 for each example whose class is right and 0 for the others."""
    return np.asarray(labels == predictions, dtype=np.float64)


def binary_f1(labels: Array, predictions: Array) -> Floats:
    """Return pseudo-values of the F1 score of class 1."""
    true, found = labels == 1, predictions == 1
    hits, marked = float(np.sum(true & found)), float(np.sum(true) + np.sum(found))
    without = _over(2 * (hits - (true & found)), marked - true - found)
    return as_pseudo_values(2 * hits / marked if marked else 0.0, without)


def macro_f1(labels: Array, predictions: Array) -> Floats:
    """Return pseudo-values of the mean F1 score over the classes that occur in the labels."""
    table = _Table(labels, predictions)
    hits, marked = table.hits, table.true + table.found
    scores = _over(2 * hits, marked)
    total, classes = scores[table.true > 0].sum(), np.count_nonzero(table.true)

    def change(places: Array, hit: Array) -> Floats:
        return _over(2 * (hits[places] - hit), marked[places] - 1 - hit) - scores[places]

    # Only the scores of the example's class and of its predicted class change. A class that no longer
    # occurs is not averaged over; neither its hits nor its score are left.
    hit = table.cell_true == table.cell_found
    gone = table.true[table.cell_true] == 1
    first = np.where(gone, -scores[table.cell_true], change(table.cell_true, hit))
    second = np.where(hit | (table.true[table.cell_found] == 0), 0.0, change(table.cell_found, hit))
    total_without = total + first + second
    classes_without = classes - gone
    return as_pseudo_values(float(total / classes), _over(total_without, classes_without)[table.cell])


def balanced_accuracy(labels: Array, predictions: Array) -> Floats:
    """Return pseudo-values of the mean recall of the classes that occur in the labels."""
    table = _Table(labels, predictions)
    recall = _over(table.hits, table.true)
    total, classes = recall.sum(), np.count_nonzero(table.true)
    true = table.cell_true
    hit = true == table.cell_found
    gone = table.true[true] == 1
    own = _over(table.hits[true] - hit, table.true[true] - 1)  # 0 if no example of the class is left
    without = _over(total - recall[true] + own, classes - gone)
    return as_pseudo_values(float(total / classes), without[table.cell])


def ranked(rate: Rated, labels: Array, outputs: Array, positive: int | None = None) -> Floats:
    """Return pseudo-values of a metric of `metrics.ranking`, of one class if `positive` is given."""
    found = over_classes(rate, labels, outputs, positive)
    return as_pseudo_values(found.whole, found.without)


def matthews(labels: Array, predictions: Array) -> Floats:
    """Return pseudo-values of the Matthews correlation of any number of classes."""
    table = _Table(labels, predictions)
    count = float(len(labels))
    right, product = table.hits.sum(), table.true @ table.found
    true_square, found_square = table.true @ table.true, table.found @ table.found

    def correlation(n: float, c: Values, p: Values, t2: Values, f2: Values) -> Floats:
        return _over(c * n - p, np.sqrt(np.maximum((n**2 - t2) * (n**2 - f2), 0)))

    true, found = table.cell_true, table.cell_found
    hit = true == found
    without = correlation(
        count - 1,
        right - hit,
        product - table.found[true] - table.true[found] + hit,
        true_square - 2 * table.true[true] + 1,
        found_square - 2 * table.found[found] + 1,
    )
    whole = correlation(count, right, product, true_square, found_square)
    return as_pseudo_values(float(whole), without[table.cell])


def pearson(labels: Array, predictions: Array) -> Floats:
    """Return pseudo-values of the linear correlation."""
    x, y = _centred(labels), _centred(predictions)
    n = len(x)
    # Leaving out a value reduces the sum of squares about the mean by this share of its square.
    share = n / max(n - 1, 1)
    xx, yy, xy = x @ x, y @ y, x @ y
    without = _correlation(xx - share * x**2, yy - share * y**2, xy - share * x * y, xx, yy)
    return as_pseudo_values(float(_correlation(xx, yy, xy, xx, yy)), without)


def spearman(labels: Array, predictions: Array) -> Floats:
    """Return pseudo-values of the correlation of ranks.

    Leaving out an example moves the ranks of all examples above it. The products of two such moves
    change a pseudo-value by the order of 1/n; their mean is used, which saves a sort in two
    dimensions.
    """
    x, y = _Ranks(labels), _Ranks(predictions)
    n = len(labels)
    left = max(n - 1, 1)
    centre = left * (n / 2) ** 2
    xx = x.ranks @ x.ranks - x.ranks**2 - 2 * x.moved(x.ranks) + x.moves_squared - centre
    yy = y.ranks @ y.ranks - y.ranks**2 - 2 * y.moved(y.ranks) + y.moves_squared - centre
    xy = x.ranks @ y.ranks - x.ranks * y.ranks - x.moved(y.ranks) - y.moved(x.ranks)
    xy = xy + x.moves * y.moves / left - centre
    a, b = _centred(x.ranks), _centred(y.ranks)
    whole = _correlation(a @ a, b @ b, a @ b, a @ a, b @ b)
    return as_pseudo_values(float(whole), _correlation(xx, yy, xy, a @ a, b @ b))


def neg_rmse(labels: Array, predictions: Array) -> Floats:
    """Return pseudo-values of the negated root of the mean squared error."""
    squares = (predictions.astype(np.float64) - labels) ** 2
    n = len(squares)
    without = -np.sqrt(np.maximum(squares.sum() - squares, 0) / max(n - 1, 1))
    return as_pseudo_values(-math.sqrt(squares.mean()), without)


def likeliest(labels: Array, outputs: Array, kind: int) -> Floats:
    """Return 1 if the likeliest choice is right, else 0; kind 0 is by likelihood, 1 per character."""
    return np.asarray(np.argmax(outputs[:, :, kind], axis=1) == labels, dtype=np.float64)


def log_likelihood(labels: Array, outputs: Array) -> Floats:
    """Return pseudo-values of the mean log-likelihood of a token."""
    nats, tokens = outputs[:, 0].astype(np.float64), outputs[:, 1].astype(np.float64)
    whole = float(nats.sum() / tokens.sum())
    return as_pseudo_values(whole, _over(nats.sum() - nats, tokens.sum() - tokens))


def of_counts(score: Callable[[Array], Floats], counts: Array) -> Floats:
    """Return pseudo-values of a score computed from counts that add up over the examples."""
    counts = counts.astype(np.float64)
    whole = counts.sum(axis=0)
    return as_pseudo_values(float(score(whole)), score(whole - counts))


# Metrics of language models, whose outputs are neither classes nor values.
OF_ANSWERS: dict[str, Callable[[Array, Array], Floats]] = {
    "acc": lambda labels, outputs: likeliest(labels, outputs, 0),
    "acc_norm": lambda labels, outputs: likeliest(labels, outputs, 1),
    "exact_match": lambda labels, outputs: outputs[:, 0].astype(np.float64),
    "mrr": lambda labels, outputs: outputs[:, 0].astype(np.float64),
    "entity_f1": lambda labels, outputs: of_counts(tagging.entity_f1, outputs),
    "token_accuracy": lambda labels, outputs: of_counts(tagging.token_accuracy, outputs),
    "rouge_l": lambda labels, outputs: outputs[:, text_scores.ROUGE_L].astype(np.float64),
    "bleu": lambda labels, outputs: of_counts(text_scores.bleu, outputs[:, text_scores.BLEU]),
    "chrf": lambda labels, outputs: of_counts(text_scores.chrf, outputs[:, text_scores.CHRF]),
    "log_likelihood": log_likelihood,
}
# Metrics computed from predicted classes, and all metrics, by the names that tasks use.
OF_CLASSES = ("accuracy", "balanced_accuracy", "f1", "macro_f1", "matthews")
PSEUDO_VALUES: dict[str, Callable[[Array, Array], Floats]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": binary_f1,
    "macro_f1": macro_f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
    "neg_rmse": neg_rmse,
    # Of scores of class 1; `per_example` computes them from the outputs of all classes.
    "auroc": lambda labels, scores: ranked(area_under_curve, labels, scores.reshape(-1, 1)),
    "average_precision": lambda labels, scores: ranked(precision_by_rank, labels, scores.reshape(-1, 1)),
}


class _Table:
    """A confusion matrix: its margins, its diagonal, its filled cells and each example's cell.

    Leaving out any example of a cell gives the same matrix, so one computation serves all examples of
    the cell.
    """

    def __init__(self, labels: Array, predictions: Array) -> None:
        classes, codes = np.unique(np.concatenate([labels, predictions]), return_inverse=True)
        true, found = codes[: len(labels)], codes[len(labels) :]
        size = len(classes)
        self.true = np.bincount(true, minlength=size).astype(np.float64)
        self.found = np.bincount(found, minlength=size).astype(np.float64)
        self.hits = np.bincount(true[true == found], minlength=size).astype(np.float64)
        cells, self.cell = np.unique(true * size + found, return_inverse=True)
        self.cell_true, self.cell_found = np.divmod(cells, size)


class _Ranks:
    """Ranks, with ties at their mean, and how they move when one example is left out.

    Leaving out an example lowers every higher rank by 1 and every equal one by a half.
    """

    def __init__(self, values: Array) -> None:
        _, self._at, counts = np.unique(values, return_inverse=True, return_counts=True)
        self.ranks = (np.cumsum(counts) - (counts - 1) / 2)[self._at]
        higher, equal = (len(values) - np.cumsum(counts))[self._at], counts[self._at] - 1
        self.moves = higher + equal / 2
        self.moves_squared = higher + equal / 4

    def moved(self, weights: Floats) -> Floats:
        """Return, for each example left out, the weighted sum of the moves of all others."""
        by_value = np.bincount(self._at, weights)
        above = by_value.sum() - np.cumsum(by_value)
        result: Floats = above[self._at] + (by_value[self._at] - weights) / 2
        return result


def as_pseudo_values(whole: float, without: Floats) -> Floats:
    """Return pseudo-values of shape (n,) from the metric of all examples and without each one."""
    values = -(len(without) - 1) * without
    shifted: Floats = values - values.mean() + whole
    return shifted


def _over(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Divide; undefined quotients count as 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, np.float64), denominator)
    share: Floats = np.zeros(numerator.shape)
    np.divide(numerator, denominator, out=share, where=denominator != 0)
    return share


def _correlation(xx: Values, yy: Values, xy: Values, xx_all: Values, yy_all: Values) -> Floats:
    """Return a correlation from sums about the mean; 0 if a sum of squares is only rounding error."""
    varies = (xx > 1e-12 * xx_all) & (yy > 1e-12 * yy_all)
    return _over(xy, np.where(varies, np.sqrt(np.abs(xx * yy)), 0.0))


def _centred(values: Array) -> Floats:
    numbers = values.astype(np.float64)
    return np.zeros(len(numbers)) if np.ptp(numbers) == 0 else numbers - numbers.mean()
