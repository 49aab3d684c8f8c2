"""Turns a model's outputs on new data into names, values, texts and tags, and scores them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics import several, tagging
from whichpeft.metrics.labelled import metrics_by
from whichpeft.takeaway.inputs import Inputs
from whichpeft.takeaway.new_data import NewData
from whichpeft.takeaway.predictions import BETWEEN, Predictions
from whichpeft.tasks import Array
from whichpeft.tasks.generative.scoring import ABSENT
from whichpeft.tasks.labels import class_name, is_missing, number
from whichpeft.tasks.tagging import assemble as tagged


def read_outputs(arrays: Mapping[str, Array], inputs: Inputs, new: NewData) -> Predictions:
    """Return the predictions that a model's outputs stand for, with their score if there are labels.

    Parameters
    ----------
    arrays
        What `engine.evaluation.evaluate` returned.
    inputs
        What outputs stand for.
    new
        The data that were predicted.
    """
    outputs = arrays["outputs"]
    if inputs.kind == "prompts":
        if "answers" in arrays:
            return Predictions(new, tuple(str(text).strip() for text in arrays["answers"]))
        by_total, by_letter = outputs[:, :, 0].astype(np.float64), outputs[:, :, 1]
        best = (by_letter if inputs.metric == "acc_norm" else by_total).argmax(axis=1)
        chances = _softmax(np.where(by_total > ABSENT / 2, by_total, -np.inf))
        answers = tuple(one.choices[i] for one, i in zip(new.prompts, best, strict=True))
        return Predictions(new, answers, tuple(chances[np.arange(len(best)), best].tolist()))
    if inputs.kind == "words":
        return _tags(arrays, inputs, new)
    if inputs.problem == "multilabel":
        return _labels(outputs, inputs, new)
    if inputs.problem == "regression":
        found = Predictions(new, tuple(f"{value:.6g}" for value in outputs[:, 0].tolist()))
    else:
        best, chances = outputs.argmax(axis=1), _softmax(outputs.astype(np.float64))
        names = tuple(inputs.classes[i] for i in best)
        found = Predictions(new, names, tuple(chances[np.arange(len(best)), best].tolist()))
    return _scored(found, outputs, inputs)


def _softmax(rows: Array) -> Array:
    found: Array = np.exp(rows - rows.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return found


def _tags(arrays: Mapping[str, Array], inputs: Inputs, new: NewData) -> Predictions:
    """Return a tag per word; that of a word beyond what the model reads is ``O``."""
    cut = tagging.OUTSIDE if tagging.OUTSIDE in inputs.classes else ""
    names = [*inputs.classes, cut]  # the last one has the number -1
    rows = [
        [names[number] for number in tags[:length].tolist()]
        for tags, length in zip(arrays["tags"], new.lengths, strict=True)
    ]
    there = [
        np.where(tags[:length] >= 0, chances[:length].astype(np.float64), np.nan).tolist()
        for tags, chances, length in zip(arrays["tags"], arrays["chances"], new.lengths, strict=True)
    ]
    found = Predictions(new, tuple(chain(*rows)), tuple(chain(*there)))
    if new.labels is None:
        return found
    counted = np.stack([tagging.counts(*both) for both in zip(new.labels, rows, strict=True)])
    metric = tagged.METRICS[inputs.metric]
    score = metric.compute(np.zeros(len(rows)), counted)
    return replace(found, metric=metric.name, score=score, scored=len(rows))


def _labels(outputs: Array, inputs: Inputs, new: NewData) -> Predictions:
    """Return the labels whose logit is above 0, and the probability of each."""
    logits = outputs.astype(np.float64)
    chances = np.exp(-np.logaddexp(0, -logits))
    answers = tuple(
        BETWEEN.join(name for name, logit in zip(inputs.classes, row, strict=True) if logit > 0)
        for row in logits.tolist()
    )
    by_label = dict(zip(inputs.classes, map(tuple, chances.T.tolist()), strict=True))
    found = Predictions(new, answers, by_label=by_label)
    given = new.labels or ()
    known = [i for i, own in enumerate(given) if own is not None and set(own) <= set(inputs.classes)]
    if not known:
        return found
    truth = np.array([[name in given[i] for name in inputs.classes] for i in known], dtype=np.float32)
    metric = several.METRICS[inputs.metric]
    score = metric.compute(truth, outputs[known])
    return replace(found, metric=metric.name, score=score, scored=len(known))


def _scored(found: Predictions, outputs: Array, inputs: Inputs) -> Predictions:
    """Add the score, if rows have labels that the study knows."""
    numbers = {name: i for i, name in enumerate(inputs.classes)}
    labels = [
        None if is_missing(label) else numbers.get(class_name(label)) if numbers else number(label)
        for label in found.data.labels or ()
    ]
    others = [
        class_name(given)
        for given, label in zip(found.data.labels or (), labels, strict=True)
        if label is None and not is_missing(given)
    ]
    found = replace(found, unknown=tuple(others))
    known = np.array([i for i, label in enumerate(labels) if label is not None], dtype=np.int64)
    if not len(known):
        return found
    truth = np.array([labels[i] for i in known])
    try:
        metric, *_ = metrics_by(inputs.metric, inputs.problem, dict.fromkeys(inputs.classes, 1))
    except DataError:  # a metric that a data set of the hub brings along
        return found
    score = metric.compute(truth, outputs[known])
    return replace(found, metric=metric.name, score=float(score), scored=len(known))
