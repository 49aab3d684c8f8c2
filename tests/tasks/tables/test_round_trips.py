"""Made-up tables are read as they were written, or refused; what is unsure has a note."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whichpeft.errors import DataError
from whichpeft.tasks.tables.files import read_table

# Quick, and without a deadline: the first example of a process imports and compiles.
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SCRIPTS = (
    "abcdefghijklmnopqrstuvwxyz",
    "äöüßéèçñøåœ",
    "абвгдежзийклмно",
    "αβγδεζηθικλμ",
    "文本标签电影好看喜欢评论",
    "あいうえおかきくけこ",
    "가나다라마바사아자",
)
MARKS = [
    ",",
    ";",
    "\t",
    "|",
    '"',
    "'",
    "\n",
    ".",
    "?",
    ":",
    "(",
    ")",
    "#",
    "1,5",
    "2.0",
    "\U0001f600",
    "\xa0",
]
HEADERS = [
    ("text", "label"),
    ("Sentence", "Class (0/1)"),
    ("комментарий", "класс"),
    ("文本", "标签"),
    ("Überschrift", "Gefühl"),
    ("comment body", "what?"),
    ("1. text", "label:"),
    ("текст", "label"),
    ("A name that is longer than most, because somebody asked a whole question in it?", "label"),
]


@dataclass(frozen=True)
class Written:
    """A table and how it is written."""

    header: tuple[str, ...] | None
    rows: Sequence[tuple[str, ...]]
    separator: str
    quoting: int
    ends: str
    encoding: str
    suffix: str
    packed: bool

    def file(self, folder: Path) -> Path:
        text = io.StringIO()
        writer = csv.writer(
            text,
            delimiter=self.separator,
            quoting=self.quoting,
            lineterminator=self.ends,  # type: ignore[arg-type]
        )
        writer.writerows([*([self.header] if self.header else []), *self.rows])
        raw = text.getvalue().encode(self.encoding)
        path = folder / f"data{self.suffix}"
        path.write_bytes(gzip.compress(raw) if self.packed else raw)
        return path


@st.composite
def words(draw: st.DrawFn, script: str) -> str:
    count = draw(st.integers(3, 7))
    parts = [draw(st.text(script, min_size=2, max_size=6)) for _ in range(count)]
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), draw(st.sampled_from(MARKS)))
    spaceless = script[0] in "文あ"
    return ("" if spaceless else " ").join(parts).strip()


@st.composite
def labels(draw: st.DrawFn, count: int) -> list[str]:
    kind = draw(st.sampled_from(["words", "classes", "decimal", "comma", "script"]))
    numbers = [draw(st.integers(0, 99)) for _ in range(count)]
    if kind == "decimal":
        return [f"{i % 10}.{i // 10}" for i in numbers]
    if kind == "comma":
        return [f"{i % 10},{i // 10}5" for i in numbers]
    names = {"words": ["good", "bad"], "classes": ["0", "1", "2"], "script": ["хорошо", "плохо", "так"]}[
        kind
    ]
    return [names[i % len(names)] for i in range(count)]


@st.composite
def tables(draw: st.DrawFn) -> Written:
    script = draw(st.sampled_from(SCRIPTS))
    count = draw(st.integers(3, 20))
    columns: list[Sequence[str]] = [[draw(words(script)) for _ in range(count)], draw(labels(count))]
    header = draw(st.sampled_from([None, *HEADERS]))
    if draw(st.booleans()):
        columns.reverse()
        header = header and (header[1], header[0])
    if draw(st.booleans()):
        columns.insert(0, [str(i) for i in range(count)])
        if header:
            header = (draw(st.sampled_from(["", "id", "Unnamed: 0"])), *header)  # type: ignore[assignment]
    separator = draw(st.sampled_from(",;\t|"))
    return Written(
        header,
        list(zip(*columns, strict=True)),
        separator,
        draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        draw(st.sampled_from(["\n", "\r\n"])),
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])),
        draw(st.sampled_from([".csv", ".tsv", ".txt", ".CSV"])),
        draw(st.booleans()),
    )


def names_of(header: Sequence[str] | None) -> tuple[str, ...] | None:
    if header is None:
        return None
    return tuple(name or f"Unnamed: {i}" for i, name in enumerate(header))


@QUICK
@given(table=tables())
def test_delimited_files(table: Written, tmp_path: Path) -> None:
    path = table.file(tmp_path)
    try:
        read = read_table(path)
    except DataError:
        return
    if any("byte order mark" not in note for note in read.notes):
        return
    assert read.names == names_of(table.header)
    assert list(zip(*read.columns, strict=True)) == list(table.rows)


@QUICK
@given(
    texts=st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=8),
    lines=st.booleans(),
    ascii_only=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_json(texts: list[str], lines: bool, ascii_only: bool, encoding: str, tmp_path: Path) -> None:
    rows = [{"text": text, "label": i} for i, text in enumerate(texts)]
    dumped = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    path = tmp_path / f"data.{'jsonl' if lines else 'json'}"
    path.write_bytes(("\n".join(dumped) if lines else f"[{','.join(dumped)}]").encode(encoding))
    read = read_table(path)
    assert list(read.columns[0]) == texts
    assert list(read.columns[1]) == list(range(len(texts)))


@QUICK
@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), min_size=2, max_size=9
    ),
    label=st.sampled_from(["category", "float", "int"]),
)
def test_parquet(texts: list[str], label: str, tmp_path: Path) -> None:
    values = [i % 2 for i in range(len(texts))]
    kinds = {"category": pd.Categorical(values), "float": [*map(float, values)], "int": values}
    frame = pd.DataFrame({"text": texts, "label": kinds[label]}, index=[f"row {t}" for t in texts])
    frame.to_parquet(tmp_path / "data.parquet")
    read = read_table(tmp_path / "data.parquet")
    assert read.names == ("text", "label", "__index_level_0__")
    assert [list(column) for column in read.columns[:2]] == [texts, values]
