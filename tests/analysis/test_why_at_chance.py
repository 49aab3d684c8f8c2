"""What was probably wrong with a method at chance: curves and searches with a known cause."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis import comparisons
from whichpeft.analysis.why_at_chance import Cause, fixes, in_words, probable_causes
from whichpeft.errors import RecordError

from .. import builders


def losses(*values, every=10, score=0.5):
    """Return a learning curve with these training losses."""
    rows = [(every * (i + 1), "train_loss", value) for i, value in enumerate(values)]
    return [*rows, (every * len(values), "validation_score", score)]


def wobbling(start, end, count=20, noise=0.01):
    """Return losses on a line with noise about it."""
    return np.linspace(start, end, count) + np.random.default_rng(0).normal(0, noise, count)


def causes(curve, scores=(0.49, 0.50, 0.48), *, search=(), predictions=True):
    records = [*builders.whole("lora", scores), *search]
    known = builders.predictions(records) if predictions else None
    curves = curve if callable(curve) else lambda name: curve
    (found,) = comparisons(
        builders.study(["lora"]), records, predictions=known, curves=curves
    )  # fmt: skip
    return probable_causes(found, found.answers)


# Two classes of about the same frequency, so that guessing has a loss of 0.69.
@pytest.mark.parametrize(
    ("curve", "kind", "shown"),
    [
        (losses(2.0, 1.1, 0.8, 0.7), "too high a learning rate", "rose to 2.00; guessing gives 0.69"),
        (losses(0.70, 0.69, 0.90, 0.75), "too high a learning rate", "rose to 0.90"),
        (losses(0.69, 0.68), "too few steps", "its training took only 20 steps"),
        (losses(*wobbling(0.70, 0.60)), "too few steps", "after 200 steps its training loss was still"),
        (losses(*wobbling(0.69, 0.69, noise=0.004)), "too low a learning rate", "did not move from 0.6"),
        (losses(0.69, 0.5, *[0.3] * 18), "too few training examples", "fell from 0.69 to 0.30"),
        (
            losses(0.72, 0.68, *[0.67] * 18),
            "too few steps, or labels that do not follow from the inputs",
            "hardly fell, from 0.72 to 0.67",
        ),
    ],
)
def test_a_curve_shows_what_was_wrong(curve, kind, shown):
    (cause,) = causes(curve)
    assert (cause.kind, cause.methods) == (kind, ("lora",))
    assert shown in cause.shown


def test_a_loss_that_only_learned_how_frequent_classes_are_stays_at_that_of_a_constant():
    """With 66.5 % of one class the best constant prediction has a loss of 0.64."""
    records = builders.with_chance("lora", [0.665, 0.665, 0.665])
    labels = np.array([0] * 665 + [1] * 335)
    arrays = {"labels": labels, "outputs": np.eye(2, dtype=np.float32)[np.zeros(1000, dtype=int)]}
    curve = losses(0.66, *[0.635, 0.64, 0.63] * 6)
    (found,) = comparisons(
        builders.study(["lora"]), records, predictions=lambda name: arrays, curves=lambda name: curve
    )
    (cause,) = probable_causes(found, found.answers)
    assert cause.kind == "too few steps, or labels that do not follow from the inputs"
    assert "stayed at that of a constant prediction" in cause.shown


def test_without_classes_only_the_curve_itself_counts():
    """A language model's loss starts anywhere."""
    (cause,) = causes(losses(11.0, 11.1, 10.9, 14.5), predictions=False)
    assert (cause.kind, cause.shown) == (
        "too high a learning rate", "its training loss rose from 11.00 to 14.50",
    )  # fmt: skip


def rates(*scores):
    """Return a search whose trials have rates 0.001, 0.002 and so on, and these validation scores."""
    return [builders.tuned("lora", number, score) for number, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "kind", "shown"),
    [
        ((0.50, 0.55, 0.60, 0.70), "too low a learning rate", "4.0e-03, is the highest that was tried"),
        ((0.70, 0.55, 0.52, 0.50), "too high a learning rate", "1.0e-03, is the lowest that was tried"),
        (
            (0.50, 0.51, 0.50, 0.505),
            "too few steps, or labels that do not follow from the inputs",
            "no learning rate from 1.0e-03 to 4.0e-03 did better in its search",
        ),
    ],
)
def test_a_search_speaks_for_another_rate(scores, kind, shown):
    flat = losses(*wobbling(0.69, 0.69, noise=0.004))
    best = max(range(len(scores)), key=scores.__getitem__)
    search = rates(*scores)
    rate = {"hyperparameters": {"learning_rate": 0.001 * (1 + best)}}
    search += [builders.final("lora", seed, 0.5, **rate) for seed in range(3) if best]
    (cause,) = causes(flat, (0.5, 0.5, 0.5), search=search)
    assert cause.kind == kind
    assert shown in cause.shown


def test_a_score_above_chance_with_nothing_wrong_needs_more_data():
    (cause,) = causes(losses(0.69, 0.5, *[0.3] * 18), (0.51, 0.50, 0.51))
    assert cause.kind == "too few test examples or seeds"
    assert "its lead over chance, 0.7 points, is within its error" in cause.shown


def test_a_loss_that_is_not_finite_is_a_rate_that_is_too_high():
    failed = builders.ended("lora", "failed", "the loss is not finite (nan) at step 5", phase="fit")
    (found,) = comparisons(builders.study(["lora"]), [failed])
    (cause,) = probable_causes(found, found.answers)
    assert str(cause) == "too high a learning rate (lora: its loss was no longer finite)"


def test_without_curves_nothing_is_made_up():
    def damaged(name):
        raise RecordError("curve.parquet: damaged; delete it")

    for curve in (None, damaged):
        assert causes(curve) == []
    assert in_words([]) == "The records do not tell why: they have no learning curves."


def test_methods_with_one_cause_are_named_together():
    low = Cause(kind="too low a learning rate", methods=("a", "b"), because="{its} loss did not move")
    few = Cause(kind="too few steps", methods=("c",), because="{its} training took only 8 steps")
    assert in_words([low, few]) == (
        "Probably too low a learning rate (a and b: the first's loss did not move) and too few steps "
        "(c: its training took only 8 steps)."
    )
    assert fixes([few]) == ["train for more epochs or on more examples (--epochs, --max-train)"]
    assert fixes([low, few])[0].startswith("for a and b, give a higher learning rate")
