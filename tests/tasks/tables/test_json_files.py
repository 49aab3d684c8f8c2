"""JSON and JSONL: the shapes that other programs write, and what is not JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task
from whichpeft.tasks.tables.files import read_table

ROWS = [{"text": f"the text number {i}", "label": i % 2} for i in range(40)]
FRAME = pd.DataFrame(ROWS)


def table_of(path: Path, text: str) -> list[dict[str, object]]:
    path.write_text(text, encoding="utf-8")
    table = read_table(path)
    assert table.names is not None
    assert table.notes == ()
    return [dict(zip(table.names, values, strict=True)) for values in zip(*table.columns, strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps({"version": "1", "data": ROWS}),
        json.dumps({"train": ROWS}),
        FRAME.to_json(),
        FRAME.to_json(orient="records"),
        FRAME.to_json(orient="records", lines=True),
        json.dumps(FRAME.to_dict(orient="list")),
        "\n".join(json.dumps(row) + "," for row in ROWS),
        "\r\n\r\n".join(json.dumps(row) for row in ROWS),
    ],
)
def test_shapes_that_can_be_told(tmp_path: Path, text: str) -> None:
    assert table_of(tmp_path / "data.json", text) == ROWS


def test_an_array_named_jsonl(tmp_path: Path) -> None:
    assert table_of(tmp_path / "data.jsonl", json.dumps(ROWS, indent=1)) == ROWS


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.json", json.dumps({"train": ROWS, "test": ROWS}), "holds the sets train and test in one"),
        ("a.json", FRAME.to_json(orient="split"), "is not a JSON array"),
        ("a.json", json.dumps({"text": "a", "label": 1}), "is not a JSON array"),
        ("a.json", json.dumps(ROWS)[:-1] + ",]", "is not valid JSON"),
        ("a.jsonl", '{"a": 1}\n{"label": 0, "label": 1}', "line 2 is not valid JSON: an object has"),
        ("a.jsonl", '{"text": "a b", "label": Infinity}', "Infinity is no number"),
        ("a.json", '[{"text": "a b", "label": 1e999}]', "1e999 is too large"),
        ("a.jsonl", "[1, 2]\n[3, 4]", "example 1 is not a JSON object"),
        ("a.json", "[1] [2]", "line 1 is not valid JSON"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / name)
    assert problem in str(caught.value)


def test_nan_is_a_missing_label(tmp_path: Path) -> None:
    rows = [*ROWS, {"text": "one more text", "label": float("nan")}]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    task = load_task(TaskSource(name=str(tmp_path / "data.json")))
    assert sum(task.counts.values()) == 40
    assert any("1 rows without text or label" in note for note in task.notes)


@pytest.mark.parametrize("name", ["data.jsonl", "data.json"])
def test_half_an_emoji_is_replaced_and_counted(tmp_path: Path, name: str) -> None:
    texts = [f"the text number {i} \U0001f600" for i in range(40)]
    rows = [{"text": text, "label": i % 2} for i, text in enumerate(texts)]
    rows[3]["text"] = "cut here \ud83d"
    rows[5]["text"] = "\ude00 at the start"
    rows[7]["text"] = "\ude00\ud83d both the wrong way round"
    dumped = [json.dumps(row) for row in rows]
    path = tmp_path / name
    path.write_text("\n".join(dumped) if name.endswith("l") else f"[{', '.join(dumped)}]")
    read = read_table(path)
    assert read.columns[0][0] == texts[0]
    assert [read.columns[0][i] for i in (3, 5, 7)] == [
        "cut here \ufffd", "\ufffd at the start", "\ufffd\ufffd both the wrong way round",
    ]  # fmt: skip
    assert read.notes == (
        f"{path}: half of a surrogate pair (of an emoji that was cut) was replaced by U+FFFD in 3 rows",
    )
    load_task(TaskSource(name=str(path)))


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    frame = FRAME.sample(frac=1, random_state=0)
    frame["label"] = frame["label"].map(["no", "yes"].__getitem__).astype("category")
    frame.to_parquet(path)
    assert "__index_level_0__" in pq.read_schema(path).names
    task = load_task(TaskSource(name=str(path)))
    assert task.classes == ("no", "yes")
    assert task.columns is not None
    assert task.columns.unused == ("__index_level_0__",)


def test_decimals_of_parquet_are_numbers(tmp_path: Path) -> None:
    cents = pa.array([i / 4 for i in range(100)]).cast(pa.decimal128(6, 2))
    texts = [f"the text number {i}" for i in range(100)]
    pq.write_table(pa.table({"text": texts, "price": cents}), tmp_path / "data.parquet")
    assert list(read_table(tmp_path / "data.parquet").columns[1]) == [i / 4 for i in range(100)]
    assert load_task(TaskSource(name=str(tmp_path / "data.parquet"))).problem == "regression"


def test_text_of_parquet_that_is_not_utf8(tmp_path: Path) -> None:
    raw = pa.array([b"caf\xe9", b"tea"])
    column = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    pq.write_table(pa.table({"text": column, "label": [0, 1]}), tmp_path / "data.parquet")
    with pytest.raises(DataError, match="column 'text' has text that is not UTF-8"):
        read_table(tmp_path / "data.parquet")
