"""Mean squares, their intervals and joint draws, by hand and against exact cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import stdtrit

from whichpeft.analysis import draw_scores, mean_interval
from whichpeft.analysis.statistics.mean_error import (
    SeedVariance,
    half_width,
    near_half_width,
    own_variance,
    two_sided,
)
from whichpeft.analysis.statistics.random_effects import random_effects, seed_effects
from whichpeft.errors import ScoresError


def test_mean_squares_by_hand():
    # Row means 2 and 4, column means 1, 3 and 5, mean 3; the residual is (0, 1, -1) and its negative.
    found = random_effects(np.array([[0.0, 3.0, 3.0], [2.0, 3.0, 7.0]]))
    assert found.mean == pytest.approx(3)
    assert found.seed_square == pytest.approx(3 * 2 / 1)
    assert found.example_square == pytest.approx(2 * 8 / 2)
    assert found.rest_square == pytest.approx(4 / 2)
    assert found.variances == pytest.approx(((6 - 2) / 3, (8 - 2) / 2, 2))
    assert found.standard_error == pytest.approx(math.sqrt(6 / 6 + (8 - 2) / 6))


def test_variances_are_never_negative():
    # Seeds and examples differ only by the residual.
    found = random_effects(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert found.variances == (0, 0, 1)


def test_seeds_that_agree_by_chance_do_not_make_the_mean_certain():
    # Both seeds have one of two examples right: not the same one.
    found = random_effects(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert found.seed_square == 0
    assert found.standard_error == pytest.approx(math.sqrt(1 / 4))
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((3, 500))
    agreeing = random_effects(scores - scores.mean(axis=1, keepdims=True))
    least = math.sqrt(agreeing.rest_square / 1500)
    assert agreeing.interval().high - agreeing.mean >= 1.96 * least


def test_without_examples_the_interval_is_students_t():
    values = [0.80, 0.82, 0.84]
    assert seed_effects(values).interval() == pytest.approx(mean_interval(values))
    assert seed_effects(values).degrees_of_freedom == pytest.approx(2)
    assert seed_effects([0.8]).interval() == (0.8, None, None)


def test_equal_examples_give_students_t():
    rng = np.random.default_rng(0)
    scores = np.repeat(rng.standard_normal((4, 1)), 50, axis=1)
    assert random_effects(scores).interval() == pytest.approx(mean_interval(list(scores[:, 0])))


def test_one_seed_gives_an_interval_over_examples():
    scores = np.random.default_rng(0).standard_normal((1, 40))
    assert random_effects(scores).interval() == pytest.approx(mean_interval(list(scores[0])))
    assert random_effects(scores).degrees_of_freedom == pytest.approx(39)


def test_identical_scores_are_certain():
    found = random_effects(np.full((3, 20), 0.1))
    assert found.interval() == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))
    nothing = random_effects(np.zeros((3, 20)))
    assert (nothing.interval(), nothing.p_value) == ((0, 0, 0), 1)
    assert nothing.degrees_of_freedom == math.inf


@pytest.mark.parametrize("df", [1, 2, 4, 9, 99])
@pytest.mark.parametrize("level", [0.2, 0.05, 0.001])
def test_a_zero_variance_gives_students_t(df, level):
    seeds, none, hardly_any = (own_variance(value, df) for value in (1.0, 0.0, 1e-12))
    alone = half_width(level, seeds=seeds, examples=0.0, df=999)
    assert alone == pytest.approx(-stdtrit(df, level / 2))
    nearly = half_width(level, seeds=seeds, examples=1e-12, df=10**7)
    assert nearly == pytest.approx(alone, rel=1e-3)
    other = half_width(level, seeds=none, examples=1.0, df=999)
    assert other == pytest.approx(-stdtrit(999, level / 2))
    assert half_width(level, seeds=hardly_any, examples=1.0, df=999) == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("df", [1, 2, 9])
def test_an_own_variance_has_the_degrees_of_freedom_it_was_estimated_with(df):
    known = own_variance(0.3, df)
    assert (known.typical, known.degrees_of_freedom) == (0.3, df)
    # The same from what it says about the error.
    mixture = SeedVariance(known.values, known.weights)
    assert mixture.typical == pytest.approx(0.3, rel=0.01)
    assert mixture.degrees_of_freedom == pytest.approx(df, rel=0.01)


@pytest.mark.parametrize("df", [1, 2, 4, 30])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_widths_and_p_values_agree_with_each_other_and_with_draws(df, share):
    parts = {"seeds": own_variance(share, df), "examples": 1 - share, "df": 500}
    half = half_width(0.05, **parts)
    assert two_sided(half, **parts) == pytest.approx(0.05)
    assert two_sided(-half, **parts) == pytest.approx(0.05)
    rng = np.random.default_rng(0)
    drawn = math.sqrt(share) * rng.standard_t(df, 400_000)
    drawn += math.sqrt(1 - share) * rng.standard_t(500, 400_000)
    assert np.mean(np.abs(drawn) > half) == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize("df", [2, 4, 30])
@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.8, 1])
def test_the_approximate_width_is_close(df, share):
    near = near_half_width(0.05, seeds=share, examples=1 - share, df=(df, 500))
    exact = half_width(0.05, seeds=own_variance(share, df), examples=1 - share, df=500)
    assert near == pytest.approx(exact, rel=0.03 if 0 < share < 1 else 1e-12)


def test_draws_of_one_method_match_its_interval():
    rng = np.random.default_rng(0)
    scores = 0.02 * rng.standard_normal((1, 3, 1)) + 0.4 * rng.standard_normal((1, 1, 500))
    scores = scores + 0.3 * rng.standard_normal((1, 3, 500))
    drawn = draw_scores(scores, rng=rng, draws=200_000)
    assert drawn.shape == (200_000, 1)
    _, low, high = random_effects(scores[0]).interval()
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([low, high], abs=2e-3)


def test_draws_of_methods_move_together():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((1, 4, 300))
    scores = np.concatenate([shared, shared + 0.1, rng.standard_normal((1, 4, 300))])
    drawn = draw_scores(scores, rng=rng)
    assert np.ptp(drawn[:, 1] - drawn[:, 0]) == pytest.approx(0, abs=1e-6)
    assert np.std(drawn[:, 2] - drawn[:, 0]) > np.std(drawn[:, 0])


def test_more_methods_than_seeds_and_examples_can_be_drawn():
    scores = np.random.default_rng(0).random((12, 2, 5))
    drawn = draw_scores(scores, rng=np.random.default_rng(1), draws=50)
    assert drawn.shape == (50, 12)
    assert np.isfinite(drawn).all()


def test_the_same_seed_gives_the_same_draws():
    scores = np.random.default_rng(0).random((3, 2, 40))
    first, second = (draw_scores(scores, rng=np.random.default_rng(5), draws=10) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("shape", [(3, 40), (0, 2, 5), (2, 3, 1)])
def test_scores_of_another_shape_are_refused(shape):
    with pytest.raises(ScoresError, match=r"\(methods, seeds, examples\)"):
        draw_scores(np.zeros(shape), rng=np.random.default_rng(0))
