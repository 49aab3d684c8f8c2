"""The data that would decide: the numbers hold in simulated studies of that size."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis.statistics.gap import gap_of
from whichpeft.analysis.statistics.power import what_decides
from whichpeft.analysis.statistics.random_effects import VarianceComponents, random_effects, seed_effects


def effects(gap, *, seed, example, rest, seeds=3, examples=500):
    """Return variance components with exactly these standard deviations as estimates."""
    return VarianceComponents(
        mean=gap,
        seeds=seeds,
        examples=examples,
        seed_square=examples * seed**2 + rest**2,
        example_square=seeds * example**2 + rest**2,
        rest_square=rest**2,
    )


def share_decided(gap, seeds, examples, *, seed, example, rest, studies=600):
    rng = np.random.default_rng(0)
    decided = 0
    for _ in range(studies):
        scores = gap + seed * rng.standard_normal((seeds, 1)) + example * rng.standard_normal(examples)
        scores += rest * rng.standard_normal((seeds, examples))
        decided += gap_of(random_effects(scores)).verdict != "undecided"
    return decided / studies


@pytest.mark.parametrize("gap", [0.03, 0.0])
def test_the_named_number_of_seeds_decides(gap):
    parts = {"seed": 0.02, "example": 0.05, "rest": 0.2}
    needed = what_decides(effects(gap, **parts), margin=0.02)
    assert needed.seeds > 3
    assert needed.sentence == f"{needed.seeds} seeds would decide"
    assert share_decided(gap, needed.seeds, 500, **parts) == pytest.approx(0.8, abs=0.06)


def test_examples_decide_if_no_number_of_seeds_does():
    parts = {"seed": 0.0, "example": 0.4, "rest": 0.2}
    needed = what_decides(effects(0.03, **parts), margin=0.02)
    assert needed.seeds is None
    assert needed.seeds_for_examples == 3
    assert (
        needed.sentence == f"no number of seeds decides: about {needed.examples:,} test examples would"
    )
    assert share_decided(0.03, 3, needed.examples, **parts, studies=300) == pytest.approx(0.8, abs=0.07)


def test_both_are_named_if_neither_alone_decides():
    needed = what_decides(effects(0.0, seed=0.05, example=0.6, rest=0.2), margin=0.02)
    assert needed.seeds is None
    assert needed.seeds_for_examples > 3
    assert f"test examples with {needed.seeds_for_examples} seeds would" in needed.sentence


def test_at_the_margin_only_a_difference_can_decide():
    needed = what_decides(effects(0.02, seed=0.02, example=0.0, rest=0.1), margin=0.02)
    # The gap itself can be distinguished from zero.
    assert needed.seeds is not None
    never = what_decides(effects(0.0, seed=0.02, example=0.0, rest=0.1), margin=0.0)
    assert (never.seeds, never.examples) == (None, None)
    assert never.sentence == "neither 1,000 seeds nor 1,000,000 test examples would decide"


def test_a_stricter_level_needs_more_seeds():
    found = effects(0.03, seed=0.03, example=0.0, rest=0.1)
    plain, strict = (what_decides(found, margin=0.02, level=level) for level in (0.05, 0.05 / 8))
    assert strict.seeds > plain.seeds


def test_groups_count_as_the_examples_in_them():
    parts = {"seed": 0.0, "example": 0.1, "rest": 0.05}
    few = what_decides(effects(0.03, examples=50, **parts), margin=0.02)
    many = what_decides(effects(0.03, examples=50, **parts), margin=0.02, examples=500)
    assert many.examples == pytest.approx(10 * few.examples, rel=0.1)


def test_without_examples_only_seeds_are_named():
    assert what_decides(seed_effects([0.03, 0.01, 0.05]), margin=0.02).seeds > 3
    wide = what_decides(seed_effects([0.3, -0.3, 0.01]), margin=0.0)
    assert wide.sentence == "1,000 seeds would not decide"
    assert "run at least 3" in what_decides(seed_effects([0.03]), margin=0.02).sentence
