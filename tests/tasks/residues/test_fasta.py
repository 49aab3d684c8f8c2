"""FASTA files become tables: sequences, and the labels that their headers hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from tests.protein_models import sequences

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import TextTask, load_task
from whichpeft.tasks.tables.fasta import read_fasta

CHAINS = sequences(60, 130)


def written(path: Path, headers: list[str]) -> Path:
    lines = []
    for header, chain in zip(headers, CHAINS, strict=True):
        lines += [f">{header}", chain[:60], chain[60:120], chain[120:]]
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def loaded(path: Path, **keys: str) -> TextTask:
    task = load_task(TaskSource(name=str(path), **keys))
    assert isinstance(task, TextTask)
    assert task.residues
    return task


def test_keys_of_headers_are_columns(tmp_path: Path) -> None:
    """As in FLIP's files and those of biotrainer."""
    headers = [f"Seq{i} TARGET={i % 3} SET=train VALIDATION=False" for i in range(60)]
    task = loaded(written(tmp_path / "sequences.fasta", headers))
    assert task.columns is not None
    assert (task.columns.text, task.columns.label) == (("sequence",), "TARGET")
    assert sum(task.counts.values()) == 60
    assert task.name == "sequences"
    known = {read for split in task.splits.values() for (read,) in split.inputs}
    assert known == set(CHAINS)


def test_uniprot_headers(tmp_path: Path) -> None:
    headers = [
        f"sp|P{i:05}|NAME{i}_HUMAN Subunit {i} of a complex OS={'Homo sapiens' if i % 2 else 'Mus'} OX=9"
        for i in range(60)
    ]
    table = read_fasta(written(tmp_path / "uniprot.fasta.gz", headers))
    assert table.names == ("id", "sequence", "description", "OS", "OX")
    assert [column[1] for column in table.columns] == [
        "sp|P00001|NAME1_HUMAN", CHAINS[1], "Subunit 1 of a complex", "Homo sapiens", "9",
    ]  # fmt: skip
    task = loaded(tmp_path / "uniprot.fasta.gz", label_column="OS")
    assert task.classes == ("Homo sapiens", "Mus")


@pytest.mark.parametrize("header", ["chain{} human", "chain{}|human", "chain{}|human|0.5"])
def test_a_label_after_the_name(tmp_path: Path, header: str) -> None:
    headers = [header.format(i).replace("human", "mouse" if i % 3 else "human") for i in range(60)]
    assert loaded(written(tmp_path / "a.faa", headers)).classes == ("human", "mouse")


def test_a_folder_of_splits(tmp_path: Path) -> None:
    headers = [f"Seq{i} TARGET={i / 7:.2f}" for i in range(60)]
    for role in ("train", "val", "test"):
        written(tmp_path / f"{role}.fasta", headers)
    task = loaded(tmp_path)
    assert task.problem == "regression"
    assert task.counts == {"train": 60, "validation": 60, "test": 60}
    assert any("the same sequence but for case and spaces" in note for note in task.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("MKT\n>a\nMKT", "line 1 ('MKT') is before any header; put a line that begins with >"),
        (">a\nMKT\n>b 1\n\n>c\nMKT", "sequence 2 ('b 1') is empty; leave it out"),
    ],
)
def test_what_is_no_fasta_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.fasta"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_fasta(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
