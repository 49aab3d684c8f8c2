"""Comparison of two studies: what changed, the difference of each method, and pairing."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from whichpeft.analysis import Interval, compare_studies, comparisons
from whichpeft.report.tables import two_studies as words
from whichpeft.report.tables import two_studies_text as text
from whichpeft.report.text import with_interval
from whichpeft.study import Budget

from .. import builders

METHODS = ("full", "lora:r=8")


def side(scores, *, predicted=False, study=None, **changed):
    """Return a study with its comparisons; `scores` has one score per seed by method."""
    setting = changed.pop("setting", builders.SETTING)
    seconds = changed.pop("seconds", 30.0)
    records = []
    for method, values in scores.items():
        records.append(builders.profile(method, seconds=seconds, setting=setting, **changed))
        records += [
            builders.final(method, seed, value, setting=setting, **changed)
            for seed, value in enumerate(values)
        ]
    asked = study or builders.study(tuple(scores))
    predictions = builders.predictions(records) if predicted else None
    return asked, comparisons(asked, records, predictions=predictions)


def by_method(two):
    return {method.method: method for method in two.methods}


def printed(two, width=160):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    text.print_two(two, console)
    return console.file.getvalue()


def test_a_study_does_not_differ_from_itself():
    first = side({"full": [0.9, 0.91, 0.92], "lora:r=8": [0.88, 0.9, 0.89]}, predicted=True)
    two = compare_studies(first, first)
    assert two.changes == ()
    assert not two.flipped
    for method in two.methods:
        assert (method.difference, method.low, method.high) == (0, 0, 0)
        assert method.verdict == "equivalent"
        assert method.cost_difference is None
    assert "no verdict changed" in printed(two)


def test_searches_on_another_seed_are_a_change():
    def searched(seed):
        study = builders.study(METHODS[:1])
        records = builders.whole("full", [0.9, 0.91, 0.92])
        return study, comparisons(study, [*records, builders.tuned("full", 0, 0.9, seed=seed)])

    (change,) = compare_studies(searched(0), searched(7)).changes
    assert str(change) == "seed of the searches: 0 in the first, 7 in the second"


def test_equal_seeds_and_examples_are_paired():
    first = side({"full": [0.9, 0.91, 0.92], "lora:r=8": [0.8, 0.81, 0.8]}, predicted=True)
    second = side(
        {"full": [0.9, 0.91, 0.92], "lora:r=8": [0.9, 0.91, 0.9]},
        predicted=True,
        study=builders.study(METHODS, budget=Budget(epochs=9)),
        budget=Budget(epochs=9),
    )
    two = compare_studies(first, second)
    found = by_method(two)["lora:r=8"]
    assert found.pairing == "paired over 3 seeds and 1,000 test examples"
    assert found.difference == pytest.approx(0.1)
    assert found.low < 0.1 < found.high
    assert 0.1 - found.low < 0.05
    assert found.verdict == "better"
    assert found.p_adjusted >= found.p_value
    assert found.flipped
    assert (found.first.verdict, found.second.verdict) == ("worse", "undecided")
    assert [(c.what, c.first, c.second) for c in two.changes] == [
        ("epochs", "3", "9"),
        ("training examples at most", "2000", "none"),
    ]
    shown = " ".join(printed(two).split())
    assert "1 of 2 verdicts changed (lora:r=8 worse → undecided)." in shown


def test_intervals_of_differences_agree_with_their_verdicts():
    """With eight methods, a difference that is 5 % unlikely alone is undecided."""
    shifts = {
        "full": 0.03,
        "lora:r=8": 0.0,
        "bitfit": 0.016,
        "ia3": -0.012,
        **dict.fromkeys("abcd", 0.0),
    }
    noise = np.random.default_rng(2).normal(0, 0.004, (2, len(shifts), 4))
    sides = [
        side(
            {
                method: list(0.8 + place * shift + noise[place, row])
                for row, (method, shift) in enumerate(shifts.items())
            },
            predicted=True,
            study=builders.study(tuple(shifts), seeds=(0, 1, 2, 3)),
        )
        for place in (0, 1)
    ]
    two = compare_studies(*sides)
    only_plain = 0
    for method in two.methods:
        low, high = method.verdict_low, method.verdict_high
        if method.verdict == "equivalent":
            assert -0.02 <= low < high <= 0.02
            continue
        assert method.verdict == ("better" if low > 0 else "worse" if high < 0 else "undecided")
        assert high - low >= method.high - method.low
        only_plain += method.verdict == "undecided" and not method.low <= 0 <= method.high
    assert {"better", "undecided"} <= {method.verdict for method in two.methods}
    assert only_plain > 0
    row = next(row for row in words.rows(two) if row["method"] == "full")
    assert words.COLUMNS[2].show(two.methods[0]) == with_interval(
        Interval(row["difference"], row["verdict_low"], row["verdict_high"]), sign=True
    )
    # Gaps to each study's baseline have the intervals of their verdicts, too.
    lora = by_method(two)["lora:r=8"]
    assert words.COLUMNS[4].show(lora).split(" → ") == [
        with_interval(result.verdict_gap, sign=True) for result in (lora.first, lora.second)
    ]


def test_without_predictions_only_seeds_are_paired():
    first = side({"full": [0.9, 0.91, 0.92]})
    second = side({"full": [0.93, 0.94, 0.96]})
    (found,) = compare_studies(first, second).methods
    assert found.pairing == "paired over 3 seeds, this test set only"
    assert found.difference == pytest.approx(0.1 / 3)
    assert found.low is not None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"data": "d2"}, "the data differ"),
        ({"metric": "f1"}, "the metric is accuracy, then f1"),
        ({"task": "rte"}, "the task is glue/sst2, then rte"),
    ],
)
def test_scores_that_are_not_paired_have_a_reason(changed, why):
    first = side({"full": [0.9, 0.91]})
    shared = {key: value for key, value in changed.items() if key != "metric"}
    records = [
        builders.profile("full", **shared),
        *(builders.final("full", seed, 0.8, **changed) for seed in range(2)),
    ]
    asked = builders.study(("full",), task=changed.get("task", "glue/sst2"))
    two = compare_studies(first, (asked, comparisons(asked, records)))
    (found,) = two.methods
    assert found.pairing == f"not paired: {why}"
    assert found.low is None
    assert found.verdict is None
    assert (found.difference is None) == ("data" not in changed)
    assert why in printed(two)
    if "data" in changed:
        assert [str(c) for c in two.changes] == ["data of glue/sst2: d1 in the first, d2 in the second"]


def test_different_backbones_are_compared_with_each_other():
    first = side({"full": [0.9, 0.91]})
    second = side(
        {"full": [0.95, 0.96]}, study=builders.study(("full",), backbone="large"), backbone="large"
    )
    (found,) = compare_studies(first, second).methods
    assert found.backbone == "large"
    assert found.difference == pytest.approx(0.05)


def test_costs_from_other_hardware_are_marked():
    first = side({"full": [0.9, 0.91], "head": [0.7, 0.71]})
    second = side(
        {"full": [0.9, 0.91], "bitfit": [0.8, 0.81]},
        setting=builders.other_machine(),
        seconds=11.0,
    )
    two = compare_studies(first, second)
    assert [method.method for method in two.methods] == ["full", "head", "bitfit"]
    found = by_method(two)
    assert found["full"].cost_difference == "hardware"
    assert found["head"].pairing == "only in the first"
    assert found["bitfit"].pairing == "only in the second"
    shown = printed(two)
    assert "30 s → 11 s*" in shown
    assert "costs are not comparable (hardware): full" in shown
    changes = {change.what: (change.first, change.second) for change in two.changes}
    assert changes["processor"] == ("Test CPU", "Another CPU")
    assert changes["methods"] == ("also head", "also bitfit")


def test_other_versions_and_hyperparameters_are_reported():
    first = side({"full": [0.9, 0.91]})
    newer = replace(builders.SETTING, versions={**builders.VERSIONS, "peft": "0.22.0"})
    second = side({"full": [0.9, 0.91]}, setting=newer, hyperparameters={"learning_rate": 0.01})
    two = compare_studies(first, second)
    assert [str(change) for change in two.changes] == [
        "version of peft: 0.21.0 in the first, 0.22.0 in the second"
    ]
    assert two.methods[0].hyperparameters_differ == ("learning_rate",)
    assert "different hyperparameters (learning_rate): full" in printed(two)


def test_every_format_has_both_studies():
    first = side({"full": [0.9, 0.91], "lora:r=8": [0.8, 0.81]})
    second = side({"full": [0.9, 0.91], "lora:r=8": [0.9, 0.9]}, seconds=11.0)
    second = (replace(second[0], name="<b>later</b>"), second[1])
    two = compare_studies(first, second)
    object_ = json.loads(words.as_json(two))
    assert object_["second"] == "<b>later</b>"
    row = next(row for row in object_["methods"] if row["method"] == "lora:r=8")
    assert row["first_score_mean"] == pytest.approx(0.805)
    assert row["second_train_seconds"] == 11.0
    (header, *lines) = csv.reader(io.StringIO(words.as_csv(two)))
    assert set(header) == set(row)
    assert len(lines) == 2
    assert "80.5" in text.as_markdown(two)
    assert r"\to" in text.as_latex(two)
    assert "→" not in text.as_latex(two)
    page = text.as_html(two)
    assert "<b>later</b>" not in page
    assert "&lt;b&gt;later&lt;/b&gt;" in page
    assert "<script" not in page
    assert "http:" not in page
    assert "https:" not in page
    narrow = printed(two, width=60)
    assert max(map(len, narrow.splitlines())) <= 60
    assert "hidden because the terminal is too narrow" in narrow
