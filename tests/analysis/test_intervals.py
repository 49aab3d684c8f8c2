"""Means, intervals and ratios, against values computed by hand or found in tables."""

from __future__ import annotations

import pytest

from whichpeft.analysis import mean_interval
from whichpeft.analysis.statistics.intervals import percent, ratio, saving


def test_interval_of_three_values_uses_students_t():
    # t(0.975, 2) = 4.30265; standard deviation 0.02; half width 4.30265 * 0.02 / sqrt(3)
    interval = mean_interval([0.80, 0.82, 0.84])
    assert interval.mean == pytest.approx(0.82)
    assert interval.low == pytest.approx(0.82 - 0.0496827, abs=1e-6)
    assert interval.high == pytest.approx(0.82 + 0.0496827, abs=1e-6)


def test_interval_of_two_values():
    # t(0.975, 1) = 12.7062; standard deviation 0.0141421; half width 0.127062
    interval = mean_interval([0.50, 0.52])
    assert interval.high - interval.mean == pytest.approx(0.127062, abs=1e-6)


def test_bounds_need_two_values_and_a_mean_needs_one():
    assert mean_interval([0.7]) == (0.7, None, None)
    assert mean_interval([]) == (None, None, None)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (None, 2.0), (1.0, None), (-0.2, -0.1)])
def test_a_meaningless_ratio_is_none(a, b):
    assert ratio(a, b) is None
    assert saving(a, b) is None


def test_ratio_and_saving():
    assert ratio(1.0, 4.0) == 0.25
    assert saving(1.0, 4.0) == 0.75
    assert saving(0.0, 4.0) == 1.0
    assert percent(0.25) == 25
    assert percent(None) is None
