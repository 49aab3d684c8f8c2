"""Several labels per example: how they are read, scored and learned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn import metrics as sklearn

from whichpeft.backbones import Backbone
from whichpeft.errors import DataError
from whichpeft.metrics import several
from whichpeft.metrics.per_example import per_example
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task
from whichpeft.tasks.several_labels import SeveralLabelsTask
from whichpeft.testing import TaskContract

TEXTS = [f"the film of the year {i}" for i in range(60)]
NAMES = ("comedy", "drama", "war")
LABELS = [[name for place, name in enumerate(NAMES) if i % (place + 2) == 0] for i in range(60)]
FLAGS = [[int(name in own) for name in NAMES] for own in LABELS]


def jsonl(folder: Path, rows: Sequence[Any], key: str = "labels") -> Path:
    path = folder / "data.jsonl"
    lines = [json.dumps({"text": t, key: own}) for t, own in zip(TEXTS, rows, strict=True)]
    path.write_text("\n".join(lines))
    return path


def load(path: Path, **fields: Any) -> SeveralLabelsTask:
    task = load_task(TaskSource(name=str(path), **fields))
    assert isinstance(task, SeveralLabelsTask)
    return task


def read(task: SeveralLabelsTask) -> dict[str, list[str]]:
    """Return the labels of each text."""
    return {
        text: [task.classes[i] for i in np.flatnonzero(row)]
        for split in task.splits.values()
        for (text,), row in zip(split.inputs, split.labels, strict=True)
    }


EXPECTED = dict(zip(TEXTS, LABELS, strict=True))
NUMBERED = {text: [str(NAMES.index(name)) for name in own] for text, own in EXPECTED.items()}


@pytest.mark.parametrize("key", ["labels", "genres", "tags"])
def test_lists_of_names(tmp_path: Path, key: str) -> None:
    task = load(jsonl(tmp_path, LABELS, key))
    assert (task.problem, task.classes) == ("multilabel", NAMES)
    assert read(task) == EXPECTED
    assert task.class_counts == {"comedy": 30, "drama": 20, "war": 15}
    assert [metric.name for metric in task.metrics] == ["micro_f1", "label_f1", "label_auroc"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (FLAGS, NUMBERED),
        ([list(map(float, row)) for row in FLAGS], NUMBERED),
        ([dict(zip(NAMES, row, strict=True)) for row in FLAGS], EXPECTED),
        ([str(own) for own in LABELS], EXPECTED),
        ([json.dumps(own) for own in LABELS], EXPECTED),
        ([str(np.array(row)) for row in FLAGS], NUMBERED),
    ],
)
def test_flags_objects_and_lists_as_text(tmp_path: Path, rows: Any, expected: Any) -> None:
    assert read(load(jsonl(tmp_path, rows))) == expected


@pytest.mark.parametrize("between", ["|", ";", ","])
def test_joined_names(tmp_path: Path, between: str) -> None:
    kept = [own or ["none"] for own in LABELS]
    path = jsonl(tmp_path, [between.join(own) for own in kept])
    assert read(load(path, problem="multilabel")) == dict(zip(TEXTS, kept, strict=True))


def test_a_column_for_each_label(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    lines = [f"{i:06},{TEXTS[i]},{','.join(map(str, FLAGS[i]))}" for i in range(60)]
    path.write_text("\n".join([f"id,comment_text,{','.join(NAMES)}", *lines]))
    task = load(path, problem="multilabel")
    assert read(task) == EXPECTED
    assert task.columns is not None
    assert (task.columns.label, task.columns.unused) == ("comedy, drama, war", ("id",))
    other = tmp_path / "test.csv"
    other.write_text(path.read_text().replace(",1,", ",2,", 1))
    with pytest.raises(DataError, match=r"test.csv: column 'comedy', row 1: 2 is neither 0 nor 1"):
        load(path, problem="multilabel", train=str(path), test=str(other))


def test_numbered_labels_of_a_hub_data_set_get_their_names(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value

    numbers = [[NAMES.index(name) for name in own] for own in LABELS]
    features = Features({"text": Value("string"), "labels": List(ClassLabel(names=list(NAMES)))})
    path = tmp_path / "data.parquet"
    Dataset.from_dict({"text": TEXTS, "labels": numbers}, features=features).to_parquet(str(path))
    assert read(load(path)) == EXPECTED


def test_a_label_is_missing_and_none_is_not(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    rows = [None if i == 3 else own for i, own in enumerate(LABELS)]
    pq.write_table(pa.table({"text": TEXTS, "labels": rows}), path)
    task = load(path)
    assert sum(task.counts.values()) == 59
    assert any("1 rows without text or label were skipped" in note for note in task.notes)
    assert read(task)["the film of the year 1"] == []


def test_one_label_each_is_plain_classification(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="each row has exactly one label, so this is plain"):
        load(jsonl(tmp_path, [[own[0] if own else "war"] for own in LABELS]))


def test_a_row_unlike_the_others_is_named(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": 0} for _ in TEXTS]
    rows[7] = {"a": 1, "b": 3}
    with pytest.raises(DataError, match=r"column 'labels', row 8: \{'a': 1, 'b': 3\} is not like"):
        load(jsonl(tmp_path, rows), problem="multilabel")


def test_a_label_of_the_test_set_alone_is_named(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        own = LABELS if split != "test" else [*LABELS[:-1], ["western"]]
        jsonl(tmp_path, own).rename(tmp_path / f"{split}.jsonl")
    with pytest.raises(
        DataError,
        match=r"test.jsonl: example 60 \(the film of the year 59\) has the label 'western', which no",
    ):
        load(tmp_path)


def test_the_chance_level_is_the_best_constant(tmp_path: Path) -> None:
    """Giving every label to each example beats giving none for F1."""
    task = load(jsonl(tmp_path, LABELS))
    truth = task.splits["test"].labels
    constants = [np.tile(row, (len(truth), 1)) for row in np.array([[1, -1, -1], [1, 1, -1], [1, 1, 1]])]
    assert task.chance in [several.micro_f1(truth, one) for one in constants]
    assert task.chance > 0.3
    ranked = load(jsonl(tmp_path, LABELS), metric="label_auroc")
    assert ranked.chance == 0.5


def test_the_loss_is_that_of_a_yes_or_no_per_label(minilm: Backbone, tmp_path: Path) -> None:
    task = load(jsonl(tmp_path, LABELS))
    TaskContract(load=lambda: task, backbone=minilm).check()
    batch = task.encode(minilm, max_train=None)["train"].batch(np.arange(4))
    assert batch["labels"].shape == (4, 3)

    class Model(torch.nn.Module):
        def forward(self, **inputs):
            return type("Output", (), {"logits": torch.full((4, 3), 2.0)})

    chosen = batch["labels"]
    expected = -(chosen * np.log(1 / (1 + np.exp(-2))) + (1 - chosen) * np.log(1 / (1 + np.exp(2))))
    assert float(task.loss(Model(), batch)) == pytest.approx(float(expected.mean()), rel=1e-5)


ORACLES = {
    "micro_f1": lambda t, o: sklearn.f1_score(t, o > 0, average="micro"),
    "label_f1": lambda t, o: sklearn.f1_score(t, o > 0, average="macro", zero_division=0),
    "label_auroc": lambda t, o: sklearn.roc_auc_score(t, o, average="macro"),
}


@pytest.mark.parametrize("name", ORACLES)
def test_scores_are_those_of_scikit_learn_and_split_by_example(name: str) -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((40, 4)) < 0.4).astype(np.float32)
    outputs = (truth - 0.4 + 0.7 * rng.standard_normal((40, 4))).astype(np.float32)
    compute = several.METRICS[name].compute
    assert compute(truth, outputs) == pytest.approx(ORACLES[name](truth, outputs))
    without = [compute(np.delete(truth, i, axis=0), np.delete(outputs, i, axis=0)) for i in range(40)]
    expected = -39 * np.array(without)
    expected += compute(truth, outputs) - expected.mean()
    assert per_example(name, truth, outputs) == pytest.approx(expected)
