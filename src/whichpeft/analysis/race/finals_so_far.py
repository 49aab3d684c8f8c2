"""How far the finals of a race are, from its decisions and its records."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from whichpeft.records.race import Race, Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalsSoFar:
    """The looks of the finals that are complete. Only their seeds count for what is proved."""

    looks: tuple[int, ...]
    """Number of seeds at each look until now; empty if the first one is not complete."""

    planned: tuple[int, ...]
    """Number of seeds at each look that was planned."""

    seeds: Mapping[str, int]
    """By finalist, the number of seeds of its last complete look.

    If no look is complete, these are the first seeds that all finalists have, and nothing is proved.
    """

    @property
    def left(self) -> tuple[int, ...]:
        """Return the number of seeds at each look that is still to come."""
        return self.planned[len(self.looks) :]


def finals_so_far(race: Race | None, ended: Mapping[str, Collection[int]]) -> FinalsSoFar | None:
    """Return how far the finals are; None if there is no race, or no finals yet.

    A look is complete if every arm has ended its trials on all seeds of it, and none was cut off.

    Parameters
    ----------
    race
        The decisions of the race.
    ended
        By method, the seeds of the final trials that have ended, whatever came of them.
    """
    stages = [] if race is None else [stage for stage in race.stages if stage.name == "finals"]
    if race is None or not stages:
        return None
    shared = _shared_seeds(stages[0], ended)
    seeds = {arm.method: shared for arm in stages[0].arms}
    looks: list[int] = []
    for stage in stages:
        if not _is_complete(stage, ended):
            break
        looks.append(len(stage.seeds))
        seeds |= {arm.method: len(stage.seeds) for arm in stage.arms}
    return FinalsSoFar(looks=tuple(looks), planned=race.looks, seeds=seeds)


def _shared_seeds(stage: Stage, ended: Mapping[str, Collection[int]]) -> int:
    """Return how many first seeds all arms of a look have, or all of them if there is none."""
    done = [set(ended.get(arm.method, ())) for arm in stage.arms]
    count = 0
    while count < len(stage.seeds) and all(stage.seeds[count] in own for own in done):
        count += 1
    return count or len(stage.seeds)


def _is_complete(stage: Stage, ended: Mapping[str, Collection[int]]) -> bool:
    return not stage.cut and all(
        set(stage.seeds) <= set(ended.get(arm.method, ())) for arm in stage.arms
    )
