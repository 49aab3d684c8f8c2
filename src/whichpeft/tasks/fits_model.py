"""Checks that a backbone has a row for everything in the encoded examples, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.errors import BackboneError, DataError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.end_pooling import end_token, pools_end
from whichpeft.tasks.protocol import Examples
from whichpeft.tasks.text_encoding import TextExamples, load_tokenizer, vocabulary_size

if TYPE_CHECKING:
    from whichpeft.backbones import Backbone
    from whichpeft.tasks.protocol import Task


def check_examples(task: Task, backbone: Backbone, examples: Mapping[str, Examples]) -> None:
    """Raise BackboneError or DataError if a trial would fail on some encoded example.

    Every token id needs a row in the model's embeddings, every token type one of its own, every label a
    class, and every text one end for classifiers that look for it.
    """
    for split, found in examples.items():
        location = f"task {task.name!r} [{split}]"
        _check_labels(task, found, location)
        for name in ("ids", "document_ids", "choices"):
            ids: Array = getattr(found, name, np.empty(0))
            if len(ids):
                _check_ids(ids, backbone, location)
        if isinstance(found, TextExamples):
            _check_types(found, backbone, location)
            _check_padding(found, backbone, location)
            if pools_end(backbone):
                _check_ends(found, backbone, location)


def _check_ids(ids: Array, backbone: Backbone, location: str) -> None:
    size, largest = vocabulary_size(backbone), int(ids.max())
    if size is None or largest < size:
        return
    token = load_tokenizer(backbone).convert_ids_to_tokens(largest)
    raise BackboneError(
        f"backbone {backbone.name!r}: {location} contains token {token!r} with id {largest}, but the "
        f"model's vocabulary has {size} tokens; give it the tokenizer that it was trained with, or make "
        "room with model.resize_token_embeddings(len(tokenizer)) and save it"
    )


def _check_types(examples: TextExamples, backbone: Backbone, location: str) -> None:
    known: Any = getattr(backbone.architecture(), "type_vocab_size", None)
    largest = 0 if examples.types is None else int(examples.types.max())
    if isinstance(known, int) and 0 < known <= largest:
        raise BackboneError(
            f"backbone {backbone.name!r}: {location} contains token type {largest}, but the model has "
            f"{known} token types; give it the tokenizer that it was trained with"
        )


def _check_padding(examples: TextExamples, backbone: Backbone, location: str) -> None:
    """Refuse a word whose id is the model's padding: the model takes it for the end of the text."""
    if not (examples.ids == examples.pad).any():
        return
    tokenizer = load_tokenizer(backbone)
    token = str(tokenizer.convert_ids_to_tokens(examples.pad))
    if token in tokenizer.all_special_tokens or examples.pad in tokenizer.added_tokens_decoder:
        return
    raise BackboneError(
        f"backbone {backbone.name!r}: {location} contains token {token!r} with id {examples.pad}, which "
        "is the model's padding; give it the tokenizer that it was trained with, or set pad_token_id in "
        "its config.json"
    )


def _check_ends(examples: TextExamples, backbone: Backbone, location: str) -> None:
    end = end_token(backbone)
    ends = np.add.reduceat((examples.ids == end).astype(np.int64), examples.offsets[:-1])
    usual = int(np.bincount(ends).argmax())
    odd = np.flatnonzero(ends != usual) if usual else np.arange(1)
    if len(odd):
        raise BackboneError(
            f"backbone {backbone.name!r}: {location}: example {odd[0]} has {ends[odd[0]]} end tokens "
            f"(id {end}), and its classifier needs {usual or 1} in every text; give it the tokenizer "
            "that it was trained with"
        )


def _check_labels(task: Task, examples: Examples, location: str) -> None:
    classes = getattr(task, "classes", ())
    if task.problem != "classification" or not classes:
        return
    for i in np.flatnonzero((examples.labels < 0) | (examples.labels >= len(classes)))[:1]:
        raise DataError(
            f"{location}: example {i} has the label {examples.labels[i]}, but the task numbers its "
            f"{len(classes)} classes from 0"
        )
