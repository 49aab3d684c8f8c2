"""The budget curve: the closed form against every possible draw, and changes of order."""

from __future__ import annotations

import itertools
import statistics

import numpy as np
import pytest

from whichpeft.analysis.budget_curve import (
    best_quantile,
    curve_of,
    expected_best,
    leaders,
    overtakings,
)
from whichpeft.analysis.search import read_search

from .. import builders

SCORES = [0.61, 0.40, 0.61, 0.72, 0.55]


@pytest.mark.parametrize("draws", [1, 2, 3, 5])
def test_expectation_and_quantiles_match_all_possible_draws(draws):
    maxima = sorted(max(drawn) for drawn in itertools.product(SCORES, repeat=draws))
    assert expected_best(SCORES, draws) == pytest.approx(statistics.fmean(maxima))
    for share in (0.25, 0.5, 0.75):
        at = best_quantile(SCORES, draws, share)
        assert sum(value <= at for value in maxima) >= share * len(maxima)
        assert sum(value < at for value in maxima) < share * len(maxima)


def test_a_curve_begins_with_the_default_and_skips_failures():
    search = read_search(
        "lora",
        [
            builders.tuned("lora", 0, 0.60),
            builders.tuned("lora", 1, 0.70),
            builders.tuned("lora", 2, 0.30, status="stopped"),
            builders.ended("lora", "failed", "no", purpose="tune", number=3),
        ],
    )
    curve = curve_of(search)
    assert [point.budget for point in curve] == [1, 2, 3, 4]
    assert (curve[0].low, curve[0].expected, curve[0].high) == (0.60, 0.60, 0.60)
    # One draw finds 0.70 in 1 of 3 cases, two draws in 5 of 9.
    assert curve[1].expected == pytest.approx(0.60 + 0.10 / 3)
    assert curve[2].expected == pytest.approx(0.60 + 0.10 * 5 / 9)
    assert (curve[2].low, curve[2].high) == (0.60, 0.70)


def test_the_curve_matches_the_average_of_simulated_searches():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.4, 0.8, size=12)
    records = [builders.tuned("lora", number, score) for number, score in enumerate(scores)]
    curve = curve_of(read_search("lora", records))
    for point in curve[1:]:
        drawn = rng.choice(scores[1:], size=(20_000, point.budget - 1)).max(axis=1)
        found = np.maximum(drawn, scores[0])
        assert point.expected == pytest.approx(found.mean(), abs=0.002)
        assert (found <= point.low).mean() >= 0.24
        assert (found < point.low).mean() <= 0.26
    assert all(a.expected <= b.expected for a, b in itertools.pairwise(curve))


def test_a_curve_without_a_default_begins_at_two_trials():
    failed = builders.ended("lora", "failed", "no", purpose="tune", number=0)
    records = [failed, builders.tuned("lora", 1, 0.5), builders.tuned("lora", 2, 0.7)]
    curve = curve_of(read_search("lora", records))
    assert [point.budget for point in curve] == [2, 3]
    assert [point.expected for point in curve] == pytest.approx([0.6, 0.65])
    assert curve_of(read_search("lora", [failed])) == ()


def test_changes_of_order_are_found_by_budget():
    def curve(*scores):
        return curve_of(
            read_search("m", [builders.tuned("m", number, score) for number, score in enumerate(scores)])
        )

    curves = {
        "steady": curve(0.70, 0.70, 0.70, 0.70),
        "late": curve(0.60, 0.60, 0.60, 0.90),
        "low": curve(0.10, 0.20),
    }
    # "late" is expected to reach 0.60, 0.70, 0.766..., 0.811...: equal at two trials, ahead from three.
    (change,) = overtakings(curves)
    assert (change.budget, change.method, change.overtaken) == (3, "late", "steady")
    assert leaders(curves) == [(1, "steady"), (3, "late")]
    assert overtakings({"steady": curves["steady"], "same": curves["steady"]}) == []
