"""Other searches on the same recorded curves: they pay for what they see, and `auto` loses to none."""

from __future__ import annotations

import math

import numpy as np
import pytest

import race_peers as peers
from whichpeft.analysis.race.replay import replay

from .tables import NAMES, frozen


def share_within_the_margin(table, choices):
    scores = table.true_scores[[choice.row for choice in choices]]
    return float(np.mean(table.best - scores <= peers.RULES.margin))


def lead(table, found, resamplings):
    """Return how far the race leads each peer, less what chance explains (2.6 standard errors)."""
    raced = share_within_the_margin(table, found.pop(("auto", "finals")))
    shares = {key: share_within_the_margin(table, choices) for key, choices in found.items()}
    print(f"\nauto {raced:.3f}, {shares}")
    return {
        key: raced - own + 2.6 * math.sqrt((raced * (1 - raced) + own * (1 - own)) / resamplings)
        for key, own in shares.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_race_loses_to_neither_random_search_nor_asha(name: str, monkeypatch):
    monkeypatch.setattr(peers, "PEERS", {key: peers.PEERS[key] for key in ("random", "ASHA, best half")})
    table = frozen(name)
    found = {(key, end): choices for key, end, choices in peers.compare(table, 60, "race")}
    assert min(lead(table, found, 60).values()) >= 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_race_loses_to_no_peer(name: str):
    """`benchmarks/race_peers.py` takes 300 resamplings, and gives peers more candidates too."""
    table = frozen(name)
    found = {(key, end): choices for key, end, choices in peers.compare(table, 30, "race")}
    assert min(lead(table, found, 30).values()) >= 0


@pytest.mark.parametrize("peer", ["random", "ASHA, best third", "TPE, median pruner"])
def test_a_peer_spends_no_more_than_the_race(peer: str):
    table = frozen("digits")
    raced = replay(table, peers.RULES, seed=1)
    found = peers.choices(table, list(range(len(table.arms))), raced, peers.PEERS[peer], 1)
    assert 0.3 * raced.examples < found["own choice"].examples <= raced.examples


def test_a_trial_pays_for_each_part_once():
    table = frozen("digits")
    trials = peers.Trials(table, [0, 1], seed=0, examples=1.5 * table.examples)
    assert trials.score(0, 0) == table.scores[0, 0, 0]
    assert trials.left == 1.25 * table.examples
    trials.score(0, 2)
    assert trials.left == 0.5 * table.examples
    trials.score(0, 1)  # known already
    trials.score(1, 1)
    assert trials.left == 0
    with pytest.raises(peers.Spent):
        trials.score(1, 2)
    assert trials.best_first() == [0, 1]


def test_asha_promotes_the_best_half():
    """At least half: one that was promoted early may have been passed since."""
    table = frozen("digits")
    trials = peers.Trials(table, list(range(16)), seed=0, examples=math.inf)
    peers.PEERS["ASHA, best half"](trials, np.random.default_rng(0))
    reached = np.array([trials.reached[row] for row in range(16)])
    best = np.argsort(-table.scores[:16, 0, 0], kind="stable")[:8]
    assert (reached >= 0).all()
    assert (reached[best] >= 1).all()
    assert (reached >= 1).sum() <= 12
    assert 4 <= (reached == 2).sum() < (reached >= 1).sum()
