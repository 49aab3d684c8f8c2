"""Methods that are not finished, not tuned, or measured elsewhere."""

from __future__ import annotations

import pytest

from whichpeft.analysis.choice.constraints import read_constraints
from whichpeft.analysis.choice.what_if import caveats, changes
from whichpeft.report.choices import sentence

from ... import builders
from .of_records import METHODS, answer_of, by_name


def test_incomplete_methods_are_listed_with_the_reason(records):
    failed = builders.ended("ia3", "failed", "out of memory", phase="fit", purpose="profile")
    refused = builders.ended("prefix", "refused", "no attention", purpose="profile")
    methods = ["full", "lora", "bitfit", "ia3", "prefix", "dora", "zero-shot"]
    answer = answer_of([*records, failed, refused], methods=methods)
    found = by_name(answer)
    assert answer.chosen.method == "lora"
    assert "out of memory" in found["ia3"].excluded[0]
    assert found["prefix"].excluded == ("refused: no attention",)
    assert "not run yet" in found["dora"].excluded[0]


@pytest.mark.parametrize(
    ("unfinished", "constraints", "is_open"),
    [
        ("seed", {}, True), ("failed", {}, True), ("no cost", {}, True), ("setting", {}, True),
        ("nothing", {}, True), ("refused", {}, False),
        ("seed", {"max_train_time": "45s"}, False), ("setting", {"max_trainable": "50%"}, False),
    ],
)  # fmt: skip
def test_nothing_is_proved_while_a_possibly_better_method_is_open(
    records, unfinished, constraints, is_open
):
    other = {
        "seed": builders.whole("ia3", [0.95, 0.95], seconds=50),
        "failed": [builders.ended("ia3", "failed", "out of memory", phase="fit", purpose="profile")],
        "no cost": [builders.final("ia3", seed, 0.95) for seed in range(3)],
        "setting": builders.whole(
            "ia3", [0.95] * 3, adapter=builders.BASE, setting=builders.other_machine()
        ),
        "nothing": [],
        "refused": [builders.ended("ia3", "refused", "no attention", purpose="profile")],
    }[unfinished]
    answer = answer_of([*records, *other], read_constraints(**constraints), methods=[*METHODS, "ia3"])
    assert by_name(answer)["ia3"].still_open == is_open
    assert not by_name(answer)["zero-shot"].still_open
    assert answer.chosen.method == "lora"
    assert answer.basis == ("best bet" if is_open else "proved")
    text, advice = sentence(answer), [line for line in changes(answer) if "whichpeft run" in line]
    assert ("Proved" in text, "Best bet" in text) == (not is_open, is_open)
    assert text.endswith("ia3 could not be compared and may be better.") == is_open
    assert [line.startswith("ia3 is not complete") for line in advice] == [True] * is_open


def test_a_method_that_trains_nothing_may_be_unfinished(records):
    answer = answer_of([r for r in records if r.trial.method != "zero-shot"])
    assert "not run yet" in by_name(answer)["zero-shot"].excluded[0]
    assert answer.basis == "proved"


def test_the_default_stands_for_a_method_until_tuning_is_complete():
    better = {"hyperparameters": {"learning_rate": 0.002}}
    default = builders.whole("lora", [0.70, 0.70, 0.70])
    search = [
        builders.tuned("lora", 0, 0.5),
        builders.tuned("lora", 1, 0.6),
        builders.profile("lora", **better),
    ]
    one = builders.final("lora", 0, 0.9, **better)
    early = answer_of([*default, *search, one], methods=["lora"])
    assert (early.chosen.variant, early.chosen.score.mean) == ("default", pytest.approx(0.7))
    alone = answer_of([*search, one], methods=["lora"])
    (candidate,) = alone.candidates
    assert (candidate.variant, candidate.score.mean) == ("tuned", pytest.approx(0.9))
    assert alone.chosen is None


def test_costs_from_another_setting_exclude_a_method(records):
    elsewhere = builders.whole("ia3", [0.88, 0.88, 0.88], seconds=1, setting=builders.other_machine())
    answer = answer_of([*records, *elsewhere], methods=[*METHODS, "ia3"])
    assert by_name(answer)["ia3"].excluded == ("training time was measured in another setting",)


def test_untuned_methods_are_named_next_to_tuned_ones():
    better = {"hyperparameters": {"learning_rate": 0.002}}
    records = [
        *builders.whole("lora", [0.70, 0.70, 0.70]),
        builders.tuned("lora", 0, 0.5),
        builders.tuned("lora", 1, 0.6),
        builders.profile("lora", **better),
        *(builders.final("lora", seed, 0.9, **better) for seed in range(3)),
        *builders.whole("full", [0.85, 0.85, 0.85], adapter=builders.BASE, seconds=60),
    ]
    answer = answer_of(records, methods=["full", "lora"])
    assert (answer.chosen.method, answer.chosen.variant) == ("lora", "tuned")
    assert answer.chosen.score.mean == pytest.approx(0.9)
    assert caveats(answer) == [
        "Not tuned, so compared at default hyperparameters with tuned methods: full."
    ]
    untuned = answer_of(records[-4:], methods=["full"])
    assert "default hyperparameters only" in caveats(untuned)[0]
