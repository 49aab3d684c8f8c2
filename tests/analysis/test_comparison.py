"""Comparisons: the keys, order and numbers of rows, and what stays unknown."""

from __future__ import annotations

import random
import re
from dataclasses import FrozenInstanceError, replace

import pytest

from whichpeft.analysis import KEYS, compare, comparisons

from .. import builders

CONTRACT = """
backbone, task, metric, chance, method, method_id, hyperparameters, variant, seeds, status, error,
score_mean, score_low, score_high, gap_mean, gap_low, gap_high, verdict_low,
verdict_high, p_value, p_adjusted,
seed_degrees_of_freedom, verdict, decided_with_seeds, proved_margin, retention_percent,
trainable_parameters, adapter_parameters, head_parameters, trainable_percent, percent_of_full,
parameter_reduction, train_seconds, total_seconds,
train_seconds_reduction, memory_reduction, speedup, normalised_score, time_efficiency,
step_milliseconds, samples_per_second, tokens_per_second, residues_per_second,
peak_memory_bytes, adapter_bytes,
inference_milliseconds, taken_share, on_frontier
"""


@pytest.fixture
def records():
    return [
        *builders.whole(
            "full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=60, memory=8e8, speed=50
        ),
        *builders.whole(
            "lora:r=8", [0.79, 0.83, 0.81], adapter=99_000, seconds=30, memory=4e8, speed=100
        ),
    ]


def rows_of(study, records):
    return {row["method"]: row for row in compare(study, records)}


def test_rows_have_the_documented_keys(records):
    assert list(KEYS) == re.findall(r"\w+", CONTRACT)
    for row in compare(builders.study(["full", "lora:r=8", "ia3"]), records):
        assert list(row) == list(KEYS)


def test_rows_are_copies_of_frozen_results(records):
    study = builders.study(["full", "lora:r=8", "ia3"])
    (comparison,) = comparisons(study, records)
    assert [result.as_row() for result in comparison.results] == compare(study, records)
    lora = comparison.results[1]
    row = lora.as_row()
    row["seeds"].clear()
    row["hyperparameters"].clear()
    assert lora.seeds == (0, 1, 2)
    assert lora.hyperparameters == {"learning_rate": 0.001}
    with pytest.raises(FrozenInstanceError):
        lora.score_mean = 1.0


def test_scores_and_gaps_by_hand(records):
    rows = rows_of(builders.study(), records)
    full, lora = rows["full"], rows["lora:r=8"]
    assert full["score_mean"] == pytest.approx(0.82)
    assert full["score_low"] == pytest.approx(0.82 - 0.0496827, abs=1e-6)
    # differences -0.01, 0.01, -0.03: mean -0.01, deviation 0.02
    assert lora["gap_mean"] == pytest.approx(-0.01)
    assert lora["gap_high"] == pytest.approx(-0.01 + 0.0496827, abs=1e-6)
    assert lora["retention_percent"] == pytest.approx(100 * (0.79 / 0.8 + 0.83 / 0.82 + 0.81 / 0.84) / 3)
    assert lora["normalised_score"] == pytest.approx(0.81 / 0.82)
    assert (full["verdict"], lora["verdict"]) == ("baseline", "undecided")
    assert (full["gap_mean"], full["gap_low"], full["retention_percent"]) == (0, 0, 100)
    # t is -0.866 on 2 degrees of freedom; t(0.95, 2) = 2.91999.
    assert lora["p_value"] == lora["p_adjusted"] == pytest.approx(0.47777, abs=1e-5)
    assert lora["proved_margin"] == pytest.approx(0.01 + 2.91999 * 0.02 / 3**0.5, abs=1e-6)
    assert full["on_frontier"] is lora["on_frontier"] is True


def test_parameters_and_costs_by_hand(records):
    lora = rows_of(builders.study(), records)["lora:r=8"]
    assert lora["trainable_parameters"] == 100_000
    assert lora["trainable_percent"] == pytest.approx(100 * 100_000 / 22_100_000)
    assert lora["percent_of_full"] == pytest.approx(100 * 100_000 / 22_001_000)
    assert lora["parameter_reduction"] == pytest.approx(1 - 100_000 / 22_001_000)
    assert lora["train_seconds_reduction"] == pytest.approx(0.5)
    assert lora["memory_reduction"] == pytest.approx(0.5)
    assert lora["speedup"] == pytest.approx(2)
    assert lora["time_efficiency"] == pytest.approx(0.5)
    assert lora["total_seconds"] == pytest.approx(41)
    assert lora["tokens_per_second"] is None
    assert isinstance(lora["adapter_bytes"], int)


def test_rows_have_the_order_of_the_study(records):
    random.Random(1).shuffle(records)
    study = builders.study(["lora:r=8", "full", "zero-shot"])
    methods = [row["method"] for row in compare(study, [*records, builders.idle_profile()])]
    assert methods == ["lora:r=8", "full", "zero-shot"]


def test_backbones_and_tasks_have_the_order_of_the_study():
    study = builders.study(
        ["full"], backbone=None, backbones=["b", "a"], task=None, tasks=["t2", "dir/t1.csv"]
    )
    records = [
        builders.final("full", 0, 0.5, backbone=backbone, task=task)
        for backbone in "ab"
        for task in ("t1", "t2")
    ]
    found = [(row["backbone"], row["task"]) for row in compare(study, records)]
    assert found == [("b", "t2"), ("b", "t1"), ("a", "t2"), ("a", "t1")]


def test_the_spelling_of_a_method_does_not_matter():
    study = builders.study(["LoRA:alpha=16,r=8"])
    record = builders.final("lora:r=8,alpha=16", 0, 0.5, method_id="lora:alpha=16,r=8")
    (row,) = compare(study, [record])
    assert (row["method"], row["method_id"]) == ("LoRA:alpha=16,r=8", "lora:alpha=16,r=8")
    assert row["score_mean"] == 0.5


def test_a_method_that_trains_nothing_saves_all_time(records):
    row = rows_of(builders.study(["full", "zero-shot"]), [*records, builders.idle_profile()])[
        "zero-shot"
    ]
    assert (row["train_seconds"], row["trainable_percent"], row["adapter_bytes"]) == (0, 0, 0)
    assert (row["train_seconds_reduction"], row["time_efficiency"]) == (1, 1)
    assert row["step_milliseconds"] is row["speedup"] is row["memory_reduction"] is None


def test_without_baseline_there_are_no_gaps(records):
    study = builders.study(["lora:r=8"])
    row = rows_of(study, [r for r in records if r.trial.method == "lora:r=8"])["lora:r=8"]
    assert row["gap_mean"] is row["retention_percent"] is row["speedup"] is None
    assert row["normalised_score"] == 1


def test_the_study_names_the_baseline(records):
    rows = rows_of(builders.study(baseline="lora:r=8"), records)
    assert rows["lora:r=8"]["verdict"] == "baseline"
    assert rows["full"]["gap_mean"] == pytest.approx(0.01)


def test_only_common_seeds_are_paired(records):
    extra = [builders.final("ia3", seed, 0.7) for seed in (2, 7)]
    row = rows_of(builders.study(["full", "ia3"]), [*records, *extra])["ia3"]
    assert row["seeds"] == [2, 7]
    assert row["gap_mean"] == pytest.approx(0.70 - 0.84)
    assert row["gap_low"] is None


def test_negated_errors_have_gaps_but_no_retention():
    records = [builders.final("full", 0, -0.2), builders.final("lora:r=8", 0, -0.3)]
    row = rows_of(builders.study(), records)["lora:r=8"]
    assert row["gap_mean"] == pytest.approx(-0.1)
    assert row["retention_percent"] is row["normalised_score"] is None


def test_without_a_profile_parameters_come_from_a_final_trial():
    (row,) = compare(builders.study(["ia3"], seeds=[0]), [builders.final("ia3", 0, 0.5)])
    assert row["trainable_parameters"] == 11_000
    assert row["train_seconds"] is row["peak_memory_bytes"] is None


def test_costs_from_another_machine_are_not_compared(records):
    moved = builders.whole("ia3", [0.7, 0.7, 0.7], setting=builders.other_machine(), seconds=10)
    # Scores do not depend on the machine, so they are still compared.
    study = builders.study(["full", "lora:r=8", "ia3"])
    row = rows_of(study, [*records, *moved])["ia3"]
    assert row["train_seconds"] == 10
    assert row["train_seconds_reduction"] is row["speedup"] is row["time_efficiency"] is None
    assert row["gap_mean"] == pytest.approx(-0.12)
    (note,) = comparisons(study, [*records, *moved])[0].notes
    assert "ia3" in note
    assert "hardware" in note


def test_a_little_more_memory_does_not_make_another_machine(records):
    hardware = {**builders.HARDWARE, "memory_bytes": 8_000_004_096}
    alike = builders.profile("ia3", setting=replace(builders.SETTING, hardware=hardware))
    study = builders.study(["full", "ia3"])
    assert rows_of(study, [*records, alike])["ia3"]["train_seconds_reduction"] == pytest.approx(0.5)


def test_scores_in_another_precision_are_not_compared(records):
    other = replace(builders.SETTING, precision="float32")
    study = builders.study(["full", "ia3"])
    found = [*records, builders.final("ia3", 0, 0.9, setting=other)]
    row = rows_of(study, found)["ia3"]
    assert row["score_mean"] == 0.9
    assert row["gap_mean"] is row["normalised_score"] is None
    assert any("ia3" in n and "precision" in n for n in comparisons(study, found)[0].notes)


def test_other_data_make_a_separate_comparison(records):
    other = [builders.final(method, 0, 0.1, data="d2") for method in ("full", "lora:r=8")]
    first, second = comparisons(builders.study(), [*records, *other])
    assert (first.data, second.data) == ("d1", "d2")
    assert first.results[0].score_mean == pytest.approx(0.82)
    assert second.results[0].score_mean == 0.1
    assert "not mixed" in first.notes[0]


def test_a_nan_score_is_unknown():
    record = builders.final("full", 0, float("nan"))
    (row,) = compare(builders.study(["full"], seeds=[0]), [record])
    assert row["score_mean"] is None
    assert row["status"] == "failed"
