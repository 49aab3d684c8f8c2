"""Builds a retrieval task from raw splits: metrics, fingerprint, chance and notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from whichpeft.errors import DataError, unknown
from whichpeft.metrics.metric import Array, Metric
from whichpeft.metrics.ranking import mean_of_random_ranks
from whichpeft.tasks.assemble import fingerprint_of
from whichpeft.tasks.labelled import Labelled
from whichpeft.tasks.overlap import leaked_rows, overlap_notes
from whichpeft.tasks.retrieval.task import RetrievalTask
from whichpeft.tasks.retrieval.two_texts import query_share
from whichpeft.tasks.splits import Split, make_splits
from whichpeft.tasks.tables.table import ColumnUse

Pair = tuple[str, str]
"""A query and its document."""


def _mrr(labels: Array, outputs: Array) -> float:
    return float(outputs[:, 0].astype(np.float64).mean())


MRR = Metric("mrr", _mrr)


def retrieval_task(
    name: str,
    *,
    train: Iterable[Pair],
    validation: Iterable[Pair] | None = None,
    test: Iterable[Pair] | None = None,
) -> RetrievalTask:
    """Build a retrieval task from pairs of a query and its document.

    Parameters
    ----------
    name
        Name of the task in reports and records.
    train, validation, test
        The splits. Without `test`, validation becomes the test set and part of train is held out for
        validation. Without both, train is split 80/10/10.

    Raises
    ------
    DataError
        If a split is empty.
    """
    given = {"train": train, "validation": validation, "test": test}
    splits = {
        key: raw_split(pairs, f"task {name!r} [{key}]")
        for key, pairs in given.items()
        if pairs is not None
    }
    return assemble_retrieval(name, splits)


def raw_split(pairs: Iterable[Pair], location: str) -> Split:
    """Return pairs as a split; those without a query or a document are left out."""
    kept = tuple(pair for pair in pairs if all(text.strip() for text in pair))
    return Split(inputs=kept, labels=("",) * len(kept), location=location)


def assemble_retrieval(
    name: str,
    splits: Mapping[str, Split],
    *,
    metric: str | None = None,
    columns: ColumnUse | None = None,
    notes: Sequence[str] = (),
) -> RetrievalTask:
    """Build a task from raw splits by role."""
    if metric not in (None, MRR.name):
        fix = f"retrieval is scored by {MRR.name}"
        raise DataError(f"task {name!r}: {unknown('metric', metric, [MRR.name], fix=fix)}")
    if not len(splits["train"]):
        raise DataError(f"{splits['train'].location}: contains no queries; the split is empty")
    arranged = make_splits(
        train=splits["train"],
        validation=splits.get("validation"),
        dev=splits.get("dev"),
        test=splits.get("test"),
        classes=False,
    )
    final = {"train": arranged.train, "validation": arranged.validation, "test": arranged.test}
    inputs = {key: split.inputs for key, split in final.items()}
    leaked = leaked_rows(inputs)
    unlabelled = {key: Labelled(own, np.zeros(len(own), dtype=np.int64)) for key, own in inputs.items()}
    return RetrievalTask(
        name=name,
        fingerprint=fingerprint_of(unlabelled, (), MRR.name),
        metrics=(MRR,),
        chance=mean_of_random_ranks(len(final["test"])),
        counts={key: len(split) for key, split in final.items()},
        query_share=query_share(inputs["train"]),
        leaked=leaked,
        columns=columns,
        notes=(*notes, *arranged.notes, *overlap_notes(inputs, leaked, "pair")),
        splits=inputs,
    )
