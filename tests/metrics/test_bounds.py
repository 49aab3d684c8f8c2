"""What metrics can be at least and at most."""

from __future__ import annotations

import math

import pytest

from whichpeft.metrics.bounds import bounds_of
from whichpeft.metrics.per_example import OF_ANSWERS, PSEUDO_VALUES


@pytest.mark.parametrize(
    ("metric", "bounds"),
    [
        ("accuracy", (0, 1)),
        ("f1:fraud", (0, 1)),
        ("matthews", (-1, 1)),
        ("neg_rmse", (-math.inf, 0)),
        ("lm-eval:arc/acc", (-math.inf, math.inf)),
        (None, (-math.inf, math.inf)),
    ],
)
def test_bounds(metric, bounds):
    assert bounds_of(metric) == bounds


def test_every_metric_of_the_package_has_bounds():
    unbounded = [name for name in (*PSEUDO_VALUES, *OF_ANSWERS) if math.isinf(bounds_of(name)[1])]
    assert not unbounded
