"""Holm's correction, against values computed by hand."""

from __future__ import annotations

import pytest

from whichpeft.analysis import holm


def test_adjusted_values_by_hand():
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 (not below the one before), 0.5 x 1.
    assert holm([0.03, 0.5, 0.01, 0.02]) == pytest.approx([0.06, 0.5, 0.04, 0.06])


def test_adjusted_values_are_at_most_one():
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_unknown_values_stay_unknown_and_do_not_count():
    assert holm([None, 0.02, None, 0.04]) == [None, pytest.approx(0.04), None, pytest.approx(0.04)]
    assert holm([]) == []
    assert holm([None]) == [None]
