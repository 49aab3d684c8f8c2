"""The checks of predictions: missing ones, other test examples, and methods that answer alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from whichpeft.analysis.answers.sets import kind_of_sets
from whichpeft.analysis.check.findings import Finding
from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.example_scores import Predictions
from whichpeft.errors import RecordError
from whichpeft.metrics.labelled import macro_f1
from whichpeft.metrics.metric import Array
from whichpeft.metrics.per_example import OF_CLASSES
from whichpeft.records import Record
from whichpeft.units import join_words, plural, points

_RETRY = "delete the records and run the study again"
_SAME_SCORE = 1e-4  # as in example_scores: predictions are stored in single precision


def prediction_findings(
    comparison: Comparison, predictions: Predictions, classes: Sequence[str] = ()
) -> Iterator[Finding]:
    """Check the predictions of methods that are compared with each other.

    Parameters
    ----------
    classes
        Names of the classes by number, if they are known.
    """
    methods = [result.records for result in comparison.results]
    done = {
        record.trial.fingerprint: (records.method, record)
        for records in methods
        for record in records.completed
    }
    answers: dict[str, Array] = {}
    rescored: dict[str, list[tuple[float, float]]] = {}
    labels: Array | None = None
    missing: list[tuple[str, Record]] = []
    for fingerprint, (method, record) in done.items():
        try:
            arrays = predictions(fingerprint)
        except RecordError as error:
            what, _, fix = str(error).partition("; ")
            yield Finding(severity="problem", what=what, fix=fix, method=method, **_place(record))
            continue
        if arrays is None or not {"outputs", "labels"} <= set(arrays):
            missing.append((method, record))
            continue
        labels = arrays["labels"] if labels is None else labels
        if not np.array_equal(labels, arrays["labels"]):
            yield Finding(
                severity="problem",
                what="its predictions are for other test examples than the first method's",
                fix=_RETRY,
                method=method,
                **_place(record),
            )
        outputs = arrays["outputs"]
        both = _macro_f1_then_and_now(record, arrays["labels"], outputs)
        if both is not None:
            rescored.setdefault(method, []).append(both)
        answers[fingerprint] = _answers(arrays)
    # If there are none at all, someone removed them, and no method is worse off than the others.
    everywhere = len(missing) == len(done)
    for method in dict.fromkeys(method for method, _ in missing):
        yield Finding(
            severity="note" if everywhere else "problem",
            what="it has no predictions, so the variation between test examples is unknown",
            fix=_RETRY,
            method=method,
        )
    for method, scores in rescored.items():
        then, now = (f"{points(float(np.mean(values))):.1f}" for values in zip(*scores, strict=True))
        yield Finding(
            severity="problem",
            what=f"its macro_f1 is {then} points in the records, of an average over the classes that it "
            f"happened to predict; over the same classes for all methods it is {now}",
            fix="use the second number, or run the study again with another --out",
            method=method,
        )
    of_one_class: list[Finding] = []
    if labels is not None and _scores_classes(comparison.metric, classes) and len(np.unique(labels)) > 1:
        place = int(comparison.metric == "acc_norm")
        tags = kind_of_sets(comparison.metric or "") is not None
        chosen = {
            name: found if found.ndim == 1 or tags else found[:, place]
            for name, found in answers.items()
        }
        of_one_class += _of_one_class(methods, chosen, classes)
    yield from of_one_class
    known = {finding.method for finding in of_one_class}
    yield from (found for found in _twins(methods, answers) if found.method not in known)


def _answers(arrays: Mapping[str, Array]) -> Array:
    """Return a trial's answers: numbers of classes, values, labels, or tags of all words."""
    outputs, tags = arrays["outputs"], arrays.get("tags")
    if tags is not None:
        return np.where(tags < 0, tags[:, :1], tags)  # a word that is missing has no tag of its own
    if arrays["labels"].ndim == 2:
        return outputs > 0
    return np.argmax(outputs, axis=1) if outputs.shape[1] > 1 else outputs[:, 0]


def _macro_f1_then_and_now(record: Record, labels: Array, outputs: Array) -> tuple[float, float] | None:
    """Return a macro F1 as an earlier version recorded it and as it is; None if they are the same.

    The earlier version averaged over the classes that occur among the labels or the predictions.
    """
    recorded = record.value("macro_f1", "test")
    if recorded is None or outputs.ndim != 2 or outputs.shape[1] < 2:
        return None
    from sklearn.metrics import f1_score

    now = macro_f1(labels, outputs)
    before = float(f1_score(labels, outputs.argmax(axis=1), average="macro", zero_division=0))
    if abs(recorded - now) < _SAME_SCORE or abs(recorded - before) >= _SAME_SCORE:
        return None
    return recorded, now


def _scores_classes(metric: str | None, classes: Sequence[str]) -> bool:
    """Whether a metric is computed from classes; those of a language model are known by their names."""
    if metric in ("acc", "acc_norm") or kind_of_sets(metric or "") == "tags":
        return bool(classes)
    return metric is not None and metric.partition(":")[0] in OF_CLASSES


def _of_one_class(
    methods: Sequence[MethodRecords], answers: dict[str, Array], classes: Sequence[str]
) -> Iterator[Finding]:
    """Find methods that train something and yet answer with one class for all test examples."""
    for records in methods:
        if records.value("trainable_parameters") == 0:
            continue
        constant = {
            record.trial.seed: int(found.flat[0])
            for record in records.completed
            if (found := answers.get(record.trial.fingerprint)) is not None and not np.ptp(found)
        }
        if not constant:
            continue
        numbers = sorted(set(constant.values()))
        names = [classes[n] if n < len(classes) else f"number {n}" for n in numbers]
        everywhere = len(constant) == len(records.completed)
        seeds = (
            "" if everywhere else f" on {plural('seed', len(constant))} {join_words(map(str, constant))}"
        )
        yield Finding(
            severity="problem",
            what=f"it predicts one class only{seeds} ({', '.join(names)}), so it learned nothing",
            fix="check its learning rate and its options, or train for longer",
            method=records.method,
        )


def _place(record: Record) -> dict[str, Any]:
    trial = record.trial
    return {"seed": trial.seed, "file": f"predictions/{trial.fingerprint}.npz"}


def _twins(methods: Sequence[MethodRecords], answers: dict[str, Array]) -> Iterator[Finding]:
    """Find methods that answer every test example as an earlier method does, on every seed."""
    # Methods that train nothing come first, so that a method that learned nothing is matched to them.
    order = sorted(methods, key=lambda records: records.value("trainable_parameters") != 0)
    for place, records in enumerate(order):
        earlier = (other for other in order[:place] if other.method != records.method)
        twin = next((other for other in earlier if _same(records, other, answers)), None)
        if twin is None:
            continue
        what = f"it answers every test example exactly as {twin.method} does"
        if twin.value("trainable_parameters") == 0:
            what += ", which trains nothing, so it learned nothing that shows"
        yield Finding(
            severity="note",
            what=what,
            fix="check its learning rate and its options",
            method=records.method,
        )


def _same(one: MethodRecords, other: MethodRecords, answers: dict[str, Array]) -> bool:
    seeds = {record.trial.seed: record.trial.fingerprint for record in one.completed}
    pairs = [
        (answers.get(seeds[record.trial.seed]), answers.get(record.trial.fingerprint))
        for record in other.completed
        if record.trial.seed in seeds
    ]
    return bool(pairs) and all(
        a is not None and b is not None and np.array_equal(a, b) for a, b in pairs
    )
