"""Seeds until decided, by simulation with known truth: how often verdicts are wrong, and what they cost.

A rule judges a family at one look. `simulate` takes it as an argument, so that rules can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from whichpeft.analysis.looks.judging import FUTILE, last_chance
from whichpeft.analysis.looks.path import Judged, Look, follow
from whichpeft.analysis.looks.spending import equivalence_level, look_level
from whichpeft.analysis.statistics.gap import Levels, Verdict, gap_of
from whichpeft.analysis.statistics.together import MethodsTogether

LOOKS = (3, 5, 8, 12)
MARGIN = 2.0  # points
SEED, SPREAD, TEST_SET, GAP = 0.8, 0.3, 0.7, 3.0
"""In points: deviation of a method's seeds, the spread of its logarithm between methods, the standard
error of a gap by the test set, and the true gap of the methods that differ."""
EXAMPLES = 60
DRAWS = 2000
STUDIES = 400
"""Of a family-wise error, which they show to within 1.1 points."""

Rule = Callable[
    [np.ndarray, Mapping[int, int], Mapping[int, Verdict], Look, Sequence[int]],
    tuple[float, dict[int, Judged[None]]],
]
"""Judges methods 1, 2, ... with method 0 as the baseline. Gets scores of shape (methods, seeds,
examples), how many seeds of each method count, the verdicts of those that differ already, the look, and
the seeds at all looks."""


def together(
    scores: np.ndarray,
    counts: Mapping[int, int],
    settled: Mapping[int, Verdict],
    look: Look,
    looks: Sequence[int],
) -> tuple[float, dict[int, Judged[None]]]:
    """Judge methods as `whichpeft run` does."""
    seeds = [max(counts.values()), *(counts[method] for method in sorted(counts))]
    own = [scores[method][:count] for method, count in enumerate(seeds)]
    family = MethodsTogether(own, [range(count) for count in seeds]).against(
        0,
        rng=np.random.default_rng(0),
        draws=DRAWS,
        level=look.spend,
        settled=[method in settled for method in range(len(seeds))],
    )
    known = [gap for m, gap in enumerate(family.gaps) if gap is not None and m not in settled]
    level = look_level(
        known, look.seeds, look.earlier, look.spend, rng=np.random.default_rng(0), draws=DRAWS
    )
    each = family.level * level / look.spend
    found = {}
    for method in counts:
        effects = family.gaps[method]
        assert effects is not None
        equivalence = equivalence_level(
            effects, look.seeds, look.spends, rng=np.random.default_rng(0), draws=DRAWS
        )
        p_adjusted = family.p_adjusted[method]
        gap = gap_of(effects, margin=MARGIN, p_adjusted=p_adjusted, levels=Levels(level, equivalence))
        levels = Levels(each, equivalence)
        chance = last_chance(effects, looks, margin=MARGIN, levels=levels, spend=look.spend)
        found[method] = Judged(result=None, verdict=gap.verdict, futile=chance < FUTILE)
    return level, found


@dataclass(frozen=True)
class Found:
    """Shares of simulated studies."""

    wrong_family: float
    """Studies with any verdict of better or worse on a method that is equal to the baseline."""

    wrong_equivalent: float
    """Methods a margin or more from the baseline that are called equivalent."""

    power: float
    """Methods that differ from the baseline with a verdict that says so, or with ``equivalent`` if they
    are within the margin."""

    trials: float
    """Final trials of a study, those of the baseline included, as a share of twelve seeds for all."""


def simulate(
    rule: Rule,
    gaps: Sequence[float],
    *,
    looks: Sequence[int] = LOOKS,
    studies: int,
    seed: int,
    spread: float = SPREAD,
) -> Found:
    """Simulate studies whose methods differ from the baseline by `gaps`, in points.

    With one look the design is fixed.
    """
    rng = np.random.default_rng(seed)
    wrong_family, equivalent, power, trials = 0, 0, 0, 0
    for _ in range(studies):
        deviations = SEED * np.exp(spread * rng.standard_normal(len(gaps) + 1))
        by_seed = deviations[:, None] * rng.standard_normal((len(gaps) + 1, looks[-1]))
        by_example = (
            TEST_SET * math.sqrt(EXAMPLES / 2) * rng.standard_normal((len(gaps) + 1, 1, EXAMPLES))
        )
        rest = 0.5 * rng.standard_normal((len(gaps) + 1, looks[-1], EXAMPLES))
        scores = np.array([0.0, *gaps])[:, None, None] + by_seed[:, :, None] + by_example + rest

        standing = follow(
            looks,
            range(1, len(gaps) + 1),
            ready=lambda method, count: True,
            judge=lambda counts, settled, look, own=scores: rule(own, counts, settled, look, looks),
        )
        verdicts = {method: mine.judged.verdict for method, mine in standing.items() if mine.judged}
        differ = {m for m, verdict in verdicts.items() if verdict in ("better", "worse")}
        wrong_family += any(gaps[m - 1] == 0 for m in differ)
        equivalent += sum(v == "equivalent" and abs(gaps[m - 1]) >= MARGIN for m, v in verdicts.items())
        power += sum(
            gaps[m - 1] != 0 and (m in differ or (v == "equivalent" and abs(gaps[m - 1]) < MARGIN))
            for m, v in verdicts.items()
        )
        seeds = [mine.seeds for mine in standing.values()]
        trials += sum(seeds) + max(seeds)
    apart = sum(abs(gap) >= MARGIN for gap in gaps)
    true = sum(gap != 0 for gap in gaps)
    return Found(
        wrong_family=wrong_family / studies,
        wrong_equivalent=equivalent / (studies * apart) if apart else 0.0,
        power=power / (studies * true) if true else 0.0,
        trials=trials / (studies * 12 * (len(gaps) + 1)),
    )


ALL, HALF, NONE = [-GAP] * 8, [0.0] * 4 + [-GAP] * 4, [0.0] * 8
VARIED = [-1.0, -1.5, -2.0, -2.5, -3.0, -5.0, -12.0, -16.0]
"""Gaps as in the bundled study, from one that twelve seeds hardly find to one that three show."""


def error_of(share: float, count: int) -> float:
    """Return the Monte Carlo error of a share."""
    return math.sqrt(max(share * (1 - share), 1 / count) / count)


def test_a_few_studies_have_few_errors_and_save_trials() -> None:
    """A quick look at what the slow tests hold; 40 studies show a share to within 4 points."""
    found = simulate(together, HALF, studies=40, seed=3)
    assert found.wrong_family <= 0.15
    assert found.wrong_equivalent <= 0.02
    assert found.power > 0.7
    assert simulate(together, ALL, studies=40, seed=3).trials < 0.7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gaps", "spread"),
    [(NONE, 0.0), (NONE, 0.6), (HALF, 0.3), (NONE[:2], 0.3)],
    ids=["none", "none, unlike variances", "half", "two"],
)
def test_the_family_wise_error_stays_at_five_per_cent(gaps: list[float], spread: float) -> None:
    found = simulate(together, gaps, studies=STUDIES, seed=11, spread=spread)
    print(f"{found} +- {error_of(found.wrong_family, STUDIES):.4f}")
    assert found.wrong_family <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / STUDIES)


@pytest.mark.slow
def test_a_method_at_the_edge_of_the_margin_is_rarely_called_equivalent() -> None:
    found = simulate(together, [MARGIN] * 8, studies=250, seed=12)
    assert found.wrong_equivalent <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [ALL, VARIED], ids=["equal gaps", "varied gaps"])
def test_looks_find_what_twelve_seeds_find_with_two_thirds_of_their_trials(gaps: list[float]) -> None:
    found = simulate(together, gaps, studies=250, seed=13)
    twelve = simulate(together, gaps, studies=250, seed=13, looks=(12,))
    print(f"{found}; twelve seeds: {twelve} +- {error_of(twelve.power, 250 * len(gaps)):.4f}")
    assert found.trials <= 0.65
    assert found.power >= twelve.power - 0.015
