"""Searches: the best tuning trial, and the two results of a tuned method."""

from __future__ import annotations

import pytest

from whichpeft.analysis import compare, comparisons
from whichpeft.analysis.search import best_trial

from .. import builders


def test_the_best_is_the_first_of_the_best_finished_trials():
    search = [
        builders.tuned("lora", 0, 0.80),
        builders.tuned("lora", 1, 0.85),
        builders.tuned("lora", 2, 0.85),
        builders.tuned("lora", 3, 0.99, status="stopped"),
    ]
    assert best_trial(reversed(search)) is search[1]
    assert best_trial([search[3]]) is None


def test_a_tuned_method_has_a_default_and_a_tuned_row():
    study = builders.study(["full", "lora"])
    better = {"hyperparameters": {"learning_rate": 0.002}}
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84]),
        *builders.whole("lora", [0.70, 0.72, 0.74]),
        *(
            builders.final("lora", seed, score, **better)
            for seed, score in enumerate([0.81, 0.83, 0.85])
        ),
        builders.profile("lora", memory=5e8, **better),
        *(builders.tuned("full", number, 0.9 - number / 10) for number in range(3)),
        *(builders.tuned("lora", number, score) for number, score in enumerate([0.7, 0.8, 0.6])),
    ]
    rows = {(row["method"], row["variant"]): row for row in compare(study, records)}
    assert list(rows) == [
        ("full", "default"), ("full", "tuned"), ("lora", "default"), ("lora", "tuned"),
    ]  # fmt: skip
    # The search of full found nothing better than its default, so both rows are equal.
    assert rows["full", "tuned"]["score_mean"] == rows["full", "default"]["score_mean"]
    assert rows["full", "tuned"]["verdict"] == rows["full", "default"]["verdict"] == "baseline"
    assert rows["lora", "tuned"]["hyperparameters"] == {"learning_rate": 0.002}
    assert rows["lora", "tuned"]["gap_mean"] == pytest.approx(0.01)
    assert rows["lora", "default"]["gap_mean"] == pytest.approx(-0.10)
    assert rows["lora", "tuned"]["peak_memory_bytes"] == 500_000_000


def test_unfinished_and_failed_searches_have_a_reason():
    study = builders.study(["full", "lora", "bitfit"])
    records = [
        *builders.whole("lora", [0.7, 0.7, 0.7]),
        builders.tuned("lora", 0, 0.5, status="stopped"),
        builders.ended("bitfit", "failed", "out of memory", purpose="tune", number=0, phase="fit"),
    ]
    rows = {(row["method"], row["variant"]): row for row in compare(study, records)}
    assert rows["lora", "tuned"]["status"] == "partial"
    assert "search" in rows["lora", "tuned"]["error"]
    assert rows["bitfit", "tuned"]["status"] == "failed"
    assert "out of memory" in rows["bitfit", "tuned"]["error"]
    assert rows["lora", "default"]["status"] == "completed"


def test_tests_of_an_outdated_candidate_are_left_out():
    outdated = {"hyperparameters": {"learning_rate": 0.003}}
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84]),
        *(builders.final("full", seed, 0.99, **outdated) for seed in range(3)),
        *(builders.tuned("full", number, score) for number, score in enumerate([0.8, 0.9, 0.7])),
    ]
    (comparison,) = comparisons(builders.study(["full"]), records)
    assert [(result.variant, result.score_mean) for result in comparison.results] == [
        ("default", pytest.approx(0.82)), ("tuned", None)
    ]  # fmt: skip
    assert any("3 records" in note for note in comparison.notes)


def test_finals_of_the_default_need_no_tuning_record_of_it():
    records = [*builders.whole("full", [0.80, 0.82, 0.84]), builders.tuned("full", 1, 0.9)]
    rows = compare(builders.study(["full"]), records)
    assert [(row["variant"], row["score_mean"]) for row in rows] == [
        ("default", pytest.approx(0.82)), ("tuned", None)
    ]  # fmt: skip
