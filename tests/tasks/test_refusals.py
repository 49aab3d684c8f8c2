"""Bad data get one message that names the file, the column or the label, and the fix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import Metric, list_tasks, load_task, text_task

GOOD = "".join(f"this is text number {i}\t{'yes' if i % 2 else 'no'}\n" for i in range(40))
VALUED = "".join(f"this is text {i}\t{i / 4}\n" for i in range(40)) + "one more text\thigh\n"
NAMED = "sentence\tverdict\n" + GOOD


def refusal(name: str | Path, **fields: object) -> str:
    with pytest.raises(DataError) as caught:
        load_task(TaskSource(name=str(name), **fields))  # type: ignore[arg-type]
    message = str(caught.value)
    assert "Traceback" not in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("content", "fields", "expected"),
    [
        (NAMED, {"label_column": "verdikt"}, "no column 'verdikt'; did you mean 'verdict'?"),
        (NAMED, {"text_columns": ("zzz",)}, "no column 'zzz'; its columns are sentence, verdict"),
        (
            GOOD,
            {"label_column": "7"},
            "no column '7'; the file has no header, so give an index from 0 to 1",
        ),
        (NAMED, {"label_column": "1", "text_columns": ("verdict",)}, "cannot be both text and label"),
        (
            "one text here\tyes\nanother text\tyes\n",
            {},
            "every label is 'yes', but at least two classes",
        ),
        ("", {}, "is empty"),
        ("sentence\tlabel\n", {}, "the split is empty"),
        (
            "a text\t1\na text and\ttab\t0\nmore text\t1\n",
            {},
            "row 2 has 3 fields, but the first row has 2",
        ),
        ("only texts here\nand one more\n", {}, "no column looks like a label"),
        (GOOD, {"problem": "regression"}, "label 'no' is not a number"),
        (VALUED, {"label_column": "1"}, "label 'high' is not a number"),
        (
            "".join(f"a b {i}\tc d {i}\te f {i}\t{i % 2}\n" for i in range(9)),
            {},
            "columns 0, 1, 2 contain text",
        ),
        (
            "".join(f"text is {i}\tid{i}\n" for i in range(90)),
            {"label_column": "1"},
            "90 distinct labels",
        ),
        ("a b c\t3\nb c d\t3\n", {"problem": "regression"}, "every label is 3"),
    ],
)
def test_bad_files(tmp_path: Path, content: str, fields: dict[str, object], expected: str) -> None:
    (tmp_path / "data.tsv").write_text(content)
    message = refusal(tmp_path / "data.tsv", **fields)
    assert expected in message
    assert "data.tsv" in message


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("mathews", "unknown metric 'mathews'; did you mean 'matthews'?"),
        (
            "pearson",
            "classification with 2 classes is scored by accuracy, balanced_accuracy, macro_f1, ",
        ),
    ],
)
def test_metrics_that_do_not_fit(tmp_path: Path, metric: str, expected: str) -> None:
    (tmp_path / "data.tsv").write_text(GOOD)
    assert expected in refusal(tmp_path / "data.tsv", metric=metric)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"text,label\n\xff\xfe\xe9,1\n", "is not UTF-8 text (byte 11)"),
        ("a.csv", b'text,label\n"never closed,1\nmore text,0\n', "never closed"),
        ("a.jsonl", b'{"text": "a b"}\n{oops\n', "line 2 is not valid JSON"),
        ("a.json", b'{"text": "a b"}', "is not a JSON array"),
        ("a.json", b"[1, 2]", "example 1 is not a JSON object"),
        ("a.parquet", b"not parquet", "cannot be read as a Parquet file"),
        ("a.xlsx", b"", "files of type .xlsx are not supported; use one of .csv"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name)
    assert expected in message
    assert name in message


def test_missing_files_and_names(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text(GOOD)
    assert "did you mean 'reviews.csv'?" in refusal(tmp_path / "review.csv")
    assert "does not exist either" in refusal(tmp_path / "nowhere" / "review.csv")
    assert "--test" in refusal(tmp_path / "reviews.csv", test=str(tmp_path / "tests.csv"))
    assert "did you mean 'stdlib-docs'?" in refusal("stdlib-doc")
    assert "did you mean 'glue/sst2'?" in refusal("glue/sst")
    assert "label_column cannot be given" in refusal("glue/sst2", label_column="label")
    assert "spelling" in refusal("owner/name")


def test_folders(tmp_path: Path) -> None:
    assert "contains no data files" in refusal(tmp_path)
    (tmp_path / "a.tsv").write_text(GOOD)
    (tmp_path / "b.tsv").write_text(GOOD)
    assert "no file name gives a role: a.tsv, b.tsv" in refusal(tmp_path)
    (tmp_path / "dev.tsv").write_text(GOOD)
    assert "no training file" in refusal(tmp_path)
    (tmp_path / "train.tsv").write_text(GOOD)
    (tmp_path / "test.tsv").write_text("this is another text\tperhaps\n")
    message = refusal(tmp_path)
    assert re.search(
        r"test\.tsv.*'perhaps' never occurs in the training data, which has 'no' and 'yes'", message
    )
    (tmp_path / "test.tsv").write_text(GOOD)
    (tmp_path / "dev.tsv").write_text("")
    assert "dev.tsv: is empty" in refusal(tmp_path)
    (tmp_path / "dev.tsv").write_text("this has no label\t\n")
    assert "dev.tsv: has no labels" in refusal(tmp_path)
    (tmp_path / "train_test.tsv").write_text(GOOD)
    assert "its name contains both train and test" in refusal(tmp_path)


def test_text_task_refuses_unusable_examples() -> None:
    rows = [(f"text {i}", i % 2) for i in range(20)]
    with pytest.raises(DataError, match=r"\[train\].*empty"):
        text_task("mine", train=[])
    with pytest.raises(DataError, match=r"\[test\].*empty"):
        text_task("mine", train=rows, test=[])
    with pytest.raises(DataError, match=r"\[test\]: label '2' never occurs"):
        text_task("mine", train=rows, test=[("a text", 2)])
    with pytest.raises(DataError, match="example 1 is neither a string nor a pair of strings"):
        text_task("mine", train=[rows[0], (3, 1)])  # type: ignore[list-item]
    with pytest.raises(DataError, match="example 1 has no label"):
        text_task("mine", train=[rows[0], ("text", "")])
    with pytest.raises(DataError, match="the text of example 1 has half of a surrogate pair"):
        text_task("mine", train=[rows[0], ("cut \ud83d", 1)])
    with pytest.raises(DataError, match="some examples are pairs"):
        text_task("mine", train=[rows[0], (("a", "b"), 1)])
    with pytest.raises(DataError, match="did you mean 'regression'"):
        text_task("mine", train=rows, problem="regresion")


def test_text_task_takes_metrics() -> None:
    metric = Metric("first", lambda labels, outputs: float((outputs[:, 0] > 0).mean()))
    task = text_task("mine", train=[(f"text {i}", i % 2) for i in range(20)], metrics=[metric])
    assert [m.name for m in task.metrics] == ["first"]


def test_known_tasks_have_descriptions() -> None:
    known = list_tasks()
    assert set(known) >= {"stdlib-docs", "glue/sst2", "glue/cola", "glue/mnli", "glue/stsb"}
    metrics = {name: task.metric for name, task in known.items()}
    assert metrics["glue/cola"] == "matthews"
    assert metrics["glue/stsb"] == "pearson"
    assert metrics["glue/mrpc"] == metrics["glue/qqp"] == "f1"
    assert all(task.description for task in known.values())


def test_too_few_examples_to_hold_some_out() -> None:
    with pytest.raises(DataError, match=r"\[train\]: 2 training examples are too few to hold some out"):
        text_task("mine", train=[("a b", "x"), ("c d", "y")])
