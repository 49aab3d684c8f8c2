"""What would decide a comparison that stayed undecided: more seeds, or more test examples.

The variance components and the gap are taken as they were estimated; a study of another size is
then one whose mean has another variance. "Decides" means any verdict but undecided, with 80 %
probability. So it is a plan, not a promise: a gap that is truly smaller needs more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from whichpeft.analysis.statistics.behrens_fisher import near_half_width
from whichpeft.analysis.statistics.random_effects import VarianceComponents

POWER = 0.80
MOST_SEEDS = 1000
MOST_EXAMPLES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What would decide with 80 % probability.

    seeds: that many decide on these test examples, or None where no number up to 1,000 does.
    examples: then that many test examples, with `seeds_for_examples` seeds, or None where a million
    would not do either. sentence: the same in words, without a full stop.
    """

    seeds: int | None = None
    examples: int | None = None
    seeds_for_examples: int | None = None
    sentence: str


def what_decides(
    effects: VarianceComponents, *, margin: float, level: float = 0.05, examples: int | None = None
) -> Needed:
    """Return what would decide between two methods.

    effects: of their differences; margin in the same unit. level: of the two-sided test of a
    difference, smaller than 0.05 where several methods are compared at once. examples: how many
    there are where `effects` was taken from groups of them.
    """
    if effects.seeds < 2:
        return Needed(sentence="one seed cannot tell how much seeds differ: run at least 3")
    if not effects.has_error_estimate:
        return Needed(
            sentence="seeds agree exactly and scores are not known by example, so nothing can be told: "
            "keep predictions or run more seeds"
        )

    def power(seeds: int, units: int | None) -> float:
        return decided(effects, seeds, units, margin=margin, level=level)

    return _needed(power, effects, examples)


def what_proves(effects: VarianceComponents, *, margin: float) -> Needed:
    """Return what would prove a method not worse than another by more than the margin.

    effects: of the method's scores minus the other's; margin in the same unit.
    """

    def power(seeds: int, units: int | None) -> float:
        return proved(effects, seeds, units, margin=margin)

    return _needed(power, effects, None)


def _needed(
    power: Callable[[int, int | None], float], effects: VarianceComponents, examples: int | None
) -> Needed:
    """Look for the study that decides, given how probable that is with so many seeds and examples."""
    found = _fewest(lambda seeds: power(seeds, effects.examples), effects.seeds + 1, MOST_SEEDS)
    if found is not None:
        return Needed(seeds=found, sentence=f"{found:,} seeds would decide")
    if effects.examples is None:
        return Needed(sentence=f"{MOST_SEEDS:,} seeds would not decide")
    a_unit = (examples or effects.examples) / effects.examples
    beside = effects.seeds
    while beside <= MOST_SEEDS:
        units = _fewest(partial(power, beside), effects.examples + 1, int(MOST_EXAMPLES / a_unit))
        if units is not None:
            count = _rounded(units * a_unit)
            more = "" if beside == effects.seeds else f" with {beside:,} seeds"
            return Needed(
                examples=count,
                seeds_for_examples=beside,
                sentence=f"no number of seeds decides: about {count:,} test examples{more} would",
            )
        beside *= 2
    return Needed(
        sentence=f"neither {MOST_SEEDS:,} seeds nor {MOST_EXAMPLES:,} test examples would decide"
    )


def decided(
    effects: VarianceComponents, seeds: int, examples: int | None, *, margin: float, level: float = 0.05
) -> float:
    """Return how probable a verdict is with so many seeds and examples, if the estimates are true."""
    from scipy.special import ndtr

    seed_part, example_part, df = _parts(effects, seeds, examples)
    error = (seed_part + example_part) ** 0.5
    if not error:
        return 1.0
    different = near_half_width(level, seeds=seed_part, examples=example_part, df=df)
    within = margin - near_half_width(0.10, seeds=seed_part, examples=example_part, df=df)
    gap = abs(effects.mean)
    if within >= different:
        return 1.0
    chance = float(ndtr((gap - different) / error) + ndtr((-gap - different) / error))
    if within > 0:
        chance += float(ndtr((within - gap) / error) - ndtr((-within - gap) / error))
    return chance


def proved(effects: VarianceComponents, seeds: int, examples: int | None, *, margin: float) -> float:
    """Return how probable it is to prove the mean above minus the margin, if the estimates are true."""
    from scipy.special import ndtr

    seed_part, example_part, df = _parts(effects, seeds, examples)
    above = effects.mean + margin - near_half_width(0.10, seeds=seed_part, examples=example_part, df=df)
    error = (seed_part + example_part) ** 0.5
    return float(ndtr(above / error)) if error else float(above >= 0)


def _parts(
    effects: VarianceComponents, seeds: int, examples: int | None
) -> tuple[float, float, tuple[int, int]]:
    """Return a mean's variance by seeds and by examples in a study of that size, and their df."""
    seed, example, rest = effects.variances
    seed_part = (seed + rest / (examples or 1)) / seeds
    example_part = example / examples if examples else 0.0
    return seed_part, example_part, (seeds - 1, max((examples or 1) - 1, 1))


def _fewest(probability: Callable[[int], float], low: int, high: int) -> int | None:
    """Return the smallest count that decides, between two counts; more is taken to decide better."""
    if low > high or probability(high) < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        if probability(middle) >= POWER:
            high = middle
        else:
            low = middle + 1
    return low


def _rounded(count: float) -> int:
    """Round to two digits: an estimate is not known better."""
    return int(float(f"{count:.1e}"))
