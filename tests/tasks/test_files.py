"""Local files and folders: formats, headers, columns, and roles by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import TextTask, load_task
from whichpeft.tasks.tables.files import read_table
from whichpeft.tasks.tables.local import role_of

Row = tuple[str, str]


def rows(count: int, tag: str = "a") -> list[Row]:
    return [(f"sentence {tag} number {i} of many", "yes" if i % 2 else "no") for i in range(count)]


def write(path: Path, lines: Iterable[Iterable[object]], separator: str = "\t") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(separator.join(map(str, line)) + "\n" for line in lines), encoding="utf-8")
    return path


def load(path: Path, **fields: object) -> TextTask:
    task = load_task(TaskSource(name=str(path), **fields))  # type: ignore[arg-type]
    assert isinstance(task, TextTask)
    return task


def as_csv(path: Path) -> None:
    write(path, [("text", "label"), *((f'"{t}, and ""more"""', y) for t, y in rows(40))], ",")


def as_semicolons(path: Path) -> None:
    write(path, [("text", "label"), *((f"{t}, and more", y) for t, y in rows(40))], ";")


def as_jsonl(path: Path) -> None:
    path.write_text(
        "\n".join(json.dumps({"text": t, "label": y, "id": i}) for i, (t, y) in enumerate(rows(40)))
    )


def as_json(path: Path) -> None:
    path.write_text(json.dumps([{"text": t, "label": y} for t, y in rows(40)]))


def as_parquet(path: Path) -> None:
    pq.write_table(pa.table({"text": [t for t, _ in rows(40)], "label": [y for _, y in rows(40)]}), path)


def as_tabs(path: Path) -> None:
    write(path, rows(40))


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("data.csv", as_csv),
        ("data2.csv", as_semicolons),
        ("data.tsv", as_tabs),
        ("data.TXT", as_tabs),
        ("data.jsonl", as_jsonl),
        ("lines.json", as_jsonl),
        ("data.json", as_json),
        ("data.parquet", as_parquet),
    ],
)
def test_every_format_is_read(tmp_path: Path, name: str, writer: Callable[[Path], None]) -> None:
    writer(tmp_path / name)
    task = load(tmp_path / name)
    assert task.classes == ("no", "yes")
    assert sum(task.counts.values()) == 40
    assert task.counts["validation"] == task.counts["test"] == 4
    assert task.splits["train"].inputs[0][0].startswith("sentence a")
    assert "number" in task.splits["train"].inputs[0][0]


def test_quotation_marks_in_tabbed_text_are_text(tmp_path: Path) -> None:
    write(tmp_path / "data.tsv", [*rows(20), ('" so it begins', "yes"), ("the end\u2028 of it", "no")])
    assert len(read_table(tmp_path / "data.tsv")) == 22
    # Quotation marks enclose fields only if plain reading gives rows of different lengths.
    write(tmp_path / "quoted.tsv", [*rows(20), ('"a tab\tinside"', "yes")])
    assert read_table(tmp_path / "quoted.tsv").columns[0][-1] == "a tab\tinside"


@pytest.mark.parametrize(
    ("first", "second", "header"),
    [
        (("sentence", "label"), ("a good film", "1"), True),
        (("comment body", "verdict"), ("a very good film indeed", "good"), True),
        (("a good film", "positive"), ("a bad film", "negative"), False),
        (("gj04", "1", "", "He left."), ("gj04", "0", "*", "Him left."), False),
        (("great", "good"), ("awful", "bad"), False),
    ],
)
def test_headers_are_distinguished_from_examples(
    tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...], header: bool
) -> None:
    table = read_table(write(tmp_path / "data.tsv", [first, second, second]))
    assert (table.names is not None) == header


def test_columns_by_name_and_by_index(tmp_path: Path) -> None:
    lines = [(i, f"first text {i}", f"second text {i}", i % 3, i / 7) for i in range(60)]
    named = write(tmp_path / "named.csv", [("n", "One", "Two", "kind", "amount"), *lines], ",")
    plain = write(tmp_path / "plain.csv", lines, ",")
    for path, text, label in ((named, ("one", "Two"), "kind"), (plain, ("1", "2"), "3")):
        task = load(path, text_columns=text, label_column=label)
        assert task.classes == ("0", "1", "2")
        assert len(task.splits["train"].inputs[0]) == 2
    assert load(plain).classes == ("0", "1", "2")
    assert load(named, text_columns=("two",), label_column="amount").problem == "regression"
    assert load(plain, label_column="3", problem="regression").problem == "regression"


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([0, 1, 2], "classification"),
        (list(range(20)), "classification"),
        (list(range(21)), "regression"),
        ([0.5, 1, 2], "regression"),
        ([1.0, 2.0, 3.0], "classification"),
        ([0.0, 1.0], "classification"),
        (["NA", "None"], "classification"),
        ([-1, 1], "classification"),
        ([True, False], "classification"),
    ],
)
def test_the_problem_is_inferred(tmp_path: Path, labels: list[object], problem: str) -> None:
    lines = [{"text": f"this is text {i}", "label": labels[i % len(labels)]} for i in range(210)]
    (tmp_path / "data.json").write_text(json.dumps(lines))
    assert load(tmp_path / "data.json").problem == problem


@pytest.mark.parametrize("name", ["matthews", "f1", "macro_f1"])
def test_another_score_can_be_chosen(tmp_path: Path, name: str) -> None:
    path = tmp_path / "data.tsv"
    path.write_text("".join(f"text is {i}\t{i % 3 == 0}\n" for i in range(90)))
    usual, named = (load_task(TaskSource(name=str(path), metric=metric)) for metric in (None, name))
    assert usual.metrics[0].name == "accuracy"
    assert named.metrics[0].name == ("f1:True" if name == "f1" else name)
    assert named.chance != usual.chance
    assert named.fingerprint != usual.fingerprint, "its trials are others"


def test_rows_without_text_or_label_are_skipped_and_counted(tmp_path: Path) -> None:
    lines = [*rows(40), ("", "yes"), ("", ""), ("no label here", "")]
    write(tmp_path / "data.tsv", [("text", "label"), *lines])
    task = load(tmp_path / "data.tsv")
    assert sum(task.counts.values()) == 40
    # An empty row does not count as a row.
    assert any("2 rows without text or label" in note for note in task.notes)


def test_words_that_look_like_missing_values_stay_text(tmp_path: Path) -> None:
    write(tmp_path / "data.csv", [("text", "label"), *rows(40), ("NA", "None"), ("null", "None")], ",")
    task = load(tmp_path / "data.csv")
    assert "None" in task.classes
    assert ("NA",) in task.splits["train"].inputs


@pytest.mark.parametrize(
    ("stem", "role"),
    [
        ("SICK_train", "train"),
        ("SICK_trial", "validation"),
        ("SICK_test_annotated", "test"),
        ("train_full", "train"),
        ("TRAIN", "train"),
        ("valid", "validation"),
        ("my-val", "validation"),
        ("dev", "dev"),
        ("testset", "test"),
        ("train-00000-of-00002", "train"),
        ("latest", None),
        ("values", None),
        ("restrained", None),
    ],
)
def test_roles_by_name(stem: str, role: str | None) -> None:
    assert role_of(stem) == role


@pytest.mark.parametrize(
    ("files", "counts", "test_from"),
    [
        ({"train": 100, "dev": 30, "test": 20}, (100, 30, 20), "test"),
        ({"train": 100, "val": 30, "dev": 20}, (100, 30, 20), "dev"),
        ({"train": 100, "dev": 20}, (80, 20, 20), "dev"),
        ({"train": 100, "trial": 20}, (80, 20, 20), "trial"),
        ({"train": 100, "test": 20}, (80, 20, 20), "test"),
        ({"train": 100, "val": 30, "dev": 10, "test": 20}, (100, 30, 20), "test"),
        ({"train": 100}, (80, 10, 10), "train"),
        ({"reviews": 100}, (80, 10, 10), "reviews"),
        ({"train": 1500, "test": 20}, (1350, 150, 20), "test"),
    ],
)
def test_missing_splits_are_made_from_the_others(
    tmp_path: Path, files: dict[str, int], counts: tuple[int, ...], test_from: str
) -> None:
    for name, count in files.items():
        write(tmp_path / f"{name}.tsv", rows(count, name))
    for name in ("README.txt", "SOURCE.md", "LICENSE", "label_notes.txt"):
        (tmp_path / name).write_text("about the data\n")
    if "reviews" in files:
        (tmp_path / "label_notes.txt").unlink()
    task = load(tmp_path)
    assert tuple(task.counts.values()) == counts
    assert all(f" {test_from} " in texts[0] for texts in task.splits["test"].inputs)
    kept = {texts for split in task.splits.values() for texts in split.inputs}
    assert len(kept) == sum(counts)  # no example is in two splits


@pytest.mark.parametrize("label", ["", "-1", None])
def test_a_test_file_without_labels_is_not_used(tmp_path: Path, label: str | None) -> None:
    write(tmp_path / "train.tsv", [("sentence", "label"), *rows(100)])
    write(tmp_path / "dev.tsv", [("sentence", "label"), *rows(20, "dev")])
    if label is None:
        write(
            tmp_path / "test.tsv", [("index", "sentence"), *((i, t) for i, (t, _) in enumerate(rows(9)))]
        )
    else:
        write(tmp_path / "test.tsv", [("sentence", "label"), *((t, label) for t, _ in rows(9))])
    task = load(tmp_path)
    assert tuple(task.counts.values()) == (80, 20, 20)
    assert any("test.tsv is not used" in note for note in task.notes)
    with pytest.raises(DataError, match=r"test\.tsv: has no"):
        load(tmp_path, test=str(tmp_path / "test.tsv"))


def test_given_files_override_those_of_a_folder(tmp_path: Path) -> None:
    for name in ("train_a", "train_b", "dev", "extra"):
        write(tmp_path / f"{name}.tsv", rows(50, name))
    with pytest.raises(DataError, match=r"train_a\.tsv, train_b\.tsv; choose one with --train"):
        load(tmp_path)
    task = load(tmp_path, train=str(tmp_path / "train_b.tsv"), test=str(tmp_path / "extra.tsv"))
    assert tuple(task.counts.values()) == (50, 50, 50)
    assert " train_b " in task.splits["train"].inputs[0][0]
    assert " dev " in task.splits["validation"].inputs[0][0]
    named = load_task(TaskSource(name="mine", train=str(tmp_path / "train_b.tsv")))
    assert named.name == "mine"


def test_shards_are_one_set(tmp_path: Path) -> None:
    for shard in range(2):
        write(tmp_path / f"train-0000{shard}-of-00002.tsv", rows(50, f"s{shard}"))
    assert sum(load(tmp_path).counts.values()) == 100


def test_a_split_does_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    lines = rows(100)
    forward, backward = (
        load(write(tmp_path / "a.tsv", lines)),
        load(write(tmp_path / "b.tsv", lines[::-1])),
    )
    for split in ("train", "validation", "test"):
        assert set(forward.splits[split].inputs) == set(backward.splits[split].inputs)
    assert forward.fingerprint == load(tmp_path / "a.tsv").fingerprint


def test_equal_texts_stay_together(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", rows(30) * 5)
    splits = load(tmp_path / "a.tsv").splits
    train, test = (set(splits[key].inputs) for key in ("train", "test"))
    assert not train & test
    assert not train & set(splits["validation"].inputs)
    assert not test & set(splits["validation"].inputs)


def test_a_rare_class_stays_in_train(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", [*rows(60), ("a rare and only sentence", "rare")])
    task = load(tmp_path / "a.tsv")
    assert task.classes == ("no", "rare", "yes")
    assert ("a rare and only sentence",) in task.splits["train"].inputs
