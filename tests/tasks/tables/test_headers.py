"""Headers: told from examples in any script, with index columns and repeated names."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import TextTask, load_task
from whichpeft.tasks.tables.columns import folded_name
from whichpeft.tasks.tables.files import read_table

FILMS = [f"the film number {i} was {'good' if i % 3 else 'bad'} to see" for i in range(30)]
CLASSES = ["pos" if i % 3 else "neg" for i in range(30)]


def write(path: Path, rows: Iterable[Iterable[object]], separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


def load(path: Path, **fields: object) -> TextTask:
    task = load_task(TaskSource(name=str(path), **fields))  # type: ignore[arg-type]
    assert isinstance(task, TextTask)
    return task


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_an_index_is_neither_text_nor_label(tmp_path: Path, index: str, suffix: str) -> None:
    path = tmp_path / f"data.{suffix}"
    separator = "," if suffix == "csv" else "\t"
    rows = [(i, text, label) for i, (text, label) in enumerate(zip(FILMS, CLASSES, strict=True))]
    write(path, [(index, "text", "label"), *rows], separator)
    task = load(path)
    assert task.classes == ("neg", "pos")
    assert sum(task.counts.values()) == 30
    assert read_table(path).notes == ()
    assert task.columns is not None
    assert task.columns.text == ("text",)
    assert task.columns.label == "label"
    assert task.columns.unused == (index or "Unnamed: 0",)


def test_a_shuffled_index_of_pandas(tmp_path: Path) -> None:
    frame = pd.DataFrame({"utterance": FILMS, "stars": [i / 7 for i in range(30)]}).sample(
        frac=1, random_state=0
    )
    frame.to_csv(tmp_path / "data.csv")
    table = read_table(tmp_path / "data.csv")
    assert table.names == ("Unnamed: 0", "utterance", "stars")
    assert list(table.columns[1]) == list(frame["utterance"])
    assert load(tmp_path / "data.csv").problem == "regression"


def test_a_frame_without_names_numbers_its_columns(tmp_path: Path) -> None:
    pd.DataFrame([FILMS, CLASSES]).T.to_csv(tmp_path / "data.csv")
    table = read_table(tmp_path / "data.csv")
    assert table.names == ("Unnamed: 0", "0", "1")
    assert list(table.columns[2]) == CLASSES


def test_names_of_rows_as_r_writes_them(tmp_path: Path) -> None:
    rows = [f'"{i}"\t"{t}"\t"{c}"' for i, (t, c) in enumerate(zip(FILMS, CLASSES, strict=True), start=1)]
    (tmp_path / "data.tsv").write_text("\n".join(['"text"\t"label"', *rows]))
    table = read_table(tmp_path / "data.tsv")
    assert table.names == ("Unnamed: 0", "text", "label")
    assert list(table.columns[1]) == FILMS
    (tmp_path / "data.csv").write_text("\n".join(['"text"\t"label"', *rows]).replace("\t", ","))
    assert read_table(tmp_path / "data.csv").columns[1:] == table.columns[1:]


@pytest.mark.parametrize(
    "header",
    [
        ("text", "label"),
        ("Text (raw)", "Label: 0/1?"),
        ("1. the text that people wrote below the film, as it was", "label"),
        ("¿Qué te pareció?", "Label"),
        ("2nd text", "LABEL"),
        ("текст отзыва", "label"),
        ("текст", "метка"),
        ("文本", "标签"),
        ("レビュー", "評価"),
        ("نص", "تصنيف"),
        ("Bewertungstext", "Gefühl"),
        ("texte_à_lire", "étiquette"),
        ("comment body", "verdict"),
    ],
)
def test_headers_in_any_script(tmp_path: Path, header: tuple[str, str]) -> None:
    path = write(tmp_path / "data.csv", [header, *zip(FILMS, CLASSES, strict=True)])
    table = read_table(path)
    assert table.names == header
    assert table.notes == ()
    assert list(table.columns[0]) == FILMS


@pytest.mark.parametrize(
    ("header", "texts", "labels"),
    [
        (("文本", "标签"), [f"这部电影{i}很好看我很喜欢" for i in range(30)], ["好", "坏"] * 15),
        (("本文", "点数"), [f"この映画は{i}回見ました" for i in range(30)], list(range(30))),
        (("Rezension", "Wertung (0-10)"), FILMS, [i / 4 for i in range(30)]),
        (("Отзыв", "Дата"), FILMS, [f"2024-01-{i + 1:02}" for i in range(30)]),
    ],
)
def test_headers_over_other_columns(
    tmp_path: Path, header: tuple[str, str], texts: Sequence[str], labels: Sequence[object]
) -> None:
    table = read_table(write(tmp_path / "data.csv", [header, *zip(texts, labels, strict=True)]))
    assert table.names == header
    assert table.notes == ()


@pytest.mark.parametrize(
    "first",
    [
        ("a good film to see", "pos"),
        ("Хороший фильм, очень", "pos"),
        ("Is it good?", "neg"),
        ("text", "neg"),
        ("a label of the text", "neg"),
    ],
)
def test_a_first_example_stays_an_example(tmp_path: Path, first: tuple[str, str]) -> None:
    table = read_table(write(tmp_path / "data.csv", [first, *zip(FILMS, CLASSES, strict=True)]))
    assert table.names is None
    assert [column[0] for column in table.columns] == list(first)


def test_the_first_example_of_a_file_with_an_index(tmp_path: Path) -> None:
    rows = [(i, t, c) for i, (t, c) in enumerate(zip(FILMS, CLASSES, strict=True))]
    rows[0] = (0, "comment", "pos")
    assert read_table(write(tmp_path / "data.csv", rows)).names is None
    assert read_table(write(tmp_path / "dates.csv", [("", t, c) for _, t, c in rows])).names is None


def test_the_questions_of_a_form(tmp_path: Path) -> None:
    header = ("Timestamp", "How did you like the film, if you saw it at all?", "Verdict")
    times = [f"2024/01/{i + 1:02} 3:01:0{i % 9} PM" for i in range(30)]
    rows = zip(times, FILMS, CLASSES, strict=True)
    assert read_table(write(tmp_path / "data.csv", [header, *rows])).names == header


def test_words_as_texts(tmp_path: Path) -> None:
    words = [(f"word{i}", "noun" if i % 2 else "verb") for i in range(40)]
    table = read_table(write(tmp_path / "data.csv", [("comment", "noun"), *words]))
    assert table.names is None
    # A header without any customary name is taken, and said.
    table = read_table(write(tmp_path / "data.csv", [("слово", "часть"), *words]))
    assert table.names == ("слово", "часть")
    assert "the first row ('слово' and 'часть') is read as the names" in table.notes[0]


def test_a_rare_first_label_is_said(tmp_path: Path) -> None:
    rows = [("a film that nobody saw", "unseen"), *zip(FILMS, CLASSES, strict=True)]
    table = read_table(write(tmp_path / "data.csv", rows))
    assert table.names is None
    assert len(table) == 31
    assert "is read as an example; if it names the columns" in table.notes[0]


def test_trailing_commas(tmp_path: Path) -> None:
    rows = [",".join(row) for row in zip(FILMS, CLASSES, strict=True)]
    for name, lines in (
        ("all.csv", ["text,label,", *(f"{row}," for row in rows)]),
        ("header.csv", ["text,label,", *rows]),
        ("some.csv", ["text,label", rows[0] + ",,", *rows[1:]]),
        ("rows.csv", ["text,label", *(f"{row}," for row in rows)]),
    ):
        (tmp_path / name).write_text("\n".join(lines))
        task = load(tmp_path / name)
        assert task.classes == ("neg", "pos")
        assert sum(task.counts.values()) == 30
        assert read_table(tmp_path / name).notes == ()


def test_repeated_names(tmp_path: Path) -> None:
    rows = [(t, t[::-1], c) for t, c in zip(FILMS, CLASSES, strict=True)]
    path = write(tmp_path / "data.csv", [("text", "text", "label"), *rows])
    with pytest.raises(DataError, match=r"columns 0 and 1 \(from 0\) have the name 'text'"):
        load(path)
    task = load(path, text_columns=("1",), label_column="label")
    assert task.columns is not None
    assert task.columns.text == ("text.1",)
    assert task.columns.unused == ("text",)
    path = write(
        tmp_path / "other.csv", [("note", "note", "text", "label"), *((1, 2, t, c) for t, _, c in rows)]
    )
    assert read_table(path).names == ("note", "note.1", "text", "label")


def test_a_header_that_is_repeated(tmp_path: Path) -> None:
    rows = [("text", "label"), *zip(FILMS, CLASSES, strict=True)]
    table = read_table(write(tmp_path / "data.csv", [*rows, *rows]))
    assert len(table) == 60
    assert table.notes == (f"{tmp_path}/data.csv: the header is repeated in 1 row, left out here",)


def test_names_are_taken_without_spaces(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text('text, label\n"one, two", a\n"three, four", b\n')
    table = read_table(tmp_path / "data.csv")
    assert table.names == ("text", "label")
    assert list(table.columns[0]) == ["one, two", "three, four"]


def test_a_long_row_of_brackets_is_folded_in_no_time() -> None:
    """With a pattern that searches on from each bracket, this takes minutes."""
    assert folded_name("[" * 500_000 + " Label ") == "[" * 500_000 + "_label"
    assert folded_name("Label (0/1) [gold]:") == "label"
