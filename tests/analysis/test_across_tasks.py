"""Across tasks: ranks and tests against scipy and published values, limits of the Bayesian test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from whichpeft.analysis import across_tasks, comparisons, signed_rank
from whichpeft.analysis.across_tasks import average_ranks, critical_difference

from .. import builders

METHODS = ["full", "lora", "bitfit", "head"]


def compared(scores, *, methods=METHODS, records=(), **changed):
    """Compare methods on tasks t0, t1, ...; `scores` are (tasks, methods)."""
    tasks = [f"t{i}" for i in range(len(scores))]
    study = builders.study(methods, task=None, tasks=tasks, seeds=[0], **changed)
    own = [
        builders.final(method, 0, float(score), task=task)
        for task, row in zip(tasks, scores, strict=True)
        for method, score in zip(methods, row, strict=True)
        if score is not None
    ]
    found = comparisons(study, [*own, *records])
    return across_tasks(found, rng=np.random.default_rng(0))


@pytest.fixture
def scores():
    rng = np.random.default_rng(3)
    return (
        0.6 + 0.1 * rng.random((6, 1)) + np.array([0.06, 0.05, 0.0, -0.1]) + rng.normal(0, 0.01, (6, 4))
    )


def test_ranks_and_friedmans_test_match_scipy(scores):
    (found,) = compared(scores)
    expected = stats.rankdata(-scores, axis=1)
    for i, method in enumerate(METHODS):
        assert found.ranks[method] == tuple(expected[:, i])
        assert found.average_ranks[method] == pytest.approx(expected[:, i].mean())
    assert found.methods == sorted(METHODS, key=lambda method: found.average_ranks[method])
    statistic, p_value = stats.friedmanchisquare(*scores.T)
    assert found.order.statistic == pytest.approx(statistic)
    assert found.order.p_value == pytest.approx(p_value)


def test_the_critical_difference_matches_published_values():
    # Demšar (2006, table 5 and the example of four methods on 14 data sets).
    for methods, quantile in {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 10: 3.164}.items():
        unit = (methods * (methods + 1) / 60) ** 0.5
        assert critical_difference(methods, 10) / unit == pytest.approx(quantile, abs=1.5e-3)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_methods_of_a_group_are_within_the_critical_difference(scores):
    (found,) = compared(scores)
    together = {
        frozenset((a, b)) for group in found.order.groups for a in group for b in group if a != b
    }
    for a in METHODS:
        for b in METHODS:
            near = (
                abs(found.average_ranks[a] - found.average_ranks[b]) <= found.order.critical_difference
            )
            assert a == b or (frozenset((a, b)) in together) == near
    assert not any(set(a) < set(b) for a in found.order.groups for b in found.order.groups)


def test_equal_scores_share_their_rank():
    (found,) = compared([[0.7] * 4] * 5)
    assert set(found.average_ranks.values()) == {2.5}
    assert found.order.p_value == 1.0
    assert found.order.groups == (tuple(METHODS),)
    ranks, averages = average_ranks(np.array([[0.1 + 0.2, 0.3, 0.1]]))
    assert ranks.tolist() == [[1.5, 1.5, 3.0]]
    assert averages.tolist() == [1.5, 1.5, 3.0]


@pytest.mark.parametrize("tasks", [3, 5])
def test_at_most_one_study_in_twenty_finds_a_difference_by_chance(tasks):
    rng = np.random.default_rng(0)
    ranks, averages = average_ranks(rng.random((800, tasks, 5)))
    assert (np.ptp(averages, axis=1) > critical_difference(5, tasks)).mean() <= 0.06
    friedman = [stats.friedmanchisquare(*one.T).pvalue <= 0.05 for one in ranks]
    assert np.mean(friedman) <= 0.06


def test_too_few_tasks_or_methods_are_ranked_but_not_tested():
    (two,) = compared([[0.8, 0.7, 0.6, 0.5]] * 2)
    assert two.order is None
    assert "2 tasks" in two.too_few
    assert two.average_ranks == {"full": 1, "lora": 2, "bitfit": 3, "head": 4}
    (pair,) = compared([[0.8, 0.7]] * 5, methods=["full", "lora"])
    assert pair.order is None
    assert "three methods" in pair.too_few
    assert pair.against["lora"].worse > 0.9
    assert compared([[0.8, 0.7, 0.6, 0.5]]) == []


def test_methods_without_a_score_on_every_task_are_left_out(scores):
    rows = scores.tolist()
    rows[4][2] = None
    (found,) = compared(rows)
    assert set(found.methods) == {"full", "lora", "head"}
    assert "t4" in found.left_out["bitfit"]
    assert len(found.tasks) == 6


def test_a_task_with_records_of_different_data_is_left_out(scores):
    other = [builders.final(method, 0, 0.9, task="t5", data="d2") for method in METHODS]
    (found,) = compared(scores, records=other)
    assert found.tasks == ("t0", "t1", "t2", "t3", "t4")
    assert "t5" in found.notes[0]


def test_tuned_scores_stand_for_tuned_methods():
    tasks = ["a", "b"]
    study = builders.study(["full", "lora"], task=None, tasks=tasks, seeds=[0])
    better = {"hyperparameters": {"learning_rate": 0.002}}
    records = []
    for task in tasks:
        records += [builders.final("full", 0, 0.8, task=task), builders.final("lora", 0, 0.7, task=task)]
        records += [
            builders.tuned("lora", 0, 0.7, task=task),
            builders.tuned("lora", 1, 0.9, task=task, **better),
        ]
        records.append(builders.final("lora", 0, 0.9, task=task, **better))
    (found,) = across_tasks(comparisons(study, records), rng=np.random.default_rng(0))
    assert found.average_ranks == {"lora": 1.0, "full": 2.0}
    assert found.against["lora"].mean == pytest.approx(0.1)


def test_without_the_baseline_there_is_no_comparison_with_it():
    (found,) = compared([[0.7, 0.6, 0.5]] * 3, methods=["lora", "bitfit", "head"])
    assert found.against == {}
    assert found.order is not None


@pytest.mark.parametrize(
    ("differences", "sure"),
    [([0.1] * 12, "better"), ([-0.1] * 12, "worse"), ([0.005, -0.005] * 6, "equivalent")],
)
def test_the_bayesian_test_is_certain_of_clear_differences(differences, sure):
    found = signed_rank(differences, margin=0.02, rng=np.random.default_rng(0))
    assert getattr(found, sure) > 0.99
    assert found.worse + found.equivalent + found.better == pytest.approx(1)


def test_the_bayesian_test_is_symmetric_and_keeps_the_margin():
    rng = np.random.default_rng(1)
    differences = rng.normal(0.01, 0.03, size=9)
    one = signed_rank(list(differences), margin=0.02, rng=np.random.default_rng(0))
    other = signed_rank(list(-differences), margin=0.02, rng=np.random.default_rng(0))
    assert (one.worse, one.better) == pytest.approx((other.better, other.worse))
    again = signed_rank(list(differences), margin=0.02, rng=np.random.default_rng(0))
    assert one == again
    # The margin itself is within it, and with one task the pseudo-observation still counts.
    assert signed_rank([0.84 - 0.82] * 6, margin=0.02, rng=rng).equivalent == 1.0
    alone = signed_rank([0.5], margin=0.02, rng=rng)
    assert 0.5 < alone.better < 0.95


def test_the_bayesian_test_of_one_difference_in_closed_form():
    """The probability is that of (1 - w)^2 < 1/2 for the weight w of the task, which is Beta(1, 1/2).

    All pairs but that of the pseudo-observation with itself are above the margin, which is
    1 - (1 - w)^2 of the weight.
    """
    share = stats.beta(1, 0.5).sf(1 - 0.5**0.5)
    found = signed_rank([0.5], margin=0.02, rng=np.random.default_rng(0))
    assert found.better == pytest.approx(share, abs=0.01)
