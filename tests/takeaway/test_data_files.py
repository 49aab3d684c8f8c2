"""The training script reads files as the study did, also if pandas or datasets do not."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from whichpeft.study import TaskSource
from whichpeft.takeaway.data import script_data
from whichpeft.tasks import load_task

from .written import read, run_folder, take

TEXTS = [f"the café number {i} was {'good' if i % 3 else 'bad'} to see" for i in range(60)]
CLASSES = ["pos" if i % 3 else "neg" for i in range(60)]
STARS = [f"{i % 9},{i % 10}" for i in range(60)]


def as_utf16(folder: Path) -> Path:
    path = folder / "data.csv"
    lines = [f"{t},{c}" for t, c in zip(TEXTS, CLASSES, strict=True)]
    path.write_text("\n".join(["text,label", *lines]), encoding="utf-16")
    return path


def as_cp1252_with_index(folder: Path) -> Path:
    path = folder / "data.csv"
    lines = [f"{i};{t};{c}" for i, (t, c) in enumerate(zip(TEXTS, CLASSES, strict=True))]
    path.write_text("\n".join([";text;label", *lines]), encoding="cp1252")
    return path


def as_packed(folder: Path) -> Path:
    path = folder / "data.csv"  # its name does not show that it is packed
    lines = [f"{t},{c}" for t, c in zip(TEXTS, CLASSES, strict=True)]
    path.write_bytes(gzip.compress("\n".join(["text,label", *lines]).encode()))
    return path


def as_quoted_tabs(folder: Path) -> Path:
    path = folder / "data.tsv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "label"), *zip(TEXTS, CLASSES, strict=True)])
    return path


def with_a_separator_line(folder: Path) -> Path:
    path = folder / "data.csv"
    lines = [f"{t};{c}" for t, c in zip(TEXTS, CLASSES, strict=True)]
    path.write_text("\n".join(["sep=;", "text;label", *lines]))
    return path


def with_surplus_fields(folder: Path) -> Path:
    path = folder / "data.csv"
    lines = [f"{i}.0\t{t}\t{c}" + "\tsource" * (i % 4 == 3)
             for i, (t, c) in enumerate(zip(TEXTS, CLASSES, strict=True))]  # fmt: skip
    path.write_text("\n".join(["at\ttext\tlabel", *lines]))
    return path


def as_nested_json(folder: Path) -> Path:
    path = folder / "data.json"
    rows = [{"text": t, "label": c} for t, c in zip(TEXTS, CLASSES, strict=True)]
    path.write_text(json.dumps({"version": "1", "data": rows}))
    return path


@pytest.mark.parametrize(
    "writer",
    [
        as_utf16, as_cp1252_with_index, as_packed, as_quoted_tabs, with_a_separator_line,
        with_surplus_fields, as_nested_json,
    ],
)  # fmt: skip
def test_texts_and_labels_are_the_studys(
    writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = writer(tmp_path)
    out = take(run_folder(data, tmp_path / "run", "head"), tmp_path / "away")
    names = read(out, monkeypatch)
    study = load_task(TaskSource(name=str(data)))
    found = {
        text: label
        for part in names["data"].values()
        for text, label in zip(part[names["INPUTS"][0]], part["label"], strict=True)
    }
    assert found == dict(zip(TEXTS, CLASSES, strict=True))
    assert sum(map(len, names["data"].values())) == sum(study.counts.values()) == 60


def test_decimal_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.csv"
    lines = [f"{t};{s}" for t, s in zip(TEXTS, STARS, strict=True)]
    path.write_text("\n".join(["Rezension;Wertung", *lines]))
    out = take(run_folder(path, tmp_path / "run", "head"), tmp_path / "away")
    how = script_data(TaskSource(name=str(path))).formats[str(path)]
    assert how == {"wanted": ["Rezension", "Wertung"], "columns": {"Rezension": 0, "Wertung": 1}}
    table = read(out, monkeypatch)["read_file"](str(path))
    assert table["Wertung"][:] == [star.replace(",", ".") for star in STARS]
    assert table["Rezension"][:] == TEXTS
