"""Number of seeds or test examples that would decide an undecided comparison.

The variance components and the gap are taken as estimated; in a study of another size the mean then
has another variance. "Decide" means any verdict but undecided, with 80 % probability. The result is
a plan and not a promise: a gap that is truly smaller needs more data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from whichpeft.analysis.statistics.mean_error import near_half_width
from whichpeft.analysis.statistics.random_effects import VarianceComponents

POWER = 0.80
"""Probability with which a verdict has to be reached."""

MOST_SEEDS = 1000
"""Highest number of seeds that is considered."""

MOST_EXAMPLES = 1_000_000
"""Highest number of test examples that is considered."""


@dataclass(frozen=True, kw_only=True)
class Needed:
    """The data that would decide with 80 % probability."""

    seeds: int | None = None
    """Number of seeds that decide on these test examples; None if `MOST_SEEDS` do not."""

    examples: int | None = None
    """Number of test examples that decide if no number of seeds does; None if `MOST_EXAMPLES` do not."""

    seeds_for_examples: int | None = None
    """Number of seeds that go with `examples`."""

    sentence: str
    """The same in words, without a full stop."""


def what_decides(
    effects: VarianceComponents, *, margin: float, level: float = 0.05, examples: int | None = None
) -> Needed:
    """Return the data that would decide between two methods.

    Parameters
    ----------
    effects
        Variance components of the differences of their scores.
    margin
        The gap within which methods count as equivalent, in the unit of the scores.
    level
        Level of the two-sided test of a difference; below 0.05 if several methods are compared.
    examples
        Number of test examples if `effects` comes from groups of them.
    """
    if effects.seeds < 2:
        return Needed(sentence="with one seed the variation between seeds is unknown: run at least 3")
    if not effects.has_error_estimate:
        return Needed(
            sentence="all seeds agree exactly and scores are not known by example, so the error is "
            "unknown: keep predictions or run more seeds"
        )

    def power(seeds: int, units: int | None) -> float:
        return decided(effects, seeds, units, margin=margin, level=level)

    return _needed(power, effects, examples)


def what_proves(effects: VarianceComponents, *, margin: float, level: float = 0.05) -> Needed:
    """Return the data that would prove a method not worse than another by more than the margin.

    Parameters
    ----------
    effects
        Variance components of the method's scores minus the other's.
    margin
        In the unit of the scores.
    level
        Level of the one-sided test.
    """

    def power(seeds: int, units: int | None) -> float:
        return proved(effects, seeds, units, margin=margin, level=level)

    return _needed(power, effects, None)


def _needed(
    power: Callable[[int, int | None], float], effects: VarianceComponents, examples: int | None
) -> Needed:
    """Find the smallest study that decides; `power` maps seeds and examples to a probability."""
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
    effects: VarianceComponents,
    seeds: int,
    examples: int | None,
    *,
    margin: float,
    level: float = 0.05,
    equivalence: float = 0.05,
) -> float:
    """Return the probability of a verdict in a study of that size, if the estimates are true.

    Differences are tested at `level`, equivalence at `equivalence`.
    """
    from scipy.special import ndtr

    seed_part, example_part, df = _parts(effects, seeds, examples)
    error = (seed_part + example_part) ** 0.5
    if not error:
        return 1.0
    different = near_half_width(level, seeds=seed_part, examples=example_part, df=df)
    within = margin - near_half_width(2 * equivalence, seeds=seed_part, examples=example_part, df=df)
    gap = abs(effects.mean)
    if within >= different:
        return 1.0
    chance = float(ndtr((gap - different) / error) + ndtr((-gap - different) / error))
    if within > 0:
        chance += float(ndtr((within - gap) / error) - ndtr((-within - gap) / error))
    return chance


def proved(
    effects: VarianceComponents,
    seeds: int,
    examples: int | None,
    *,
    margin: float,
    level: float = 0.05,
) -> float:
    """Return the probability of proving the mean above minus the margin, if the estimates are true."""
    from scipy.special import ndtr

    seed_part, example_part, df = _parts(effects, seeds, examples)
    half = near_half_width(2 * level, seeds=seed_part, examples=example_part, df=df)
    above = effects.mean + margin - half
    error = (seed_part + example_part) ** 0.5
    return float(ndtr(above / error)) if error else float(above >= 0)


def _parts(
    effects: VarianceComponents, seeds: int, examples: int | None
) -> tuple[float, float, tuple[float, float]]:
    """Return the mean's variances by seeds and by examples in a study of that size, and their df."""
    seed, example, rest = effects.variances
    seed_part = (seed + rest / (examples or 1)) / seeds
    example_part = example / examples if examples else 0.0
    # What several methods show grows with the seeds of each.
    known = effects.degrees[0] * (seeds - 1) / (effects.seeds - 1)
    return seed_part, example_part, (known, max((examples or 1) - 1, 1))


def _fewest(probability: Callable[[int], float], low: int, high: int) -> int | None:
    """Return the smallest deciding count in a range, assuming that the probability never falls."""
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
    """Round to two digits, since an estimate is not more precise."""
    return int(float(f"{count:.1e}"))
