"""The frontier: which methods are beaten, with what probability, and which results compete."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis import comparisons, draw_scores
from whichpeft.analysis.frontier import frontier_probability, on_frontier

from .. import builders


def results_of(study, records):
    (comparison,) = comparisons(study, records)
    return {(result.method, result.variant): result for result in comparison.results}


def test_a_method_beaten_in_score_and_costs_is_not_on_the_frontier():
    scores = [0.80, 0.85, 0.84, 0.90]
    costs = [[1, 1], [2, 2], [3, 1], [9, 9]]
    # The third is worse and slower than the second, but smaller.
    assert on_frontier(scores, costs).tolist() == [True, True, True, True]
    assert on_frontier(scores, [[c[0]] for c in costs]).tolist() == [True, True, False, True]


def test_equal_scores_share_the_frontier_only_at_equal_cost():
    assert on_frontier([0.8, 0.8, 0.8], [[1], [1], [2]]).tolist() == [True, True, False]
    draws = np.full((5, 3), 0.8)
    assert frontier_probability(draws, [1, 1, 2]).tolist() == [1, 1, 0]


def test_the_probability_is_a_share_of_draws():
    draws = np.array([[0.7, 0.8, 0.9], [0.7, 0.6, 0.9], [0.7, 0.6, 0.5], [0.7, 0.8, 0.75]])
    assert frontier_probability(draws, [1, 2, 3]).tolist() == [1, 0.5, 0.5]
    # At equal cost the better method is on it.
    assert frontier_probability(draws, [2, 2, 3]).tolist() == [0.5, 0.5, 0.5]


def test_frontier_probabilities_are_calibrated():
    """In simulated studies, methods are on the true frontier as often as their probability."""
    rng = np.random.default_rng(0)
    said, true = [], []
    for _ in range(300):
        means = rng.normal(0.8, 0.01, size=3)
        scores = (
            means[:, None, None]
            + rng.normal(0, 0.01, size=(3, 5, 1))
            + rng.normal(0, 0.3, size=(3, 5, 300))
        )
        said.append(frontier_probability(draw_scores(scores, rng=rng, draws=400), [1, 2, 3]))
        true.append(on_frontier(means, [[1], [2], [3]]))
    said, true = np.ravel(said), np.ravel(true)
    for low, high in ((0.0, 0.4), (0.4, 0.6), (0.6, 0.95)):
        within = (said >= low) & (said < high)
        assert within.sum() > 50
        # Wide enough for the sampling error of 300 studies; draws with long tails are cautious.
        assert true[within].mean() == pytest.approx(said[within].mean(), abs=0.12)


def test_results_say_whether_they_are_on_the_frontier():
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=60, memory=8e8),
        *builders.whole("lora", [0.83, 0.84, 0.85], seconds=30, memory=4e8),
        *builders.whole("bitfit", [0.70, 0.70, 0.70], adapter=99, seconds=40, memory=4e8),
        *builders.whole("ia3", [0.90, 0.90], adapter=50, seconds=1, memory=1e8),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
    ]
    results = results_of(builders.study(["full", "lora", "bitfit", "ia3", "zero-shot"]), records)
    found = {method: result.on_frontier for (method, _), result in results.items()}
    # ia3 lacks a seed, so it neither competes nor beats; zero-shot takes no memory to train.
    assert found == {"full": False, "lora": True, "bitfit": True, "ia3": None, "zero-shot": True}


def test_results_from_another_machine_do_not_compete():
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE),
        *builders.whole(
            "lora", [0.79, 0.81, 0.83], seconds=70, memory=9e8, setting=builders.other_machine()
        ),
    ]
    results = results_of(builders.study(["full", "lora"]), records)
    assert results["full", "default"].on_frontier is True
    assert results["lora", "default"].on_frontier is None


def test_tuned_results_compete_with_tuned_and_untuned_methods():
    better = {"hyperparameters": {"learning_rate": 0.002}}
    records = []
    for method, default, tuned, seconds in (("full", 0.80, 0.81, 60), ("lora", 0.70, 0.90, 30)):
        adapter = 900 if method == "lora" else builders.BASE
        records += builders.whole(method, [default] * 3, adapter=adapter,
                              seconds=seconds)  # fmt: skip
        records += [builders.tuned(method, 0, 0.5), builders.tuned(method, 1, 0.6)]
        records.append(builders.profile(method, seconds=seconds, **better))
        records += [builders.final(method, seed, tuned, **better) for seed in range(3)]
    records.append(builders.idle_profile())
    records += [builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)]
    results = results_of(builders.study(["full", "lora", "zero-shot"]), records)
    assert {key: result.on_frontier for key, result in results.items()} == {
        ("full", "default"): True,  # against lora at its default
        ("full", "tuned"): False,
        ("lora", "default"): True,
        ("lora", "tuned"): True,
        ("zero-shot", "default"): True,
    }
