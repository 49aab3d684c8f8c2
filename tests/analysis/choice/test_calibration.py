"""Probabilities and proofs in simulated studies are as often right as they say."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.candidates import Candidate
from whichpeft.analysis.choice.choice import decide
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.analysis.statistics.intervals import Interval


def simulated(rng, true, *, seeds=5, examples=400):
    """Return an answer from simulated trials: true means with noise of seeds and examples."""
    shape = (len(true), seeds, examples)
    easy = rng.normal(0, 0.25, size=(1, 1, examples))
    scores = np.asarray(true)[:, None, None] + easy + rng.normal(0, 0.3, size=shape)
    scores = scores + rng.normal(0, 0.006, size=(len(true), seeds, 1))
    evidence = TrialEvidence(scores, [range(seeds)] * len(true), rng)
    candidates = [
        Candidate(
            method=f"m{i}", method_id=None, variant="default", trains=True,
            score=Interval(float(mean), None, None), costs={"time": float(i)}, limited={}, place=i,
        )
        for i, mean in enumerate(evidence.means)
    ]  # fmt: skip
    return decide(
        Answer(
            backbone="b",
            tasks=("t",),
            metric="accuracy",
            constraints=Constraints(),
            candidates=tuple(candidates),
            evidence=evidence,
        )
    )


def test_probabilities_of_being_within_the_margin_are_calibrated(monkeypatch):
    """In simulated studies, methods are within the margin about as often as their probability."""
    monkeypatch.setattr("whichpeft.analysis.choice.evidence.DRAWS", 500)
    rng = np.random.default_rng(0)
    said, true = [], []
    for _ in range(300):
        means = rng.normal(0.8, 0.02, size=4)
        said += [c.probability for c in simulated(rng, means).candidates]
        true += list(means >= means.max() - 0.02)
    said, true = np.array(said), np.array(true)
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
        within = (said >= low) & (said < high)
        assert within.sum() > 60
        assert true[within].mean() == pytest.approx(said[within].mean(), abs=0.12)


def test_a_method_just_outside_the_margin_is_seldom_proved(monkeypatch):
    """A method that is truly worse by a little more than the margin is proved in at most 5 %."""
    monkeypatch.setattr("whichpeft.analysis.choice.evidence.DRAWS", 50)
    rng = np.random.default_rng(1)
    wrong = sum(
        answer.basis == "proved" and answer.chosen.method == "m0"
        for answer in (simulated(rng, [0.7799, 0.80]) for _ in range(400))
    )
    assert wrong <= 32  # 5 % of 400 and three standard errors


def test_all_seeds_that_two_methods_share_count():
    rng = np.random.default_rng(5)
    seeds = [range(12), range(12), range(12), range(3), range(3)]
    easy = rng.normal(0, 0.25, size=500)
    scores = [0.8 + easy + rng.normal(0, 0.01, size=(len(own), 1)) for own in seeds]
    scores = [own + rng.normal(0, 0.3, size=own.shape) for own in scores]
    evidence = TrialEvidence(scores, seeds, rng)
    assert evidence.fewest_seeds == 3
    assert evidence.effects(0, 1).seeds == 12
    widths = [gap.high - gap.low for gap in (evidence.gap(0, 1), evidence.gap(0, 3))]
    assert widths[0] < 0.75 * widths[1]
    # The draws that probabilities come from know as much as the intervals.
    spread = (evidence.draws[:, 0] - evidence.draws[:, 1]).std()
    assert spread == pytest.approx(evidence.effects(0, 1).standard_error, rel=0.25)
    assert evidence.draws.mean(axis=0) == pytest.approx(evidence.means, abs=0.001)
