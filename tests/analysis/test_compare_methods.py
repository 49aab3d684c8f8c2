"""Properties of methods judged together: units, order, twins, missing seeds, and scores that tie."""

import warnings
from itertools import permutations

import numpy as np
import pytest

from whichpeft.analysis import compare_methods, paired_gap
from whichpeft.analysis.statistics.together import MethodsTogether
from whichpeft.errors import ScoresError


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def study(methods=5, seeds=3, examples=200, *, seed_error=0.008, seed=0):
    """Return scores, shape (methods, seeds, examples)."""
    rng = np.random.default_rng(seed)
    scores = 0.8 + 0.07 * rng.standard_normal((methods, 1, examples))
    scores = scores + seed_error * rng.standard_normal((methods, seeds, 1))
    return scores + 0.06 * rng.standard_normal((methods, seeds, examples))


def gaps(scores, **options):
    return compare_methods(scores, rng=np.random.default_rng(0), **options)


def by_seed(*rows, seeds=None):
    """Return methods whose scores are known by seed only."""
    seeds = seeds or [range(len(row)) for row in rows]
    return MethodsTogether([np.array(row)[:, None] for row in rows], seeds)


@pytest.mark.parametrize("unit", [1e-6, 100.0, 1e6])
def test_results_scale_with_the_unit_of_the_scores(unit):
    scores = study()
    for ours, theirs in zip(gaps(scores)[1:], gaps(scores * unit, margin=0.02 * unit)[1:], strict=True):
        assert theirs.low == pytest.approx(ours.low * unit, rel=1e-9)
        assert theirs.high == pytest.approx(ours.high * unit, rel=1e-9)
        assert theirs.p_value == pytest.approx(ours.p_value, rel=1e-9)
        assert theirs.p_adjusted == pytest.approx(ours.p_adjusted, rel=1e-9)
        assert theirs.seed_degrees_of_freedom == pytest.approx(ours.seed_degrees_of_freedom, rel=1e-6)
        assert theirs.verdict == ours.verdict


@pytest.mark.parametrize("unit", [1e-3, 100.0])
def test_scores_by_seed_scale_with_their_unit(unit):
    rows = np.array([[0.90, 0.92, 0.91], [0.88, 0.90, 0.89], [0.91, 0.90, 0.95], [0.93, 0.9, 0.9]])
    for method in (1, 2, 3):
        ours, theirs = by_seed(*rows).gap(method, 0), by_seed(*rows * unit).gap(method, 0)
        assert theirs.interval() == pytest.approx(tuple(np.array(ours.interval()) * unit), rel=1e-9)


def test_a_constant_added_to_all_scores_changes_nothing():
    scores = study()
    for ours, theirs in zip(gaps(scores)[1:], gaps(scores + 10)[1:], strict=True):
        assert (theirs.low, theirs.high) == pytest.approx((ours.low, ours.high), rel=1e-9)
        assert theirs.p_adjusted == pytest.approx(ours.p_adjusted, rel=1e-9)


def test_what_a_seed_does_to_all_methods_changes_no_gap():
    scores = study()
    moved = scores + np.array([0.0, 0.1, -0.2])[:, None]
    for ours, theirs in zip(gaps(scores)[1:], gaps(moved)[1:], strict=True):
        assert (theirs.low, theirs.high) == pytest.approx((ours.low, ours.high), rel=1e-6)


def test_results_do_not_depend_on_the_order_of_methods():
    scores = study(methods=4)
    scores[2] += 0.03
    known = gaps(scores)
    for order in permutations(range(4)):
        found = gaps(scores[list(order)], baseline=order.index(0))
        for place, method in enumerate(order):
            if method == 0:
                assert found[place] is None
                continue
            ours, theirs = known[method], found[place]
            assert (theirs.low, theirs.high) == pytest.approx((ours.low, ours.high), rel=1e-6)
            assert theirs.p_value == pytest.approx(ours.p_value, rel=1e-6)
            assert theirs.p_adjusted == pytest.approx(ours.p_adjusted, abs=0.02)  # by draws


def test_the_order_of_seeds_and_of_examples_changes_nothing():
    scores = study()
    for moved in (scores[:, ::-1], scores[:, :, ::-1]):
        for ours, theirs in zip(gaps(scores)[1:], gaps(moved)[1:], strict=True):
            assert (theirs.low, theirs.high) == pytest.approx((ours.low, ours.high), rel=1e-9)


def test_a_method_on_more_seeds_is_compared_on_the_seeds_it_shares():
    scores = study(methods=5, seeds=12, seed=3)
    seeds = [range(12), range(3), range(5), range(2), range(1)]
    ragged = MethodsTogether([own[: len(ran)] for own, ran in zip(scores, seeds, strict=True)], seeds)
    family = ragged.against(0, rng=np.random.default_rng(0))
    for method, ran in enumerate(seeds):
        gap = family.gaps[method]
        if method == 0:
            assert gap is None
            continue
        shared = len(ran)
        assert gap.seeds == shared
        assert gap.mean == pytest.approx((scores[method, :shared] - scores[0, :shared]).mean())
        assert np.isfinite(gap.interval()).all()
        assert gap.has_error_estimate == (shared > 1)
        assert (family.p_adjusted[method] is None) == (shared == 1)


def test_methods_without_a_common_seed_have_no_gap():
    scores = study(methods=4)
    apart = MethodsTogether(list(scores), [range(3), range(3), range(3), range(3, 6)])
    family = apart.against(0, rng=np.random.default_rng(0))
    assert family.gaps[3] is None
    assert family.p_adjusted[3] is None
    assert family.gaps[1] is not None


def test_methods_that_change_the_same_answers_with_each_seed_are_compared():
    # The two differ in one example, and what a seed does to single examples is the same for both.
    rng = np.random.default_rng(2)
    scores = (rng.random((6, 3, 100)) < 0.9).astype(float)
    scores[1] = scores[0]
    scores[:2, :, 50] = 1
    scores[1, :, 50] = 0
    for gap in gaps(scores)[1:]:
        assert np.isfinite([gap.low, gap.high, gap.p_value, gap.p_adjusted]).all()
    assert gaps(scores)[1].mean == pytest.approx(-0.01)


@pytest.mark.parametrize(("examples", "seeds", "right"), [(20, 2, 0.9), (50, 2, 0.98), (100, 3, 0.99)])
def test_few_errors_on_few_examples_are_compared(examples, seeds, right):
    rng = np.random.default_rng(4)
    for _ in range(60):
        hard = rng.random((1, 1, examples)) > right
        scores = 1.0 - (hard & (rng.random((9, seeds, examples)) < 0.9))
        for gap in gaps(scores)[1:]:
            assert np.isfinite([gap.low, gap.high, gap.p_value, gap.p_adjusted]).all()


@pytest.mark.parametrize(
    "rows",
    [
        [[0.90, 0.92], [0.88, 0.90], [0.91, 0.90], [0.93, 0.90]],
        [[0.90, 0.92, 0.91], [0.88, 0.90, 0.89], [0.91, 0.90, 0.95]],
        [
            [0.90, 0.92, 0.91],
            [0.88, 0.90, 0.89],
            [0.85, 0.87, 0.86],
            [0.91, 0.90, 0.95],
            [0.92, 0.97, 0.91],
        ],
    ],
)
def test_methods_that_tie_do_not_make_the_others_certain(rows):
    # Most methods move in step by chance: their scores are rounded to hundredths.
    together = by_seed(*rows)
    family = together.against(0, rng=np.random.default_rng(0))
    for method, row in enumerate(rows):
        if method:
            _, low, high = family.gaps[method].interval()
            step_by_chance = np.ptp(np.subtract(row, rows[0])) < 1e-9
            assert high - low > (0.005 if step_by_chance else 0.05)
            assert family.p_adjusted[method] > (0.001 if step_by_chance else 0.2)


def test_three_methods_with_two_seeds_are_judged_alone():
    rows = [[0.90, 0.92], [0.88, 0.90], [0.91, 0.90]]
    together = by_seed(*rows)
    assert together.gap(1, 0).interval() == (pytest.approx(-0.02), None, None)
    alone = by_seed(rows[0], rows[2])
    assert together.gap(2, 0).interval() == pytest.approx(alone.gap(1, 0).interval())


def test_equal_scores_on_all_seeds_are_not_taken_as_known():
    # By seed only, a method with the same score twice may vary; two seeds of the other say little.
    together = by_seed([0.90, 0.90], [0.94, 0.96], [0.91, 0.93], [0.89, 0.90], [0.92, 0.90])
    gap = together.gap(1, 0)
    assert gap.borrowed is None
    assert gap.interval().low < 0


def test_a_method_that_collapses_on_a_large_test_set_is_as_uncertain_as_its_seeds():
    scores = study(methods=6, examples=2000, seed_error=0.0005) / 2
    scores[5] += np.array([0.0, -0.4, -0.8])[:, None]
    found = gaps(scores)
    own = paired_gap(scores[5], scores[0], rng=np.random.default_rng(0))
    assert found[5].high - found[5].low >= 0.9 * (own.high - own.low)
    assert found[5].verdict == "undecided"
    assert found[1].high - found[1].low < 0.02


def test_methods_that_do_not_vary_are_compared():
    scores = study()
    for still in ([0], [1], [1, 2, 3, 4], [0, 1, 2, 3, 4]):
        some = scores.copy()
        some[still] = some[still][:, :1]
        for gap in gaps(some)[1:]:
            assert np.isfinite([gap.low, gap.high, gap.p_value, gap.p_adjusted]).all()


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (study()[:1], {}, "scores have 1 method; the shape has to be"),
        (study(), {"baseline": 5}, "baseline is 5; it has to be a place from 0 to 4"),
        (study(), {"baseline": -1}, "baseline is -1; it has to be a place from 0 to 4"),
        ([study()[0], study()[1, :2]], {}, "method 1 has shape (2, 200), method 0 (3, 200)"),
        (study()[0], {}, "method 0 has shape (200,); it has to be (seeds, examples)"),
        (study()[:, :, :1], {}, "method 0 has one example; it needs two or more"),
        (study(), {"margin": -0.01}, "margin is -0.01; it has to be a finite number of 0 or more"),
        (study(), {"metric": "f1"}, "labels and metric go together"),
        (study(), {"labels": [0] * 200, "metric": "f3"}, "f3"),
        (study() * np.nan, {}, "method 0: nan at seed 0, example 0 (counted from 0)"),
        (5, {}, "scores have 0 methods"),
        ([[["a", "b"]] * 3] * 3, {}, "method 0 has type <U1; it has to hold numbers"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(scores, options, message):
    with pytest.raises(ScoresError) as caught:
        gaps(scores, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_methods_with_like_noise_may_still_differ_by_seed():
    # With each seed they are wrong on the same examples, but what it does to their scores differs.
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(200):
        noise = rng.standard_normal((9, 5, 200))
        noise[:2] = 0.985 * rng.standard_normal((5, 200)) + 0.17 * noise[:2]
        scores = 0.03 * rng.standard_normal((9, 5, 1)) + 0.07 * rng.standard_normal((9, 1, 200))
        together = MethodsTogether(list(scores + 0.056 * noise), [range(5)] * 9)
        _, low, high = together.gap(1, 0).interval()
        covered.append(low <= 0 <= high)
    assert np.mean(covered) >= 0.88  # 0.72 if the seeds' own scores do not count
