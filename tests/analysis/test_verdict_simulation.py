"""Methods judged together in simulated studies whose truth is known.

Rates are of 500 studies or of 1,000. Each is printed with its Monte Carlo error, 1 point and 0.7 points
for a rate of 5 %, and may be 2.5 of these above it, since many are tested. The worlds are those of
``benchmarks/verdict_power.py``, whose ``--errors`` runs all combinations of conditions; here each value
of a condition meets each value of any other.
"""

from __future__ import annotations

import numpy as np
import pytest

import verdict_power as power
from verdict_power import World
from whichpeft.analysis import compare_methods
from whichpeft.analysis.statistics.gap import judge
from whichpeft.analysis.statistics.together import MethodsTogether

STUDIES = 1000


def check(world, studies=STUDIES):
    found = power.errors(world, studies)
    print(f"\n{world}\n{found}")
    error = np.sqrt(0.05 * 0.95 / studies)
    assert found.family_wise <= 0.05 + 2.5 * error
    assert found.coverage >= (0.935 if world.seeds == 3 else 0.945) - 2.5 * error


def test_equal_methods_are_seldom_called_different():
    check(World(), 500)


def test_a_method_that_collapses_does_not_spoil_the_error():
    check(World(collapsing=0.15), 500)


CONDITIONS = power.covering()


@pytest.mark.slow
@pytest.mark.parametrize("world", CONDITIONS, ids=power.in_words)
def test_error_and_coverage_hold_under_every_condition(world):
    check(world, 500)


def test_conditions_meet_in_pairs():
    levels = [(w.spread, w.collapsing, w.heavy_tails, w.seeds, w.methods) for w in CONDITIONS]
    for one in range(5):
        for other in range(one):
            pairs = {(row[one], row[other]) for row in levels}
            assert len(pairs) == len({row[one] for row in levels}) * len({row[other] for row in levels})
    assert {row[3] for row in levels} == {3, 5, 8}
    assert {row[4] for row in levels} == {2, 4, 8, 20}


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize("examples", [200, 1000])
def test_errors_hold_for_right_and_wrong_answers(seeds, examples):
    check(World(answers=True, seeds=seeds, examples=examples))


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_errors_hold_for_metrics_that_are_no_mean_over_examples(metric):
    rng = np.random.default_rng(3)
    wrong = []
    for _ in range(STUDIES):
        labels = (rng.random(200) < 0.4).astype(int)
        latent = 1.4 * (2 * labels - 1) + rng.standard_normal(200) + rng.standard_normal((5, 3, 200))
        latent += 0.1 * rng.standard_normal((5, 3, 1))
        gaps = compare_methods((latent > 0).astype(int), labels=labels, metric=metric, rng=rng)
        wrong.append(any(gap.p_adjusted < 0.05 for gap in gaps[1:]))
    print(f"\n{metric}: family-wise error {np.mean(wrong):.4f}")
    assert np.mean(wrong) <= 0.065


@pytest.mark.parametrize("seeds", [pytest.param(3, marks=pytest.mark.slow), 5])
def test_methods_at_the_edge_of_the_margin_are_seldom_called_equivalent(seeds):
    world = World(gap=0.02, seed_error=0.004, test_error=0.004, noise=0.001, seeds=seeds, methods=4)
    rng = np.random.default_rng(4)
    wrong = []
    for _ in range(STUDIES):
        scores, _ = world.draw(rng)
        together = MethodsTogether(list(scores), [range(seeds)] * 5)
        _, low, high = together.gap(1, 0).interval(0.90)
        wrong.append(judge(0.02, None, max(abs(low), abs(high)), margin=0.02) == "equivalent")
    print(f"\n{seeds} seeds: wrongly equivalent {np.mean(wrong):.4f}")
    assert np.mean(wrong) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / STUDIES)
    assert np.mean(wrong) > 0.02  # the edge is reached


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "least", "of_oracle"), [(3, 0.45, 0.70), (5, 0.70, 0.80)])
def test_power(seeds, least, of_oracle):
    pairwise, together, _ = power.simulate(World(gap=0.03, seeds=seeds), 400)
    print(f"\nscores, {seeds} seeds: pairwise {power.rate(pairwise)}, together {power.rate(together)}")
    assert together.mean() >= least
    pairwise, together, oracle = power.simulate(
        World(gap=0.03, seeds=seeds, answers=True, examples=500, seed_error=0.006), 400
    )
    rates = ", ".join(power.rate(found) for found in (pairwise, together, oracle))
    print(f"answers, {seeds} seeds: pairwise, together, oracle {rates}")
    assert together.mean() >= of_oracle * oracle.mean()


def test_three_seeds_find_most_of_what_an_oracle_finds():
    pairwise, together, oracle = power.simulate(World(gap=0.03), 40)
    assert together.mean() >= 0.5 * oracle.mean()
    assert together.mean() >= 3 * pairwise.mean()


def test_a_method_that_collapses_leaves_the_intervals_of_the_others():
    rng = np.random.default_rng(5)
    widths = []
    for _ in range(25):
        scores, _ = World(methods=5).draw(rng)
        seeds = scores.copy()
        seeds[5] += np.reshape([-0.4, 0.0, -0.1], (3, 1))
        gaps = [compare_methods(values, rng=rng) for values in (scores, seeds)]
        before, after = (found[1].high - found[1].low for found in gaps)
        own = power.paired_gap(seeds[5], seeds[0], rng=rng)
        widths.append((after / before, (gaps[1][5].high - gaps[1][5].low) / (own.high - own.low)))
    others, collapsed = np.median(widths, axis=0)
    assert others <= 1.15
    assert collapsed >= 0.85


def test_near_twins_stay_as_close_as_their_scores_show():
    rng = np.random.default_rng(6)
    scores, _ = World(methods=5, examples=1000, answers=True, seed_error=0.02).draw(rng)
    scores[1] = scores[0]
    scores[1, 1, :2] = 1 - scores[1, 1, :2]  # two answers of three thousand differ
    scores[2] = scores[0]
    gaps = compare_methods(scores, rng=rng)
    assert gaps[1].verdict == gaps[2].verdict == "equivalent"
    assert (gaps[2].low, gaps[2].high) == (0, 0)
    assert gaps[1].proved_margin < 0.005
