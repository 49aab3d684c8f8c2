"""A tag per residue: from strings of equal length, lists, and FASTA with a second line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.protein_models import ESM, sequences, write_esm

from whichpeft.backbones import resolve_backbone
from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task
from whichpeft.tasks.tagging import TaggingTask
from whichpeft.tasks.tagging.assemble import tagging_task
from whichpeft.tasks.tagging.encoding import CUT, IGNORED, TaggedExamples

CHAINS = [one[: 40 + i] for i, one in enumerate(sequences(30, 90))]
STRUCTURES = ["".join("HEC"[ord(residue) % 3] for residue in one) for one in CHAINS]
PAIRS = list(zip(CHAINS, STRUCTURES, strict=True))


def loaded(path: Path, **keys: object) -> TaggingTask:
    task = load_task(TaskSource(name=str(path), **keys))
    assert isinstance(task, TaggingTask)
    assert task.residues
    return task


def check(task: TaggingTask) -> None:
    assert task.classes == ("C", "E", "H")
    assert [metric.name for metric in task.metrics] == ["token_accuracy", "entity_f1"]
    known = {
        "".join(words): "".join(task.classes[tag] for tag in tags)
        for split in task.splits.values()
        for words, tags in zip(split.words, split.tags, strict=True)
    }
    assert known == dict(PAIRS)


def test_strings_of_equal_length(tmp_path: Path) -> None:
    path = tmp_path / "ssp.csv"
    rows = [f"{i},{one},{two},{i % 2}" for i, (one, two) in enumerate(PAIRS)]
    path.write_text("\n".join(["id,seq,label,fold", *rows]))
    check(loaded(path))
    check(loaded(path, problem="tagging"))
    assert load_task(TaskSource(name=str(path), label_column="fold")).problem == "classification"


def test_lists_of_residues_and_tags(tmp_path: Path) -> None:
    path = tmp_path / "ssp.jsonl"
    rows = [{"sequence": list(one), "labels": list(two)} for one, two in PAIRS]
    path.write_text("\n".join(map(json.dumps, rows)))
    check(loaded(path))


def test_a_second_line_of_fasta(tmp_path: Path) -> None:
    path = tmp_path / "ssp.fasta"
    rows = [f">chain{i} A\n{one}\n{two}" for i, (one, two) in enumerate(PAIRS)]
    path.write_text("\n".join(rows))
    check(loaded(path))


def test_unequal_lengths_are_refused_by_their_row(tmp_path: Path) -> None:
    path = tmp_path / "ssp.csv"
    rows = [f"{one},{two}" for one, two in PAIRS]
    rows[3] += "H"
    path.write_text("\n".join(["sequence,dssp", *rows]))
    with pytest.raises(DataError, match=r"ssp.csv: row 4 has 43 words and 44 tags"):
        load_task(TaskSource(name=str(path)))


def test_what_is_no_residue_is_refused_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "ssp.csv"
    rows = [f"{one},{two}" for one, two in PAIRS]
    rows[3] = f"{CHAINS[3][:-1]}7,{STRUCTURES[3]}"
    path.write_text("\n".join(["sequence,dssp", *rows]))
    with pytest.raises(DataError, match=r"ssp.csv: row 4: '7' at position 43 of .* is no residue"):
        load_task(TaskSource(name=str(path)))


def test_each_residue_has_a_token_and_a_label(tmp_path: Path) -> None:
    long = sequences(1, 1000)[0]
    rows = [(list(CHAINS[0]), list(STRUCTURES[0])), (list(long), ["H"] * 1000)]
    train = [(list(one), list(two)) for one, two in PAIRS]
    task = tagging_task("ssp", train=train, validation=train[:3], test=rows)
    backbone = resolve_backbone(str(write_esm(tmp_path / "esm")))
    found = task.encode(backbone, max_train=None)["test"]
    assert isinstance(found, TaggedExamples)
    batch = found.batch(np.array([0, 1]))
    tokens = [ESM[number] for number in batch["input_ids"][0].tolist()]
    assert [tokens[place] for place in batch["words"][0].tolist() if place != CUT] == list(CHAINS[0])
    labels = [number for number in batch["labels"][0].tolist() if number != IGNORED]
    assert [task.classes[number] for number in labels] == list(STRUCTURES[0])
    assert (batch["words"][1] != CUT).sum() == found.cap == 958
    assert found.tokens is None
