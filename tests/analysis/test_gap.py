"""Gaps: their verdicts, the case of one seed, and the arrays that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis import paired_gap
from whichpeft.analysis.statistics.gap import gap_of, judge
from whichpeft.analysis.statistics.random_effects import seed_effects
from whichpeft.errors import WhichpeftError

RNG = np.random.default_rng(0)


def normal(mean, seeds=5, examples=400, scale=0.05):
    rng = np.random.default_rng(1)
    return mean + scale * rng.standard_normal((seeds, examples))


def test_each_verdict_is_given():
    zero = np.zeros((5, 400))
    assert paired_gap(normal(0.05), zero, rng=RNG).verdict == "better"
    assert paired_gap(normal(-0.05), zero, rng=RNG).verdict == "worse"
    assert paired_gap(normal(0.0), zero, rng=RNG).verdict == "equivalent"
    assert paired_gap(normal(0.0, scale=2), zero, rng=RNG).verdict == "undecided"


def test_equivalent_takes_precedence_over_better():
    gap = paired_gap(normal(0.01), np.zeros((5, 400)), rng=RNG)
    assert gap.p_value < 0.05
    assert gap.verdict == "equivalent"
    assert paired_gap(normal(0.01), np.zeros((5, 400)), margin=0.001, rng=RNG).verdict == "better"


def test_the_proved_margin_is_the_smallest_with_proof():
    gap = paired_gap(normal(0.01), np.zeros((5, 400)), rng=RNG)
    assert gap.low < gap.mean < gap.high < gap.proved_margin + gap.high - gap.mean
    zero = np.zeros((5, 400))
    more, less = gap.proved_margin * 1.001, gap.proved_margin * 0.999
    assert paired_gap(normal(0.01), zero, margin=more, rng=RNG).verdict == "equivalent"
    assert paired_gap(normal(0.01), zero, margin=less, rng=RNG).verdict == "better"


def test_swapping_the_methods_changes_the_sign():
    ours, theirs = normal(0.3), np.random.default_rng(2).random((5, 400))
    there, back = paired_gap(ours, theirs, rng=RNG), paired_gap(theirs, ours, rng=RNG)
    assert there.mean == pytest.approx(-back.mean)
    assert there.low == pytest.approx(-back.high)
    assert there.p_value == pytest.approx(back.p_value)


def test_identical_arrays_are_equivalent():
    same = np.random.default_rng(3).random((3, 50)) < 0.8
    gap = paired_gap(same, same, rng=RNG)
    assert (gap.mean, gap.low, gap.high, gap.p_value) == (0, 0, 0, 1)
    assert (gap.verdict, gap.proved_margin, gap.needed) == ("equivalent", 0, None)


def test_one_seed_is_always_undecided():
    gap = paired_gap(normal(0.9, seeds=1), np.zeros((1, 400)), rng=RNG)
    assert gap.low < 0.9 < gap.high
    assert gap.high - gap.low < 0.02
    assert (gap.verdict, gap.p_value, gap.proved_margin) == ("undecided", None, None)
    assert "one seed" in gap.needed.sentence
    same = np.zeros((1, 400))
    assert paired_gap(same, same, rng=RNG).verdict == "undecided"


def test_predicted_classes_may_be_strings():
    labels = np.array(["cat", "dog"] * 100)
    ours = np.array([labels, labels, labels])
    theirs = np.where(np.random.default_rng(4).random((3, 200)) < 0.7, labels, "cat")
    for metric in ("accuracy", "macro_f1", "matthews"):
        assert paired_gap(ours, theirs, labels=labels, metric=metric, rng=RNG).verdict == "better"


def test_the_mean_is_the_difference_of_the_metrics():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 100)
    ours, theirs = (np.where(rng.random((3, 100)) < share, labels, 1 - labels) for share in (0.9, 0.7))

    def f1(labels, row):
        return 2 * np.sum(row & labels) / (row.sum() + labels.sum())

    expected = np.mean([f1(labels, row) for row in ours])
    expected -= np.mean([f1(labels, row) for row in theirs])
    named = paired_gap(ours, theirs, labels=labels, metric="f1", rng=RNG)
    own = paired_gap(ours, theirs, labels=labels, metric=f1, rng=RNG)
    assert named.mean == pytest.approx(expected)
    assert own.mean == pytest.approx(expected)
    assert own.high - own.low == pytest.approx(named.high - named.low, rel=0.4)
    assert own.examples == 100


def test_the_same_generator_gives_the_same_groups():
    rng = np.random.default_rng(6)
    labels, ours, theirs = rng.random(300), rng.random((3, 300)), rng.random((3, 300))

    def closeness(labels, row):
        return -float(np.median(np.abs(labels - row)))

    first, second = (
        paired_gap(ours, theirs, labels=labels, metric=closeness, rng=np.random.default_rng(1))
        for _ in range(2)
    )
    assert first == second


def test_without_examples_the_interval_is_students_t():
    # Differences -0.01, 0.01, -0.03: see test_intervals for the width.
    gap = gap_of(seed_effects([-0.01, 0.01, -0.03]))
    assert gap.high == pytest.approx(-0.01 + 0.0496827, abs=1e-6)
    assert gap.p_value == pytest.approx(0.478, abs=1e-3)
    assert (gap.verdict, gap.examples) == ("undecided", None)


def test_judge_returns_the_first_verdict_that_applies():
    assert judge(0.01, 0.001, 0.02, margin=0.02) == "equivalent"
    assert judge(0.01, 0.049, 0.03) == "better"
    assert judge(-0.01, 0.049, 0.03) == "worse"
    assert judge(0.01, 0.05, 0.03) == "undecided"
    assert judge(0.01, None, None) == "undecided"


NAN, INF = float("nan"), float("inf")
GOOD = [[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"candidate": [[0.0, float("nan"), 1.0], [1.0, 1.0, 0.0]]},
            "candidate: nan at seed 0, example 1",
        ),
        (
            {"baseline": [[0.0, 1.0, 1.0], [1.0, float("inf"), 0.0]]},
            "baseline: inf at seed 1, example 1",
        ),
        ({"candidate": [[0.0, 1.0, 1.0], [1.0, 1.0]]}, "candidate is ragged"),
        ({"candidate": []}, r"candidate has shape \(0,\)"),
        ({"candidate": [[], []], "baseline": [[], []]}, "candidate is empty"),
        ({"candidate": [0.0, 1.0, 1.0]}, r"candidate has shape \(3,\)"),
        ({"candidate": [[0.0, 1.0, 1.0]]}, "the same seeds and the same examples"),
        ({"candidate": [[1.0]], "baseline": [[1.0]]}, "one example"),
        ({"candidate": [["a", "b", "c"]] * 2}, "candidate has type <U1; it has to hold numbers"),
        ({"labels": [0, 1], "metric": "f1"}, r"labels have shape \(2,\); for 3 examples"),
        ({"labels": [0, 1, NAN], "metric": "pearson"}, "labels: nan at example 2"),
        ({"labels": [0, 1, 1]}, "labels and metric go together"),
        ({"metric": "f1"}, "labels and metric go together"),
        ({"labels": [0, 1, 1], "metric": "mathews"}, "did you mean 'matthews'"),
        ({"labels": [0, 1, 1], "metric": lambda *_: NAN}, "metric of candidate is not finite"),
        ({"margin": -0.1}, "margin is -0.1"),
        ({"margin": NAN}, "margin is nan"),
    ],
)
def test_arrays_that_cannot_be_compared_are_refused(changed, message):
    arguments = {"candidate": GOOD, "baseline": GOOD, "rng": RNG} | changed
    with pytest.raises(ValueError, match=message) as raised:
        paired_gap(**arguments)
    assert isinstance(raised.value, WhichpeftError)


@pytest.mark.parametrize("same", [[0.05, 0.05], [0.88 - 0.83, 0.87 - 0.82, 0.05], [0.0, 0.0, 0.0]])
def test_seeds_that_agree_by_chance_give_no_error_estimate(same):
    gap = gap_of(seed_effects(same))
    assert gap.mean == pytest.approx(same[0])
    assert (gap.low, gap.high, gap.p_value, gap.proved_margin) == (None, None, None, None)
    assert gap.verdict == "undecided"
    assert "the error is unknown" in gap.needed.sentence
