"""Seeds until decided: what each look may spend, which methods get more seeds, and what they keep."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis import comparisons
from whichpeft.analysis.looks.path import Judged, follow
from whichpeft.analysis.looks.spending import equivalence_level, look_level, spending
from whichpeft.analysis.statistics.random_effects import VarianceComponents
from whichpeft.errors import StudyError
from whichpeft.study import UntilDecided

from .. import builders

UNTIL = UntilDecided(start=3, at_most=12)
NOISE = (0.010, -0.004, -0.006, 0.008, -0.008, 0.003, -0.001, -0.002, 0.006, -0.005, 0.004, -0.005)


@pytest.mark.parametrize(
    ("start", "at_most", "looks"),
    [
        (3, 12, (3, 5, 8, 12)),
        (3, 14, (3, 5, 8, 14)),
        (2, 3, (2, 3)),
        (3, 3, (3,)),
        (5, 30, (5, 8, 12, 19, 30)),
    ],
)
def test_each_look_is_about_sixty_per_cent_later_and_the_last_is_the_limit(start, at_most, looks):
    assert UntilDecided(start=start, at_most=at_most).looks == looks


def test_early_looks_spend_less_than_their_share_of_the_error():
    found = spending((3, 5, 8, 12))
    assert sum(found) == pytest.approx(0.05)
    assert found[0] == pytest.approx(0.05 * (3 / 12) ** 1.75)
    assert [round(100 * level, 2) for level in found] == [0.44, 0.64, 1.38, 2.54]
    assert spending((4,)) == [pytest.approx(0.05)]  # with one look, nothing is shared


@pytest.mark.parametrize(("test_set", "least", "most"), [(0.0, 0.0064, 0.009), (0.05, 0.01, 0.02)])
def test_a_look_may_spend_more_the_more_it_has_in_common_with_earlier_ones(test_set, least, most):
    """With a small test set all looks make the same errors; without, later seeds are mostly new."""
    gaps = [
        VarianceComponents(
            mean=0.0, seeds=5, examples=100, seed_square=0.01, example_square=5 * 100 * test_set**2,
            rest_square=0.0,
        )
    ] * 4  # fmt: skip
    spend = spending((3, 5, 8, 12))
    rng = np.random.default_rng(0)
    level = look_level(gaps, (3, 5), spend[:1], spend[1], rng=rng)
    assert least <= level <= most


@pytest.mark.parametrize(("test_set", "least", "most"), [(0.0, 0.0064, 0.009), (0.05, 0.01, 0.02)])
def test_equivalence_has_a_level_of_its_own_at_each_look(test_set, least, most):
    """It is what a look adds if looks are independent, and what is spent until then if all are alike."""
    gap = VarianceComponents(
        mean=0.0, seeds=5, examples=100, seed_square=0.01, example_square=5 * 100 * test_set**2,
        rest_square=0.0,
    )  # fmt: skip
    spends = spending((3, 5, 8, 12))
    first, second = (
        equivalence_level(gap, (3, 5)[:looks], spends[:looks], rng=np.random.default_rng(0))
        for looks in (1, 2)
    )
    assert first == spends[0]
    assert least <= second <= most


@pytest.mark.parametrize("given", [{"start": 1}, {"at_most": 2}, {"start": 3.5}, {"start": True}])
def test_numbers_of_seeds_that_cannot_work_are_refused(given):
    with pytest.raises(StudyError, match="seeds: "):
        UntilDecided(**given)


def test_a_family_is_judged_with_what_each_method_has():
    """B is decided at the first look, C at the second; D misses trials of the third."""
    asked = []

    def judge(counts, settled, look):
        asked.append((dict(counts), dict(settled), round(look.spend, 4), look.earlier))
        verdicts = {
            "B": "worse",
            "C": "undecided" if counts["C"] < 5 else "equivalent",
            "D": "undecided",
        }
        return 0.02, {name: Judged(result=counts[name], verdict=verdicts[name]) for name in counts}

    found = follow(UNTIL.looks, ["B", "C", "D"], ready=lambda name, seeds: seeds <= 5, judge=judge)
    assert asked == [
        ({"B": 3, "C": 3, "D": 3}, {}, 0.0044, ()),
        ({"B": 3, "C": 5, "D": 5}, {"B": "worse"}, 0.0064, (0.02,)),
    ]
    states = {name: (mine.state, mine.seeds, mine.due) for name, mine in found.items()}
    assert states == {"B": ("decided", 3, 0), "C": ("decided", 5, 0), "D": ("waiting", 5, 8)}


def test_an_equivalent_method_still_counts_in_the_correction():
    asked = []

    def judge(counts, settled, look):
        asked.append(set(settled))
        return look.spend, {
            0: Judged(result=None, verdict="equivalent"),
            1: Judged(result=None, verdict="undecided"),
            2: Judged(result=None, verdict="undecided", futile=True),
        }

    found = follow((3, 5), [0, 1, 2], ready=lambda *_: True, judge=judge)
    assert asked == [set(), set()]  # only better and worse leave the family
    assert [found[i].state for i in range(3)] == ["decided", "undecided", "stopped"]


def records(scores: dict[str, list[float]]):
    return [
        builders.final(method, seed, score)
        for method, values in scores.items()
        for seed, score in enumerate(values)
    ]


def noisy(level: float, seeds: int, scale: float = 1.0, shift: int = 0) -> list[float]:
    return [level + scale * NOISE[(seed + shift) % 12] for seed in range(seeds)]


def compared(scores, **changed):
    study = builders.study(list(scores), seeds=UNTIL, **changed)
    (found,) = comparisons(study, records(scores))
    return {result.method: result for result in found.results}


def test_only_undecided_methods_and_the_baseline_get_more_seeds():
    found = compared({"full": noisy(0.8, 3), "lora": noisy(0.5, 3, 0.9), "ia3": noisy(0.79, 3, 1, 5)})
    assert found["lora"].verdict == "worse"
    assert (found["lora"].decided_with_seeds, found["lora"].planned_seeds) == (3, (0, 1, 2))
    assert (found["ia3"].verdict, found["ia3"].decided_with_seeds) == ("undecided", None)
    assert found["ia3"].planned_seeds == found["full"].planned_seeds == (0, 1, 2, 3, 4)
    assert [found[name].status for name in ("full", "lora", "ia3")] == [
        "partial",
        "completed",
        "partial",
    ]
    assert "seeds 3, 4 were not run yet" in (found["ia3"].error or "")


def test_the_first_look_waits_for_all_of_its_seeds():
    found = compared({"full": noisy(0.8, 3), "lora": noisy(0.5, 2)})
    assert found["lora"].verdict == "undecided"
    assert "not complete" in (found["lora"].would_decide or "")
    assert found["lora"].planned_seeds == (0, 1, 2)


def test_a_decided_method_keeps_its_verdict_its_gap_and_its_seeds():
    before = compared({"full": noisy(0.8, 3), "lora": noisy(0.5, 3, 0.9)})["lora"]
    turned = [*noisy(0.5, 3, 0.9), *[0.95] * 9]
    after = compared({"full": noisy(0.8, 12), "lora": turned})["lora"]
    for key in ("verdict", "gap_mean", "gap_low", "gap_high", "p_adjusted", "decided_with_seeds"):
        assert getattr(after, key) == getattr(before, key), key
    assert len(after.seeds) == 12  # its score takes all seeds
    assert after.score_mean == pytest.approx(np.mean(turned))


def test_looks_are_judged_more_strictly_than_one_look():
    scores = {"full": noisy(0.80, 3), "lora": [0.766, 0.742, 0.764]}
    (fixed,) = comparisons(builders.study(list(scores), seeds=3), records(scores))
    once = fixed.results[1]
    assert 0.0179 < once.p_value < 0.05
    assert (once.verdict, once.decided_with_seeds) == ("worse", None)
    looked = compared(scores)["lora"]
    assert (looked.verdict, looked.p_value) == ("undecided", once.p_value)
    assert looked.proved_margin > once.proved_margin  # its equivalence test spends no more either


def test_a_method_that_seeds_will_hardly_decide_gets_no_more():
    wild = [0.80, 0.40, 0.95]
    found = compared({"full": noisy(0.8, 3), "lora": wild})
    assert found["lora"].verdict == "undecided"
    assert found["lora"].planned_seeds == found["full"].planned_seeds == (0, 1, 2)
    assert found["lora"].status == "completed"


def test_a_method_with_a_failed_seed_gets_no_more():
    scores = {"full": noisy(0.8, 3), "ia3": noisy(0.79, 3, 1, 5)}
    kept = [r for r in records(scores) if (r.trial.method, r.trial.seed) != ("ia3", 1)]
    kept.append(builders.ended("ia3", "failed", "out of memory", seed=1))
    (found,) = comparisons(builders.study(list(scores), seeds=UNTIL), kept)
    assert found.results[1].planned_seeds == found.results[0].planned_seeds == (0, 1, 2)
    assert found.results[1].verdict == "undecided"


def test_without_the_baseline_every_method_gets_the_first_seeds_only():
    found = compared({"lora": noisy(0.8, 3), "ia3": noisy(0.79, 3, 1, 5)}, baseline="full")
    assert {result.planned_seeds for result in found.values()} == {(0, 1, 2)}
    assert {result.verdict for result in found.values()} == {None}


def test_default_and_tuned_methods_are_families_of_their_own():
    """The tuned row is decided at the first look, the default row is not; both need the baseline."""
    better = {"learning_rate": 0.002}
    kept = records({"full": noisy(0.8, 3), "lora": noisy(0.79, 3, 1, 5)})
    kept += [builders.tuned("lora", number, 0.5 + number / 10) for number in (0, 1)]
    kept += [
        builders.final("lora", seed, score, hyperparameters=better)
        for seed, score in enumerate(noisy(0.5, 3, 0.9))
    ]
    (found,) = comparisons(builders.study(["full", "lora"], seeds=UNTIL), kept)
    rows = {(row.method, row.variant): row for row in found.results}
    assert len(rows) == 3
    assert (rows["lora", "tuned"].verdict, len(rows["lora", "tuned"].planned_seeds)) == ("worse", 3)
    assert (rows["lora", "default"].verdict, len(rows["lora", "default"].planned_seeds)) == (
        "undecided",
        5,
    )
    assert len(rows["full", "default"].planned_seeds) == 5
