"""Check asks what a reviewer would: leaks, missing classes, collapsed methods, forgotten notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from whichpeft.analysis.check.check import check
from whichpeft.analysis.check.findings import Finding
from whichpeft.records import BackboneReading, LengthReading, Reading, Record, TaskReading
from whichpeft.running.reading import read_of_task
from whichpeft.tasks.from_examples import text_task

from .. import builders

METHODS = ["full", "head", "lora"]
TASK = TaskReading(
    name="sst2",
    problem="classification",
    classes={"bad": 500, "good": 500},
    rows={"train": 800, "validation": 100, "test": 100},
    class_rows={
        "train": {"bad": 400, "good": 400},
        "validation": {"bad": 50, "good": 50},
        "test": {"bad": 50, "good": 50},
    },
    leaked={"validation": 0, "test": 0},
    metric="accuracy",
)


@pytest.fixture
def records() -> list[Record]:
    return [
        *builders.whole("full", [0.88, 0.89, 0.88], adapter=builders.BASE),
        *builders.whole("head", [0.70, 0.71, 0.70], adapter=0),
        *builders.whole("lora", [0.87, 0.88, 0.88]),
    ]


def said(records: list[Record], task: TaskReading = TASK, **parts: object) -> list[Finding]:
    """Return the findings but for the note that nothing was tuned."""
    reading = Reading(tasks=(task,), **parts)  # type: ignore[arg-type]
    found = check(
        builders.study(METHODS), records, predictions=builders.predictions(records), reading=reading
    )
    return [finding for finding in found if "no method was tuned" not in finding.what]


def test_sound_data_give_no_finding(records: list[Record]) -> None:
    assert not said(records)


def test_test_examples_that_were_trained_on_are_a_problem(records: list[Record]) -> None:
    (finding,) = said(records, replace(TASK, leaked={"validation": 0, "test": 7}))
    assert (finding.severity, finding.task) == ("problem", "sst2")
    assert finding.what.startswith("7 of 100 test examples (7.00 %) are in the training data too")
    (finding,) = said(records, replace(TASK, leaked={"validation": 100, "test": 0}))
    assert finding.severity == "note"
    assert "100 of 100 validation examples" in finding.what
    large = replace(TASK, rows={**TASK.rows, "test": 1000}, leaked={"test": 1})
    (finding,) = said(records, large)
    assert finding.severity == "note"
    assert "1 of 1,000 test examples (0.100 %) is in the training data too" in finding.what


def test_a_class_that_a_split_lacks_is_a_note(records: list[Record]) -> None:
    rows = {**TASK.class_rows, "test": {"bad": 100, "good": 0}}
    (finding,) = said(records, replace(TASK, class_rows=rows))
    assert (finding.severity, finding.what) == (
        "note",
        "the test set lacks 1 of 2 classes: 'good'",
    )


def test_what_the_run_said_in_other_words_is_said_once(records: list[Record]) -> None:
    """The task is made from a table as a run makes it, so that its own notes are there."""
    train = [(f"the film was {word} {i}", word) for i in range(30) for word in ("bad", "good", "odd")]
    task = text_task("sst2", train=train, validation=train[:20], test=[*train[1::3], ("new", "bad")])
    read = read_of_task(task)
    assert any("also in the training set" in note for note in read.notes)
    assert any("set lacks" in note for note in read.notes)
    sentences = [finding.what for finding in said(records, read)]
    assert sum(what.startswith("30 of 31 test examples") for what in sentences) == 1
    assert sum(what.startswith("20 of 20 validation examples") for what in sentences) == 1
    assert sum(what.startswith("the test set lacks 1 of 3 classes") for what in sentences) == 1


def test_new_layers_cut_inputs_and_every_note_are_notes(records: list[Record]) -> None:
    lengths = LengthReading(
        task="sst2", backbone="minilm", median=9, p95=90, longest=612, limit=256, cut=30, count=1000
    )
    backbone = BackboneReading(
        name="minilm", notes=("the adapter in its folder is not loaded",), new_layers=("pooler",)
    )
    found = said(
        records,
        replace(TASK, notes=("3 rows have no label and are left out",)),
        lengths=(lengths,),
        backbones=(backbone,),
        notes=("node 2 is left out",),
    )
    assert {finding.severity for finding in found} == {"note"}
    cut = "30 of 1,000 inputs (3.00 %) are cut at 256 tokens; the median has 9 tokens, the longest 612"
    assert [(f.task, f.backbone, f.what) for f in found] == [
        ("sst2", None, "3 rows have no label and are left out"),
        (
            "sst2",
            "minilm",
            cut,
        ),
        (None, "minilm", "its weights lack layers, which every seed draws at random: pooler"),
        (None, "minilm", "the adapter in its folder is not loaded"),
        (None, None, "node 2 is left out"),
    ]


def collapsed(records: list[Record], seeds: set[int], method: str = "lora") -> list[Finding]:
    """Return the findings on a study in which a method predicts class 1 for all examples."""
    known = builders.predictions(records)
    gone = {r.trial.fingerprint for r in records if r.trial.method == method and r.trial.seed in seeds}

    def predictions(name: str) -> object:
        arrays = known(name)
        if name not in gone or arrays is None:
            return arrays
        return {
            **arrays,
            "outputs": np.eye(2, dtype=np.float32)[np.ones(len(arrays["labels"]), dtype=int)],
        }

    found = check(
        builders.study(METHODS),
        records,
        predictions=predictions,  # type: ignore[arg-type]
        reading=Reading(tasks=(replace(TASK, name="glue/sst2"),)),
    )
    return [finding for finding in found if "predicts one class" in finding.what]


def test_predictions_of_one_class_are_a_problem(records: list[Record]) -> None:
    (finding,) = collapsed(records, {0, 1, 2})
    assert (finding.severity, finding.method) == ("problem", "lora")
    assert finding.what.startswith("it predicts one class only (good)")
    (finding,) = collapsed(records, {1, 2})
    assert finding.what.startswith("it predicts one class only on seeds 1 and 2 (good)")


def test_a_method_that_trains_nothing_may_predict_one_class(records: list[Record]) -> None:
    idle = [
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=-builders.HEAD) for seed in range(3)),
    ]
    assert not collapsed([*records, *idle], {0, 1, 2}, "zero-shot")


def about_chance(records: list[Record], methods: list[str], **more: Any) -> list[Finding]:
    predictions = builders.predictions(records, agreement=0.0)
    found = check(builders.study(methods), records, predictions=predictions, **more)
    return [finding for finding in found if "chance" in finding.what]


SOUND = builders.whole("full", [0.88, 0.89, 0.88], adapter=builders.BASE)
GUESS = builders.whole("lora", [0.50, 0.51, 0.49])


def test_a_method_at_chance_on_all_seeds_is_a_problem_with_its_probable_cause() -> None:
    (finding,) = about_chance([*SOUND, *GUESS], ["full", "lora"])
    assert (finding.severity, finding.method) == ("problem", "lora")
    assert finding.what == "its score, 50.0 points, is at chance, 50.0 points, on all 3 seeds"
    curve = [(step, "train_loss", 0.69) for step in range(10, 210, 10)]
    (finding,) = about_chance([*SOUND, *GUESS], ["full", "lora"], curves=lambda name: curve)
    assert finding.what.endswith(
        "; probably too low a learning rate (its training loss did not move from 0.69)"
    )
    assert finding.fix.startswith("give a higher learning rate")


def test_a_method_at_chance_on_some_seeds_is_a_note_that_names_them() -> None:
    half = builders.whole("lora", [0.50, 0.80, 0.49])
    (finding,) = about_chance([*SOUND, *half], ["full", "lora"])
    assert (finding.severity, finding.method) == ("note", "lora")
    assert finding.what == (
        "its score, 59.7 points, is not proved better than chance, 50.0 points; probably training that "
        "fails on some seeds (its score is at chance on seeds 0 and 2)"
    )


def test_all_methods_at_chance_are_one_problem() -> None:
    head = builders.whole("head", [0.52, 0.50, 0.51], adapter=0)
    (finding,) = about_chance([*GUESS, *head], ["lora", "head"])
    assert finding.severity == "problem"
    assert finding.what.startswith("no method that trains is proved better than chance, 50.0 points")


def test_a_macro_f1_over_the_classes_that_were_predicted_is_a_problem() -> None:
    """An earlier version averaged over class 2 if a method predicted it, which no label is of."""
    labels = np.array([0] * 50 + [1] * 50)
    found = labels.copy()
    found[:10], found[99] = 1, 2
    wrong = f1_score(labels, found, average="macro", zero_division=0)
    right = float(np.mean(f1_score(labels, found, labels=[0, 1], average=None)))
    arrays = {"labels": labels, "outputs": np.eye(3, dtype=np.float32)[found]}

    def about(recorded: float) -> list[Finding]:
        extra = builders.measurements({"macro_f1": recorded}, "test")
        records = [
            replace(record, measurements=(*record.measurements, *extra))
            for record in builders.whole("full", [0.89, 0.89], adapter=builders.BASE)
        ]
        every = check(builders.study(["full"], seeds=2), records, predictions=lambda name: arrays)
        return [finding for finding in every if "macro_f1" in finding.what]

    (finding,) = about(wrong)
    assert (finding.severity, finding.method) == ("problem", "full")
    assert f"is {100 * wrong:.1f} points in the records" in finding.what
    assert finding.what.endswith(f"it is {100 * right:.1f}")
    assert not about(right)
    assert not about(0.123)  # a metric of a plug-in that has the same name
