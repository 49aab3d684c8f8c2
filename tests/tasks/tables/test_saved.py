"""Data sets that `save_to_disk` of the datasets library has written."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.takeaway.data import script_data
from whichpeft.tasks import TextTask, load_task


def data(role: str, count: int) -> Dataset:
    rows = {
        "text": [f"{role} has {i} words" for i in range(count)],
        "label": [i % 2 for i in range(count)],
    }
    kinds = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    return Dataset.from_dict(rows, features=kinds)


def load(path: Path, **fields: object) -> TextTask:
    task = load_task(TaskSource(name=str(path), **fields))  # type: ignore[arg-type]
    assert isinstance(task, TextTask)
    return task


def test_one_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    data("all", 40).save_to_disk(folder, num_shards=2)
    task = load(folder)
    assert task.classes == ("no", "yes")
    assert sum(task.counts.values()) == 40
    found = script_data(TaskSource(name=str(folder)))
    assert found.study == {"train": [str(folder)]}


def test_a_dictionary_of_splits(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    DatasetDict({"train": data("train", 40), "test": data("test", 9)}).save_to_disk(folder)
    assert load(folder).counts == {"train": 32, "validation": 8, "test": 9}
    assert load(folder, test=str(folder / "train")).counts["test"] == 40


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    data("all", 4).save_to_disk(folder)
    (arrow,) = folder.glob("*.arrow")
    arrow.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"was saved with save_to_disk, but cannot .*to_parquet"):
        load(folder)
