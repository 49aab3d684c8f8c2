"""Builds a tagging task from raw splits: tags, metrics, fingerprint, chance and notes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from whichpeft.errors import DataError, unknown
from whichpeft.metrics import tagging
from whichpeft.metrics.metric import Array, Metric
from whichpeft.tasks.overlap import leaked_rows, overlap_notes
from whichpeft.tasks.residues.alphabet import are_residues, read_residues
from whichpeft.tasks.splits import Split, make_splits
from whichpeft.tasks.tables.table import ColumnUse
from whichpeft.tasks.tables.values import shown
from whichpeft.tasks.tagging.task import TaggedSentences, TaggingTask
from whichpeft.units import counted, join_words

Sentence = tuple[Sequence[str], Sequence[str]]
"""The words of a sentence and their tags."""

_BETWEEN = "\x1f"  # between the tags of a sentence


def _entity_f1(labels: Array, outputs: Array) -> float:
    return float(tagging.entity_f1(outputs.astype(np.float64).sum(axis=0)))


def _token_accuracy(labels: Array, outputs: Array) -> float:
    return float(tagging.token_accuracy(outputs.astype(np.float64).sum(axis=0)))


ENTITY_F1 = Metric("entity_f1", _entity_f1)
TOKEN_ACCURACY = Metric("token_accuracy", _token_accuracy)
METRICS = {metric.name: metric for metric in (ENTITY_F1, TOKEN_ACCURACY)}


def tagging_task(
    name: str,
    *,
    train: Iterable[Sentence],
    validation: Iterable[Sentence] | None = None,
    test: Iterable[Sentence] | None = None,
    metric: str | None = None,
) -> TaggingTask:
    """Build a tagging task from pairs of words and tags.

    Parameters
    ----------
    name
        Name of the task in reports and records.
    train, validation, test
        The splits. Without `test`, validation becomes the test set and part of train is held out for
        validation. Without both, train is split 80/10/10.
    metric
        ``entity_f1`` or ``token_accuracy``. The default is `entity_f1` if some tag is ``O``, the tag of
        words outside of entities.

    Raises
    ------
    DataError
        If a split is empty, words and tags are not equally many, or train lacks a tag.
    """
    given = {"train": train, "validation": validation, "test": test}
    splits = {
        key: raw_split(sentences, f"task {name!r} [{key}]")
        for key, sentences in given.items()
        if sentences is not None
    }
    return assemble_tagging(name, splits, metric=metric)


def raw_split(sentences: Iterable[Sentence], location: str) -> Split:
    """Check sentences and return them as a split; those without words are left out."""
    words: list[tuple[str, ...]] = []
    tags: list[str] = []
    for number, (own, tagged) in enumerate(sentences, start=1):
        if len(own) != len(tagged):
            raise DataError(
                f"{location}: row {number} has {counted(len(own), 'word')} and "
                f"{counted(len(tagged), 'tag')}; each word needs one tag"
            )
        empty = next((place for place, word in enumerate(own, start=1) if not word.strip()), None)
        if empty is not None:
            raise DataError(
                f"{location}: row {number}: word {empty} is empty; leave it out with its tag"
            )
        if own:
            words.append(tuple(own))
            tags.append(_BETWEEN.join(tagged))
    return Split(inputs=tuple(words), labels=tuple(tags), location=location)


def _check_scheme(split: Split) -> None:
    """Raise DataError if tags begin with letters that mean nothing, next to others with ``B-``."""
    kinds = {tag[2:] for tag in _tags(split) if tag.startswith("B-")}
    for row, label in enumerate(split.labels, start=1):
        for tag in _split_tags(label):
            prefix, dash, kind = tag.partition("-")
            if dash and len(prefix) == 1 and prefix not in tagging.PREFIXES and kind in kinds:
                raise DataError(
                    f"{split.location}: row {row} has the tag {tag!r}; tags of entities begin with "
                    f"{join_words([f'{one}-' for one in tagging.PREFIXES])}, so write it as one of these"
                )


def assemble_tagging(
    name: str,
    splits: Mapping[str, Split],
    *,
    metric: str | None = None,
    tag_order: Sequence[str] = (),
    columns: ColumnUse | None = None,
    notes: Sequence[str] = (),
) -> TaggingTask:
    """Build a task from raw splits by role; `tag_order` is how the source of the data orders tags."""
    if not len(splits["train"]):
        raise DataError(f"{splits['train'].location}: contains no tagged sentences; the split is empty")
    splits, residues = _with_residues_read(splits)
    for split in splits.values():
        _check_scheme(split)
    arranged = make_splits(
        train=splits["train"],
        validation=splits.get("validation"),
        dev=splits.get("dev"),
        test=splits.get("test"),
        classes=False,
    )
    final = {"train": arranged.train, "validation": arranged.validation, "test": arranged.test}
    known = set(_tags(final["train"]))
    tags = tuple(tag for tag in tag_order if tag in known) or tuple(sorted(known, key=_outside_first))
    numbers = {tag: number for number, tag in enumerate(tags)}
    tagged = {key: _numbered(split, numbers) for key, split in final.items()}
    # Structures and sites are scored per residue, and their tag O is not a word outside of entities.
    score = _score(name, metric or (TOKEN_ACCURACY.name if residues else None), tags)
    others = [one for one in METRICS.values() if one is not score]
    rows = {key: Counter(_tags(split)) for key, split in final.items()}
    inputs = {key: split.inputs for key, split in final.items()}
    joined = {key: [(" ".join(words),) for words in own] for key, own in inputs.items()}
    leaked = leaked_rows(joined)
    overlaps = overlap_notes(joined, leaked, "sequence" if residues else "sentence")
    majority = max(tags, key=lambda tag: rows["train"][tag])
    task = TaggingTask(
        name=name,
        fingerprint=_fingerprint(final, f"{score.name} of residues" if residues else score.name),
        metrics=(score, *others),
        chance=0.0,
        counts={key: len(split) for key, split in final.items()},
        classes=tags,
        majority=numbers[majority],
        class_counts={tag: sum(own[tag] for own in rows.values()) for tag in tags},
        class_rows={key: {tag: own[tag] for tag in tags} for key, own in rows.items()},
        leaked=leaked,
        residues=residues,
        columns=columns,
        notes=(
            *notes,
            *arranged.notes,
            *overlaps,
        ),
        splits=tagged,
    )
    return task.with_chance(_chance(score, final["test"], majority))


def _with_residues_read(splits: Mapping[str, Split]) -> tuple[dict[str, Split], bool]:
    """Return splits, and whether their words are the residues of proteins, which are then capitals."""
    train = splits["train"].inputs
    single = all(len(word) == 1 for words in train for word in words)
    if not single or not are_residues("".join(words) for words in train):
        return dict(splits), False
    return {
        role: dataclasses.replace(
            split,
            inputs=tuple(
                tuple(read_residues("".join(words), f"{split.location}: row {row}"))
                for row, words in enumerate(split.inputs, start=1)
            ),
        )
        for role, split in splits.items()
    }, True


def _chance(score: Metric, test: Split, tag: str) -> float:
    """Return the score of giving each word the same tag."""
    rows = [tagging.counts(own, [tag] * len(own)) for own in map(_split_tags, test.labels)]
    return score.compute(np.zeros(len(rows)), np.stack(rows))


def _score(name: str, metric: str | None, tags: Sequence[str]) -> Metric:
    if metric is None:
        return ENTITY_F1 if tagging.OUTSIDE in tags else TOKEN_ACCURACY
    if metric not in METRICS:
        fix = f"tagging is scored by {join_words(METRICS)}"
        raise DataError(f"task {name!r}: {unknown('metric', metric, METRICS, fix=fix)}")
    return METRICS[metric]


def _split_tags(label: object) -> list[str]:
    return str(label).split(_BETWEEN)


def _tags(split: Split) -> Iterator[str]:
    for label in split.labels:
        yield from _split_tags(label)


def _numbered(split: Split, numbers: Mapping[str, int]) -> TaggedSentences:
    tags = []
    both = zip(split.inputs, split.labels, strict=True)
    for row, (words, label) in enumerate(both, start=1):
        own = _split_tags(label)
        lacking = next((tag for tag in own if tag not in numbers), None)
        if lacking is not None:
            raise DataError(
                f"{split.location}: sentence {row} ({shown(' '.join(words))}) has tag {lacking!r}, "
                "which no training sentence has; add one to the training set, or leave them out"
            )
        tags.append(np.array([numbers[tag] for tag in own], dtype=np.int32))
    return TaggedSentences(words=split.inputs, tags=tuple(tags))


def _outside_first(tag: str) -> tuple[bool, str, str]:
    """Sort ``O`` first, then types, each with ``B-`` before ``I-``."""
    prefix, dash, kind = tag.partition("-")
    return tag != tagging.OUTSIDE, kind if dash else tag, prefix if dash else ""


def _fingerprint(splits: Mapping[str, Split], metric: str) -> str:
    """Hash every word and tag of the three splits, in order, and the metric."""
    digest = hashlib.sha256(f"tagging {metric}".encode())
    for key, split in splits.items():
        digest.update(f"{key} {len(split)}".encode())
        for words, label in zip(split.inputs, split.labels, strict=True):
            digest.update(json.dumps([words, label]).encode())
    return digest.hexdigest()
