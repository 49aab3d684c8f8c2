"""Proteins are recognised by their letters; words, DNA and codes are not taken for them."""

from __future__ import annotations

import hashlib
import random
import re
import sysconfig
from pathlib import Path

import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task, text_task
from whichpeft.tasks.residues.alphabet import RESIDUES, are_residues, read_residues

CHAIN = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRF"


def peptides(count: int, length: int) -> list[str]:
    """Return random sequences with the frequencies of UniProt, roughly."""
    draw = random.Random(0)
    weights = [8, 1, 5, 7, 4, 7, 2, 6, 6, 10, 2, 4, 5, 4, 6, 7, 5, 7, 1, 3]
    return ["".join(draw.choices(RESIDUES, weights, k=length)) for _ in range(count)]


def english_words() -> list[str]:
    """Return the words of the standard library's texts in capitals."""
    text = "".join(
        (Path(sysconfig.get_paths()["stdlib"]) / name).read_text(encoding="utf-8")
        for name in ("argparse.py", "logging/__init__.py", "subprocess.py", "tarfile.py")
    )
    return sorted({word.upper() for word in re.findall(r"[a-zA-Z]{5,}", text)})


@pytest.mark.parametrize(
    "values",
    [
        [CHAIN],
        [CHAIN.lower()],
        [" ".join(CHAIN)],
        [CHAIN + "*", "", "MKT--" + CHAIN],
        [CHAIN[:30] + "X" + CHAIN[30:]],
        peptides(60, 9),
        peptides(5, 25),
    ],
)
def test_proteins_are_recognised(values: list[str]) -> None:
    assert are_residues(values)


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["", None, 3],
        ["YES", "NO", "MAYBE"] * 50,
        ["a text of several words that is long enough"] * 3,
        ["ACGTTGCATTAGGCATTACGATCGA", "ACGTNNTTAGCATCGATCGGAT"],
        ["AUGGCUUACGAUUAGCUAGCUAGCU"],
        ["HHHHEEEECCCCHHHHEEEECCCCTTTSSGG"] * 9,
        [hashlib.sha256(bytes([i])).hexdigest().upper() for i in range(99)],
        [f"P{i:05}" for i in range(99)],
        ["CC(=O)OC1=CC=CC=C1C(=O)O"] * 9,
        peptides(20, 9),  # too few to tell them from words
    ],
)
def test_other_columns_are_not(values: list[object]) -> None:
    assert not are_residues(values)


def test_short_words_in_capitals_are_never_proteins() -> None:
    """In 300 draws of 50 to 400 words the letters B, J, O, U, X and Z are too frequent."""
    words, draw = english_words(), random.Random(1)
    assert len(words) > 1500
    for count in (50, 100, 400):
        for _ in range(100):
            assert not are_residues(draw.sample(words, count))
    # Not even words without these letters, as long as they are few or do not use W, Y, K, Q ...
    assert not are_residues([word for word in words if not set(word) & set("BJOUXZ")][:49])


def test_sequences_are_spelt_alike() -> None:
    assert read_residues(" m k\tT a* ", "file") == "MKTA"


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        ("MKT1A", "'1' at position 4 of 'MKT1A' is no residue; write X for an unknown one"),
        ("MK-TA", "'-' at position 3 of 'MK-TA' is a gap; remove gaps, or leave the row out"),
        ("MK*TA", "'*' at position 3 of 'MK*TA' is no residue"),
    ],
)
def test_what_is_no_residue_is_refused_with_its_place(sequence: str, words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        read_residues(sequence, "file: row 3")


def test_a_table_names_the_row(tmp_path: Path) -> None:
    rows = [f"{sequence},{i % 2}" for i, sequence in enumerate(peptides(60, 40))]
    rows[7] = "MKT1A,1"
    path = tmp_path / "proteins.csv"
    path.write_text("\n".join(["sequence,label", *rows]))
    with pytest.raises(DataError) as error:
        load_task(TaskSource(name=str(path)))
    assert str(error.value) == (
        f"{path}: column 'sequence', row 8: '1' at position 4 of 'MKT1A' is no residue; write X for an "
        "unknown one, or leave the row out"
    )


def test_examples_in_memory_are_recognised_and_have_a_fingerprint_of_their_own() -> None:
    sequences = peptides(60, 40)
    task = text_task("proteins", train=[(one, i % 2) for i, one in enumerate(sequences)])
    spaced = text_task("proteins", train=[(" ".join(one), i % 2) for i, one in enumerate(sequences)])
    assert task.residues
    assert spaced.residues
    assert task.fingerprint == spaced.fingerprint
    assert not text_task("words", train=[(f"number {i}", i % 2) for i in range(60)]).residues


def test_columns_of_proteins_come_before_prose(tmp_path: Path) -> None:
    path = tmp_path / "proteins.tsv"
    rows = [
        f"P{i:05}\tbinds to the receptor number {i}\t{sequence}\t{i / 7:.3f}"
        for i, sequence in enumerate(peptides(60, 40))
    ]
    path.write_text("\n".join(["accession\tdescription\tsequence\tfitness", *rows]))
    task = load_task(TaskSource(name=str(path)))
    assert task.columns is not None
    assert (task.columns.text, task.columns.label) == (("sequence",), "fitness")
    assert task.problem == "regression"
    assert not [note for note in task.notes if "text" in note]
