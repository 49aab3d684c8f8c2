"""Encoded data is made once, cached if encoding is slow, and mapped into memory by every trial."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.study import Budget, TaskSource
from whichpeft.tasks import Examples, Prompted, Task, encoded_data, generative_task, load_task
from whichpeft.tasks.encoded_data import read_data, write_data
from whichpeft.tasks.text import TextTask


@pytest.fixture
def backbone(tiny_backbone: Path) -> Backbone:
    return resolve_backbone(str(tiny_backbone))


@pytest.fixture
def task(reviews: Path) -> Task:
    return load_task(TaskSource(name=str(reviews)))


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int | None]:
    """Cache every encoding for this test only; list the `max_train` of each encoding made."""
    made: list[int | None] = []
    encode = TextTask.encode

    def count(self: TextTask, backbone: Backbone, *, max_train: int | None) -> object:
        made.append(max_train)
        return encode(self, backbone, max_train=max_train)

    monkeypatch.setattr(TextTask, "encode", count)
    monkeypatch.setattr(encoded_data, "_WORTH_KEEPING", -1.0)
    monkeypatch.setenv("WHICHPEFT_CACHE", str(tmp_path / "cache"))
    return made


def scratch(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


def same(one: Examples, other: Examples) -> bool:
    indices = np.arange(len(one))
    first, second = one.batch(indices), other.batch(indices)
    return first.keys() == second.keys() and all((first[k] == second[k]).all() for k in first)


def test_reading_returns_the_encoded_data(task: Task, backbone: Backbone, tmp_path: Path) -> None:
    path, lengths = write_data(task, backbone, Budget(max_train=20), tmp_path)
    _, found = read_data(path)
    encoded = task.encode(backbone, max_train=20)
    assert list(found) == ["train", "validation", "test"]
    assert all(same(found[name], encoded[name]) for name in found)
    assert isinstance(found["train"].ids, np.memmap), "trials share its pages"  # type: ignore[attr-defined]
    assert lengths is not None
    assert (lengths.cut, lengths.count) == (0, sum(map(len, encoded.values())))


def test_images_are_also_mapped(tmp_path: Path) -> None:
    task, vit = load_task(TaskSource(name="digits")), resolve_backbone("digits-vit")
    path, lengths = write_data(task, vit, Budget(), tmp_path)
    assert lengths is None, "images have no tokens"
    found, encoded = read_data(path)[1], task.encode(vit, max_train=None)
    assert same(found["validation"], encoded["validation"])
    assert isinstance(found["train"].pixels, np.memmap)  # type: ignore[attr-defined]


def test_another_run_does_not_encode_again(
    task: Task, backbone: Backbone, tmp_path: Path, encodings: list[int | None]
) -> None:
    first, _ = write_data(task, backbone, Budget(max_train=20), scratch(tmp_path, "a"))
    again, _ = write_data(task, backbone, Budget(max_train=20), scratch(tmp_path, "b"))
    assert encodings == [20]
    assert same(read_data(first)[1]["train"], read_data(again)[1]["train"])
    write_data(task, backbone, Budget(max_train=21), scratch(tmp_path, "c"))
    assert encodings == [20, 21], "another cut is another encoding"


def test_another_tokenizer_gives_another_encoding(
    task: Task, backbone: Backbone, tmp_path: Path, encodings: list[int | None]
) -> None:
    other = scratch(tmp_path, "other")
    for path in backbone.files.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    config = other / "tokenizer_config.json"
    config.write_text(config.read_text().replace("{", '{"a_change": 1, ', 1))
    for i, folder in enumerate((backbone.files, other)):
        write_data(task, resolve_backbone(str(folder)), Budget(), scratch(tmp_path, str(i)))
    assert len(encodings) == 2


def test_another_order_of_classes_gives_another_encoding(
    task: TextTask, backbone: Backbone, tmp_path: Path, encodings: list[int | None]
) -> None:
    for i, classes in enumerate((task.classes, task.classes[::-1])):
        write_data(
            dataclasses.replace(task, classes=classes), backbone, Budget(), scratch(tmp_path, str(i))
        )
    assert len(encodings) == 2


def test_a_plug_ins_task_is_encoded_in_its_own_way(
    task: TextTask, backbone: Backbone, tmp_path: Path, encodings: list[int | None]
) -> None:
    class Lower(TextTask):
        __slots__ = ()

    write_data(task, backbone, Budget(), scratch(tmp_path, "a"))
    own = Lower(**{f.name: getattr(task, f.name) for f in dataclasses.fields(task)})
    with pytest.raises(
        (AttributeError, pickle.PicklingError)
    ):  # defined in a test, so it cannot be pickled
        write_data(own, backbone, Budget(), scratch(tmp_path, "b"))
    assert len(encodings) == 2


def test_a_damaged_encoding_is_rebuilt(
    task: Task, backbone: Backbone, tmp_path: Path, encodings: list[int | None]
) -> None:
    write_data(task, backbone, Budget(), scratch(tmp_path, "a"))
    (file,) = (tmp_path / "cache").glob("encoded-*/train.ids.npy")
    file.write_bytes(file.read_bytes()[:-10])
    path, _ = write_data(task, backbone, Budget(), scratch(tmp_path, "b"))
    assert len(encodings) == 2
    assert same(read_data(path)[1]["train"], task.encode(backbone, max_train=None)["train"])


def test_a_run_works_without_a_writable_cache(
    task: Task,
    backbone: Backbone,
    tmp_path: Path,
    encodings: list[int | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("WHICHPEFT_CACHE", str(tmp_path / "file"))
    path, _ = write_data(task, backbone, Budget(), scratch(tmp_path, "a"))
    assert len(read_data(path)[1]["train"]) > 0


def test_a_quick_encoding_is_not_cached(
    task: Task, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHICHPEFT_CACHE", str(tmp_path / "cache"))
    write_data(task, backbone, Budget(), scratch(tmp_path, "a"))
    assert not (tmp_path / "cache").exists()


def test_a_part_of_the_validation_split_is_read(task: Task, backbone: Backbone, tmp_path: Path) -> None:
    whole = task.encode(backbone, max_train=None)["validation"]
    path, _ = write_data(task, backbone, Budget(max_validation=5), tmp_path)
    _, found = read_data(path)
    assert len(found["validation"]) == 5 < len(whole)
    assert same(found["validation"], read_data(path)[1]["validation"])
    assert len(found["test"]) == task.counts["test"]
    kept = {tuple(row.tolist()) for row in whole.batch(np.arange(len(whole)))["input_ids"]}
    part = found["validation"].batch(np.arange(5))["input_ids"]
    assert all(any(row.tolist() == list(other[: len(row)]) for other in kept) for row in part)


def test_taken_examples_are_those_of_the_split(
    task: Task, backbone: Backbone, tiny_writer: Backbone
) -> None:
    choices = [
        Prompted(prompt=f"Is {i} even?", completion="yes" if i % 2 == 0 else "no", choices=("yes", "no"))
        for i in range(6)
    ]
    written = [Prompted(prompt=f"{i} + 1 =", completion=str(i + 1)) for i in range(6)]
    digits = load_task(TaskSource(name="digits"))
    splits = [
        task.encode(backbone, max_train=None)["validation"],
        digits.encode(resolve_backbone("digits-vit"), max_train=None)["validation"],
        *(
            generative_task("t", train=own, validation=own, test=own).encode(
                tiny_writer, max_train=None
            )[name]
            for own in (choices, written)
            for name in ("train", "validation")
        ),
    ]
    places = np.array([4, 1, 2])
    for split in splits:
        taken, asked = split.take(places).batch(np.arange(3)), split.batch(places)  # type: ignore[attr-defined]
        assert taken.keys() == asked.keys()
        assert all((taken[key] == asked[key]).all() for key in taken)
        assert (split.take(places).labels == split.labels[places]).all()  # type: ignore[attr-defined]
