"""Made-up tables of curves, with any number of methods and a known slow starter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from whichpeft.analysis.race.replay import Table
from whichpeft.records.race import Arm

EXAMPLES = 1024
SEED_SPREAD = 0.012
SEEDS, VALIDATION, TESTS = 5, 400, 400


def made_table(
    *, methods: int = 12, candidates: int = 8, slow: float = 0.1, seed: int = 0, chance: float = 0.5
) -> Table:
    """Return a table whose rungs have rank correlations of about 0.4 and 0.65 with the end.

    Methods differ by a few points, candidates of a method by more, and their speeds as well. A share
    of the methods, `slow`, is still near chance at the first rung.
    """
    rng = np.random.default_rng(seed)
    names = ["full", *(f"m{i:02d}" for i in range(1, methods))]
    arms = tuple(Arm(method=name, number=n) for name in names for n in range(candidates))
    own, number = np.divmod(np.arange(len(arms)), candidates)
    best = 0.86 - rng.exponential(0.04, methods) - 0.03 * rng.random(methods)
    off = 0.05 * np.abs(rng.standard_normal(len(arms))) * np.where(number == 0, 0.5, 1.0)
    end = np.maximum(best[own] - off, chance)
    speed = 0.6 * (rng.standard_normal(methods)[own] + rng.standard_normal(len(arms)))
    progress = np.stack([1 / (1 + np.exp(-speed - 0.3)), 1 / (1 + np.exp(-speed - 1.5)), speed * 0 + 1])
    progress[:2, (rng.random(methods) < slow)[own]] *= np.array([[0.05], [0.5]])
    lead = (end - chance) * progress
    luck = SEED_SPREAD * rng.standard_normal((len(arms), SEEDS))
    leads = np.maximum(0, lead.T[:, None] + luck[:, :, None] * (progress.T[:, None] > 0.1))
    return Table(
        arms=arms,
        steps=(16, 32, 64),
        scores=rng.binomial(VALIDATION, chance + leads) / VALIDATION,
        losses=0.69 - 0.9 * leads + 0.01 * rng.standard_normal(leads.shape),
        correct=rng.random((len(arms), SEEDS, TESTS)) < chance + leads[:, :, 2:],
        costs=rng.lognormal(0.0, 0.3, methods)[own],
        examples=EXAMPLES,
        chance=chance,
    )


def with_slow_starter(table: Table, method: str, *, lead: float = 0.03, seed: int = 0) -> Table:
    """Return a table in which a method is the best by `lead`, and flat until 60 % of its steps.

    Its candidates keep their distances. At the first two rungs they score chance, with the noise of 100
    validation examples, and have the loss of an arm there that learnt nothing.
    """
    assert table.chance is not None
    rng = np.random.default_rng(seed)
    own = np.array([arm.method == method for arm in table.arms])
    scores, losses, correct = table.scores.copy(), table.losses.copy(), table.correct.copy()
    lift = table.true_scores[~own].max() + lead - table.true_scores[own].max()
    # What a good score costs in loss, by the other arms.
    slope, at_zero = np.polyfit(scores[~own, :, 2].ravel(), losses[~own, :, 2].ravel(), 1)
    flat = scores[own, :, :2].shape
    scores[own, :, :2] = rng.binomial(100, table.chance, flat) / 100
    losses[own, :, :2] = np.nanmax(losses[:, :, 0]) + 0.01 * rng.standard_normal(flat)
    scores[own, :, 2] += lift
    losses[own, :, 2] = slope * scores[own, :, 2] + at_zero
    wrong = 1 - correct[own].mean(axis=(1, 2))
    turned = rng.random(correct[own].shape) < (lift / wrong)[:, None, None]
    correct[own] |= turned
    return replace(table, scores=scores, losses=losses, correct=correct)
