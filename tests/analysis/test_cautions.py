"""Signs that a training was too short, and how often a flat curve is called rising."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis import comparisons
from whichpeft.analysis.choice.cautions import still_rising

from .. import builders


@pytest.fixture(scope="module")
def rise_of():
    """Return a function that says how much a method rose with these scores after each epoch."""
    by_trial = {}

    def comparison(seeds):
        records = builders.whole("lora", [0.8] * seeds)
        study = builders.study(["lora"], seeds=tuple(range(seeds)), baseline="lora")
        (found,) = comparisons(study, records, curves=by_trial.get)
        return found

    known = {seeds: comparison(seeds) for seeds in (2, 3)}

    def rise(curves):
        found = known[len(curves)]
        for record, curve in zip(found.results[0].records.completed, curves, strict=True):
            rows = [(38 * (i + 1), "validation_score", score) for i, score in enumerate(curve)]
            by_trial[record.trial.fingerprint] = rows
        return still_rising(found, found.results[0])

    return rise


def test_a_curve_that_rose_on_all_seeds_is_rising(rise_of):
    rise = rise_of([[0.70, 0.74, 0.76], [0.69, 0.73, 0.755], [0.70, 0.75, 0.77]])
    assert rise.gain == pytest.approx(0.0217, abs=1e-4)
    assert (rise.steps, rise.end) == (38, 114)


@pytest.mark.parametrize(
    "curves",
    [
        [[0.70, 0.74, 0.741], [0.70, 0.74, 0.742], [0.70, 0.74, 0.743]],  # less than a point
        [[0.70, 0.74, 0.78], [0.70, 0.74, 0.72], [0.70, 0.74, 0.77]],  # seeds disagree
        [[0.80, 0.74, 0.76], [0.81, 0.73, 0.76], [0.80, 0.74, 0.76]],  # an earlier one was better
        [[0.70, 0.715], [0.70, 0.715]],  # two seeds show two points, not less
        [[0.70], [0.70], [0.70]],
        [[], [], []],
    ],
)
def test_what_is_not_shown_is_not_said(curves, rise_of):
    assert rise_of(curves) is None


def test_a_flat_curve_is_seldom_called_rising(rise_of):
    """Each evaluation of a seed has its own errors, and the seeds share those of the examples."""
    drawn = np.random.default_rng(5)
    said = 0
    for _ in range(400):
        shared = drawn.normal(0, 0.004, 3)
        curves = 0.8 + shared + drawn.normal(0, 0.012, (3, 3))
        said += rise_of(curves.tolist()) is not None
    assert said / 400 < 0.06
