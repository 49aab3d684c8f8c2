"""The data of the script that trains: read and divided as in the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from whichpeft.study import TaskSource
from whichpeft.takeaway.data import script_data
from whichpeft.takeaway.script import _f1_of
from whichpeft.tasks import load_task

from .written import read, run_folder, sentences, take, write_lines


def on_the_hub(monkeypatch: pytest.MonkeyPatch, splits: dict[str, list[int]], names: list[str]) -> None:
    """Make the hub return one data set of pairs, with these labels."""
    label = datasets.ClassLabel(names=names)
    kinds = {"premise": datasets.Value("string"), "hypothesis": datasets.Value("string"), "label": label}
    held = datasets.DatasetDict({
        split: datasets.Dataset.from_dict({
            "premise": [f"{split} has {i} birds" for i in range(len(labels))],
            "hypothesis": [f"there are {i} of them" for i in range(len(labels))],
            "label": labels,
        }, features=datasets.Features(kinds))
        for split, labels in splits.items()
    })  # fmt: skip
    monkeypatch.setattr("whichpeft.tasks.tables.hub.download", lambda *_: held)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: held)


def test_files_without_a_header_and_both_val_and_dev(tmp_path: Path, monkeypatch) -> None:
    data = write_lines(
        tmp_path / "cola", train=sentences(0, 40), val=sentences(40, 10), dev=sentences(50, 12)
    )
    out = take(run_folder(data, tmp_path / "run", "head"), tmp_path / "away")
    names = read(out, monkeypatch)
    assert names["options"].text == ["3"]
    assert names["options"].label == "1"
    assert {split: len(part) for split, part in names["data"].items()} == {
        "train": 40, "validation": 10, "test": 12,
    }  # fmt: skip
    assert names["data"]["test"][0]["3"] == '"we saw 50 birds'
    assert names["classes"] == ["0", "1"]
    # Your own files replace all of the study's.
    own = tmp_path / "own.csv"
    own.write_text("text,kind\n" + "".join(f"bird {i},{'ab'[i % 2]}\n" for i in range(100)))
    names = read(out, monkeypatch, "--train", str(own), "--text", "text", "--label", "kind")
    assert [len(part) for part in names["data"].values()] == [80, 10, 10]
    with pytest.raises(SystemExit):
        read(out, monkeypatch, "--train", str(own), "--label", "kind")


def test_labels_are_read_as_in_the_study(tmp_path: Path, monkeypatch) -> None:
    written = ["0.0", "1.0", "2.0", "NA", "1"]
    rows = [f"we saw {i} birds\t{written[i % 5]}" for i in range(100)]
    data = write_lines(
        tmp_path / "birds", train=["text\tlabel", *rows], test=["text\tlabel", *rows[50:]]
    )
    task = load_task(TaskSource(name=str(data)))
    found = read(take(run_folder(data, tmp_path / "run", "head"), tmp_path / "away"), monkeypatch)
    assert found["classes"] == list(task.classes) == ["0", "1", "2"]
    assert len(found["data"]["test"]) == task.counts["test"] == 40
    assert set(found["data"]["test"]["label"]) == {"0", "1", "2"}


@pytest.mark.parametrize("name", ["fraud", 'a "b" {x}', "it's: 100 %"])
def test_the_script_computes_f1_of_the_class_in_the_metrics_name(name: str) -> None:
    needed, code = _f1_of(name)
    names: dict[str, Any] = {
        "number": {"other": 0, name: 1, "third": 2},
        "truth": np.array([0, 1, 1, 2, 1]),
        "found": np.eye(3)[[0, 1, 2, 1, 1]],
    }
    exec(needed, names)
    # Two hits, one miss and one false alarm.
    assert eval(code, names) == pytest.approx(4 / 6)


def one_file(tmp_path: Path, kind: str) -> Path:
    """Write all examples into one file, or images into one folder, some of them twice."""
    texts = [f"we saw {i % 270} birds" for i in range(300)]
    if kind == "images":
        from PIL import Image

        for i in range(255):
            place = tmp_path / "birds" / "ab"[i % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (2, 2), (i, 0, 0)).save(place / f"{i}.png")
        return tmp_path / "birds"
    labels = [f"{i % 270 / 7:.3f}" for i in range(300)]
    if kind == "classes":  # one class has few examples, which all stay in train
        labels = ["rare" if i in (7, 8) else "ab"[i % 270 % 2] for i in range(300)]
    path = tmp_path / f"{kind}.csv"
    path.write_text("text,label\n" + "".join(map("{},{}\n".format, texts, labels)))
    return path


@pytest.mark.parametrize("kind", ["classes", "values", "images"])
def test_the_sets_of_the_script_are_those_of_the_study(
    kind: str, tiny_vits: dict[int, Path], tmp_path: Path, monkeypatch
) -> None:
    """A test set that overlaps with the study's training set would flatter the taken adapter."""
    data = one_file(tmp_path, kind)
    task = load_task(TaskSource(name=str(data)))
    backbone = str(tiny_vits[3]) if kind == "images" else "minilm"
    run = run_folder(data, tmp_path / "run", "head", backbone=backbone, max_train=200)
    out = take(run, tmp_path / "away")
    compile((out / "train.py").read_text(), "train.py", "exec")
    found = read(out, monkeypatch, "--max-train", "200")
    studied = task.cut_splits(200)
    assert list(found["data"]) == ["train", "test", "validation"]
    for split, part in found["data"].items():
        assert found["inputs_of"](part) == list(studied[split].inputs), split
        labels = [float(label) if kind == "values" else task.classes.index(label)
                  for label in part[found["options"].label]]  # fmt: skip
        assert labels == studied[split].labels.tolist()


def test_only_validation_is_held_out_if_a_test_set_is_given(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "own").mkdir()
    for split, count in (("train", 700), ("test", 40)):
        lines = "".join(f"{split} has {i} birds,{'ab'[i % 2]}\n" for i in range(count))
        (tmp_path / "own" / f"{split}.csv").write_text("text,label\n" + lines)
    task = load_task(TaskSource(name=str(tmp_path / "own")))
    found = read(
        take(run_folder(tmp_path / "own", tmp_path / "run", "head"), tmp_path / "away"), monkeypatch
    )
    assert len(found["data"]["validation"]) == 100
    for split, part in found["data"].items():
        assert found["inputs_of"](part) == list(task.splits[split].inputs), split


def test_hub_splits_keep_their_names(tmp_path: Path, monkeypatch) -> None:
    names = ["entailment", "neutral", "contradiction"]
    splits = {
        "train": [i % 3 for i in range(60)],
        "validation_matched": [i % 3 for i in range(12)],
        "validation_mismatched": [i % 3 for i in range(15)],
        "test_matched": [-1] * 6,
        "test_mismatched": [-1] * 6,
    }
    on_the_hub(monkeypatch, splits, names)
    out = take(run_folder("glue/mnli", tmp_path / "run", "head"), tmp_path / "away")
    found = read(out, monkeypatch)
    assert found["STUDY"] == {
        "train": ["train"], "test": ["validation_matched"], "data": "nyu-mll/glue:mnli",
    }  # fmt: skip
    assert found["data"]["test"][:2]["premise"] == [
        "validation_matched has 0 birds", "validation_matched has 1 birds",
    ]  # fmt: skip
    assert len(found["data"]["test"]) == 12
    assert found["classes"] == names  # in the order that the hub numbers them
    assert found["INPUTS"] == ["premise", "hypothesis"]


def test_a_test_set_without_labels_is_ignored(reviews: Path, tmp_path: Path, monkeypatch) -> None:
    splits = {"train": [i % 2 for i in range(60)], "validation": [0, 1, 1], "test": [-1] * 6}
    on_the_hub(monkeypatch, splits, ["no", "yes"])
    out = take(run_folder(reviews, tmp_path / "run", "head"), tmp_path / "away")
    found = read(out, monkeypatch, "--data", "owner/pairs", "--text", "premise", "hypothesis")
    assert found["data"]["test"]["label"][:] == ["no", "yes", "yes"]
    assert {split: len(part) for split, part in found["data"].items()} == {
        "train": 48, "test": 3, "validation": 12,
    }  # fmt: skip


def test_file_formats_are_those_detected_by_the_study(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    rows = [f'"a; text of {i} words";{i % 2};{i}' for i in range(20)]
    (folder / "train.csv").write_text("Text;Label;id\n" + "\n".join(rows))
    (folder / "test.csv").write_text(
        "id;label;text\n" + "\n".join(f"{i};{i % 2};text {i}" for i in range(9))
    )
    found = script_data(TaskSource(name=str(folder), text_columns=("0",)))
    assert found.columns == (("Text",), "Label")
    assert found.study == {"train": [str(folder / "train.csv")], "test": [str(folder / "test.csv")]}
    assert [how["names"] for how in found.formats.values()] == [
        ["Text", "Label", "id"], ["id", "Label", "Text"],
    ]  # fmt: skip
    assert {(how["sep"], how["header"]) for how in found.formats.values()} == {(";", 0)}


def test_image_folders_have_the_same_roles_as_in_the_study(tmp_path: Path) -> None:
    from PIL import Image

    for place in ("train/a", "train/b", "val/a", "val/b", "dev/a", "dev/b"):
        (tmp_path / place).mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / place / "one.png")
    found = script_data(TaskSource(name=str(tmp_path)))
    served = {"train": "train", "validation": "val", "test": "dev"}
    assert found.study == {role: [str(tmp_path / name)] for role, name in served.items()}
    assert (found.columns, found.formats) == ((("image",), "label"), {})
