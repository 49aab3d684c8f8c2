"""Separators, quotation marks, surplus fields and decimal commas of text files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import TextTask, load_task
from whichpeft.tasks.tables.files import read_table

FILMS = [f"the film number {i} was {'good' if i % 3 else 'bad'} to see" for i in range(30)]
CLASSES = ["pos" if i % 3 else "neg" for i in range(30)]
FRAME = pd.DataFrame({"text": FILMS, "label": CLASSES})


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def load(path: Path, **fields: object) -> TextTask:
    task = load_task(TaskSource(name=str(path), **fields))  # type: ignore[arg-type]
    assert isinstance(task, TextTask)
    return task


def values_of(task: TextTask) -> dict[str, float]:
    return {
        texts[0]: float(value)
        for split in task.splits.values()
        for texts, value in zip(split.inputs, split.labels, strict=True)
    }


@pytest.mark.parametrize("suffix", ["tsv", "txt", "csv"])
@pytest.mark.parametrize(
    "quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_MINIMAL, csv.QUOTE_NONE]
)
@pytest.mark.parametrize("separator", ["\t", ",", ";", "|"])
def test_what_pandas_writes(tmp_path: Path, suffix: str, quoting: int, separator: str) -> None:
    frame = FRAME.assign(stars=[i % 5 for i in range(30)])
    path = tmp_path / f"data.{suffix}"
    frame.to_csv(path, index=False, sep=separator, quoting=quoting)  # type: ignore[call-overload]
    table = read_table(path)
    assert table.names == ("text", "label", "stars")
    assert table.notes == ()
    assert [list(column) for column in table.columns] == [
        FILMS, CLASSES, [str(i % 5) for i in range(30)],
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["tsv", "txt", "csv"])
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
@pytest.mark.parametrize(
    "text",
    [
        'he said "no" to it', '"quoted"', '"', 'a "', "with\ta tab", "two\nlines", "two\r\nlines",
        "a, b; c | d", '"\t"\n"',
    ],
)  # fmt: skip
def test_fields_that_need_quotation_marks(
    tmp_path: Path, suffix: str, separator: str, quoting: int, text: str
) -> None:
    texts = [*FILMS[:7], text, *FILMS[8:]]
    path = tmp_path / f"data.{suffix}"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator, quoting=quoting)  # type: ignore[arg-type]
        writer.writerows([("text", "label"), *zip(texts, CLASSES, strict=True)])
    table = read_table(path)
    if table.notes:  # these lines are rows, too
        assert (text, separator, quoting) == ('"\t"\n"', "\t", csv.QUOTE_MINIMAL)
        assert (
            "quotation marks are read as text; around fields they would leave 31 rows" in table.notes[0]
        )
        return
    assert list(table.columns[0]) == texts
    assert list(table.columns[1]) == CLASSES


@pytest.mark.parametrize("stray", ['" so it begins', 'the "end', '"no" he said', '"one" and "two"'])
def test_stray_marks_are_text(tmp_path: Path, stray: str) -> None:
    texts = [stray, *FILMS[1:]]
    lines = [f"{text}\t{label}" for text, label in zip(texts, CLASSES, strict=True)]
    for name in ("data.tsv", "data.txt", "data.csv"):
        table = read_table(write(tmp_path / name, "\n".join(["text\tlabel", *lines])))
        assert list(table.columns[0]) == texts
    if stray.count('"') == 2:
        table = read_table(write(tmp_path / "semicolons.csv", "\n".join(lines).replace("\t", ";")))
        assert list(table.columns[0]) == texts


def test_marks_around_all_fields_of_a_column_next_to_stray_ones(tmp_path: Path) -> None:
    strays = ['"no" he said', 'an "open one', *FILMS[2:]]
    lines = [
        f'"{text}"\t{stray}\t{label}' for text, stray, label in zip(FILMS, strays, CLASSES, strict=True)
    ]
    table = read_table(write(tmp_path / "data.tsv", "\n".join(['"a"\tb\t"c"', *lines])))
    assert table.names == ("a", "b", "c")
    assert [list(column) for column in table.columns] == [FILMS, strays, CLASSES]


def test_a_mark_that_swallows_rows_is_refused(tmp_path: Path) -> None:
    lines = [f"{text},{label}" for text, label in zip(FILMS, CLASSES, strict=True)]
    lines[3] = '"and so it begins,pos'
    lines[9] = 'and so it ends",neg'
    with pytest.raises(DataError, match="row 5 has a quoted field that contains 7 rows"):
        read_table(write(tmp_path / "data.csv", "\n".join(["text,label", *lines])))


def test_marks_inside_quoted_fields_that_are_not_doubled(tmp_path: Path) -> None:
    lines = [f'"{text}, really",{label}' for text, label in zip(FILMS, CLASSES, strict=True)]
    lines[3] = '"he said \\"no, not really\\" to it",pos'
    table = read_table(write(tmp_path / "escaped.csv", "\n".join(["text,label", *lines])))
    assert table.columns[0][3] == 'he said "no, not really" to it'
    assert table.notes == ()
    lines[3] = '"he said "no" to it, really",pos'
    with pytest.raises(DataError, match="row 5 has 3 fields"):
        read_table(write(tmp_path / "open.csv", "\n".join(["text,label", *lines])))
    lines[3] = '"he said "no" to it",pos'
    path = write(tmp_path / "open.csv", "\n".join(["text,label", *lines]))
    assert "are not doubled" in read_table(path).notes[0]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "DATA.CSV", "data.txt"])
def test_line_ends_and_empty_lines(tmp_path: Path, ends: str, name: str) -> None:
    separator = "," if name.lower().endswith("csv") else "\t"
    lines = [f"{text}{separator}{label}" for text, label in zip(FILMS, CLASSES, strict=True)]
    lines.insert(4, "")
    lines.insert(9, separator)
    table = read_table(write(tmp_path / name, ends.join([f"text{separator}label", *lines, "", ""])))
    assert [list(column) for column in table.columns] == [FILMS, CLASSES]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;"])
def test_the_separator_line_of_excel(tmp_path: Path, first: str) -> None:
    lines = [f"{text};{label}" for text, label in zip(FILMS, CLASSES, strict=True)]
    table = read_table(write(tmp_path / "data.csv", "\r\n".join([first, "text;label", *lines])))
    assert table.names == ("text", "label")
    assert len(table) == 30


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(
    ("written", "values"),
    [
        ([f"{i % 10},{i % 7}5" for i in range(60)], [i % 10 + (i % 7) / 10 + 0.05 for i in range(60)]),
        ([f"{i % 5},{5 * (i % 2)}" for i in range(60)], [i % 5 + i % 2 / 2 for i in range(60)]),
        ([f"1.{i:03},5" for i in range(60)], [1000.5 + i for i in range(60)]),
        ([f"-0,{i:02}" for i in range(60)], [-i / 100 for i in range(60)]),
        (["3" if i % 2 else f"{i},5" for i in range(60)], [3 if i % 2 else i + 0.5 for i in range(60)]),
    ],
)
def test_decimal_commas_after_semicolons(
    tmp_path: Path, header: bool, written: Sequence[str], values: Sequence[float]
) -> None:
    texts = [f"version 1,5 of text {i}" for i in range(60)]
    lines = [f"{text};{value}" for text, value in zip(texts, written, strict=True)]
    path = write(tmp_path / "data.csv", "\n".join([*(["Rezension;Wertung"] if header else []), *lines]))
    table = read_table(path)
    assert [list(column) for column in table.columns] == [texts, list(written)]
    assert table.notes == ()
    task = load(path)
    assert task.problem == "regression"
    found = values_of(task)
    np.testing.assert_allclose([found[text] for text in texts], values)
    assert any("decimal commas are read as points, for example '" in note for note in task.notes)


def test_other_numbers_with_commas(tmp_path: Path) -> None:
    def of(name: str, values: Sequence[str], separator: str) -> TextTask:
        path = tmp_path / name
        frame = pd.DataFrame({"text": [f"the text number {i}" for i in range(60)], "score": values})
        frame.to_csv(path, index=False, sep=separator)
        return load(path, label_column="score")

    task = of("thousands.csv", [f"{i + 1},234.5" for i in range(60)], ",")
    assert values_of(task)["the text number 2"] == 3234.5
    assert any("commas are read as separators of thousands" in note for note in task.notes)
    assert (
        values_of(of("decimal.tsv", [f"{i % 9},0{i % 7}" for i in range(60)], "\t"))["the text number 8"]
        == 8.01
    )
    # Lists of classes, and numbers that could be large or small, stay as they are.
    lists = [f"{i % 3},{i % 3 + 1}" for i in range(60)]
    for values in (lists, [f"{i % 5 + 1},200" for i in range(60)]):
        task = of("lists.csv", values, ",")
        assert set(task.classes) == set(values)
        assert any("are read as text; write numbers with a decimal point" in note for note in task.notes)


def test_commas_between_and_inside_numbers(tmp_path: Path) -> None:
    lines = [f"the text; number {i};{i % 10},{i % 7}5" for i in range(60)]
    lines[7] = "the text; number; 7;1,5"
    with pytest.raises(DataError, match=r"data\.csv: (commas are in numbers|row 8 has)"):
        read_table(write(tmp_path / "data.csv", "\n".join(lines)))


def test_versions_stay_text(tmp_path: Path) -> None:
    lines = [f"{i % 4},{i % 9};version of text {i};{'ab'[i % 2]}" for i in range(60)]
    task = load(write(tmp_path / "data.csv", "\n".join(["version;text;label", *lines])))
    assert task.classes == ("a", "b")
    assert not any("decimal" in note for note in task.notes)
    task = load(tmp_path / "data.csv", text_columns=("version", "text"))
    assert {inputs[0] for inputs in task.splits["train"].inputs} <= {
        f"{i},{j}" for i in range(4) for j in range(9)
    }


def sts(count: int) -> list[list[str]]:
    """Return rows as in the STS benchmark: some have the source of both sentences in addition."""
    rows = []
    for i in range(count):
        genre, file = [
            ("main-captions", "MSRvid"),
            ("main-forums", "deft-forum"),
            ("main-news", "MSRpar"),
        ][i % 3]
        row = [genre, file, "2012test" if i % 2 else "2015", f"{i:04}", f"{i % 26 / 5:.3f}"]
        row += [
            f'A man, number {i}, said "yes.',
            f"A person{' called it' * (i % 3)} number {i}, then left.",
        ]
        if i % 3 == 1:
            row += ["http://a.example/1", "http://b.example/2"][: 1 + i % 2]
        rows.append(row)
    return rows


def test_the_sts_benchmark(tmp_path: Path) -> None:
    rows = sts(90)
    path = write(tmp_path / "sts-train.csv", "".join("\t".join(row) + "\n" for row in rows))
    table = read_table(path)
    assert table.names is None
    assert [list(column) for column in table.columns] == [[row[i] for row in rows] for i in range(7)]
    assert table.notes == (
        f"{path}: 30 rows of 90 have more than 7 fields; what is beyond, such as 'http://a.example/1', "
        "is not read",
    )
    task = load(path, text_columns=("5", "6"), label_column="4")
    assert task.problem == "regression"
    assert sum(task.counts.values()) == 90
    assert table.notes[0] in task.notes


@pytest.mark.parametrize(
    "rows",
    [
        [(str(i), text, label) for i, (text, label) in enumerate(zip(FILMS, CLASSES, strict=True))],
        [(str(i), text, text[::-1]) for i, text in enumerate(FILMS)],
        [(label, text, text[::-1]) for text, label in zip(FILMS, CLASSES, strict=True)],
    ],
)
def test_separators_inside_texts_are_refused(tmp_path: Path, rows: Sequence[Sequence[str]]) -> None:
    lines = ["\t".join(row) for row in rows]
    lines[7] = lines[7].replace("film number", "film\tnumber")
    with pytest.raises(DataError, match=r"row 8 has 4 fields, but the first row has 3"):
        read_table(write(tmp_path / "data.tsv", "\n".join(lines)))


def test_one_column_of_texts(tmp_path: Path) -> None:
    texts = [f"{text}, and {'more, ' * (i % 3)}more" for i, text in enumerate(FILMS)]
    for name in ("data.tsv", "even.tsv"):
        lines = texts if name == "data.tsv" else [f"{text}, really" for text in FILMS]
        table = read_table(write(tmp_path / name, "\n".join(lines)))
        assert [list(column) for column in table.columns] == [lines]


def test_a_separator_in_all_texts(tmp_path: Path) -> None:
    lines = [f"{text}, really;{label}" for text, label in zip(FILMS, CLASSES, strict=True)]
    table = read_table(write(tmp_path / "data.csv", "\n".join(lines)))
    assert list(table.columns[1]) == CLASSES
    assert table.notes == ()
    table = read_table(write(tmp_path / "other.csv", "a,b;c\nd,e;f\n"))
    assert "fields are read as separated by commas; semicolons would" in table.notes[0]


def test_shards_with_columns_in_another_order(tmp_path: Path) -> None:
    FRAME.iloc[:15].to_csv(tmp_path / "train-00000-of-00002.csv", index=False)
    FRAME.iloc[15:][["label", "text"]].to_csv(tmp_path / "train-00001-of-00002.csv", index=False)
    task = load(tmp_path)
    assert task.classes == ("neg", "pos")
    assert {inputs[0] for split in task.splits.values() for inputs in split.inputs} == set(FILMS)
