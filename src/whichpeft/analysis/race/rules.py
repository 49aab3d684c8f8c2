"""What a race is bounded by, apart from its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from whichpeft.analysis.choice.constraints import Constraints, read_constraints
from whichpeft.records.race import StageName
from whichpeft.study import AutoOptions, Study, UntilDecided

SCREENED = (0.40, 0.50, 0.57)
"""Share of a bound that may be spent by the end of the screen to each rung."""

UNTIL: Mapping[StageName, float] = {"audit": 0.59, "widen": 0.60, "finals": 1.0}
"""The same for the other stages. What a stage leaves goes to those after it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceRules:
    """The rules of a race. The same rules and rung scores always give the same stages."""

    baseline: str
    """The method that always races to the end, so that gaps have a reference."""

    candidates: int = 8
    """Most candidates of a method, its default included."""

    finalists: int = 6
    """Most methods in the finals, the baseline not counted."""

    audited: int = 5
    """How many dropped methods are trained to the end anyway."""

    margin: float = 0.02
    """The margin of the choice, a fraction."""

    chance: float | None = None
    """Score of the best constant prediction, a fraction; None if the metric has none."""

    looks: tuple[int, ...] = (3, 5, 8)
    """Number of seeds at each look of the finals."""

    seed: int = 0
    """Draws the methods that are audited."""


Afford = Callable[[StageName, int], int | None]
"""Returns how many arms can be paid for in a stage that ends after some steps; None for any number."""


def constraints_of(study: Study) -> Constraints:
    """Return what the chosen method of a race has to fit. Raises StudyError if a limit is not one."""
    options = study.auto or AutoOptions()
    return read_constraints(**options.limits, by=options.by, margin=options.margin)


def rules_of(study: Study, chance: float | None) -> RaceRules:
    """Return the rules of a study's race; `chance` is the score of guessing, a fraction."""
    options, seeds = study.auto or AutoOptions(), study.seeds
    return RaceRules(
        baseline=study.baseline,
        candidates=options.candidates,
        finalists=options.finalists,
        margin=options.margin / 100,
        chance=chance,
        looks=seeds.looks if isinstance(seeds, UntilDecided) else (len(seeds),),
    )
