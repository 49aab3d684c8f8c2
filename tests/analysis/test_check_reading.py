"""Check asks what a reviewer would: leaks, missing classes, collapsed methods, forgotten notes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whichpeft.analysis.check.check import check
from whichpeft.analysis.check.findings import Finding
from whichpeft.records import BackboneReading, LengthReading, Reading, Record, TaskReading

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
    assert (finding.severity, finding.what) == ("note", "the test examples lack 1 class: good")


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
        (None, "minilm", "its weights lack layers, which every seed draws anew: pooler"),
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


def test_a_method_at_chance_is_a_note_and_all_of_them_a_problem() -> None:
    sound = builders.whole("full", [0.88, 0.89, 0.88], adapter=builders.BASE)
    guess = builders.whole("lora", [0.50, 0.51, 0.49])
    head = builders.whole("head", [0.52, 0.50, 0.51], adapter=0)

    def about_chance(records: list[Record], methods: list[str]) -> list[Finding]:
        found = check(
            builders.study(methods), records, predictions=builders.predictions(records, agreement=0.0)
        )
        return [finding for finding in found if "chance" in finding.what]

    (finding,) = about_chance([*sound, *guess], ["full", "lora"])
    assert (finding.severity, finding.method) == ("note", "lora")
    assert finding.what == "its score, 50.0 points, is not proved better than chance, 50.0 points"
    (finding,) = about_chance([*guess, *head], ["lora", "head"])
    assert finding.severity == "problem"
    assert finding.what.startswith("no method that trains is proved better than chance, 50.0 points")
