"""Seeds of a study: the same ones for every method, or as many as it takes to decide."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TypeGuard

from whichpeft.errors import StudyError, unknown

AUTO = "auto"
"""Stands for `UntilDecided` with its defaults."""

_GROWTH = 1.6  # of the seeds from one look to the next, about


@dataclass(frozen=True, kw_only=True, slots=True)
class UntilDecided:
    """More seeds for the methods that are not decided yet: 0, 1, 2, ..., to an upper limit.

    Parameters
    ----------
    start
        Seeds that every method gets.
    at_most
        Seeds that a method gets if it stays undecided.

    Raises
    ------
    StudyError
        If a number is too small.
    """

    start: int = 3
    at_most: int = 12

    def __post_init__(self) -> None:
        for key, least in (("start", 2), ("at_most", self.start)):
            value = getattr(self, key)
            if not _is_whole(value):
                raise StudyError(f"seeds: {key} is {value!r}; it has to be a whole number")
            if value < least:
                why = "the variation between seeds takes two" if key == "start" else "start is that many"
                raise StudyError(f"seeds: {key} is {value}; it has to be {least} or more: {why}")

    @property
    def looks(self) -> tuple[int, ...]:
        """Number of seeds at each look, about 1.6 times those at the look before."""
        growth = self.at_most / self.start
        steps = max(1, round(math.log(growth) / math.log(_GROWTH)))
        return tuple(sorted({round(self.start * growth ** (k / steps)) for k in range(steps + 1)}))

    def __str__(self) -> str:
        return f"{self.start} to {self.at_most} until decided"


Seeds = tuple[int, ...] | UntilDecided
"""The seeds of every method, or those that a method gets until it is decided."""


def read_seeds(given: object) -> Seeds:
    """Return the seeds that a user asks for: a number, a list, ``auto``, or its start and at_most."""
    if isinstance(given, UntilDecided):
        return given
    if given == AUTO:
        return UntilDecided()
    if isinstance(given, Mapping):
        known = [field.name for field in fields(UntilDecided)]
        for key in given:
            if key not in known:
                raise StudyError(f"seeds: {unknown('key', str(key), known)}")
        return UntilDecided(**given)
    listed = range(given) if _is_whole(given) else given
    if isinstance(listed, Iterable) and not isinstance(listed, str):
        found = tuple(listed)
        if all(map(_is_whole, found)):
            return found
    raise StudyError(
        f"seeds is {given!r}; give a number, a list of whole numbers, {AUTO}, or start and at_most"
    )


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def all_seeds(seeds: Seeds) -> tuple[int, ...]:
    """Return every seed that a method may get."""
    return tuple(range(seeds.at_most)) if isinstance(seeds, UntilDecided) else seeds


def first_seeds(seeds: Seeds) -> tuple[int, ...]:
    """Return the seeds that every method gets."""
    return tuple(range(seeds.start)) if isinstance(seeds, UntilDecided) else seeds


def join_seeds(kept: Seeds, now: Seeds) -> Seeds:
    """Return the seeds of a study that another one extends.

    Until methods are decided, whichever was asked for last, unless there are seeds beyond its limit.
    """
    if isinstance(now, UntilDecided):
        fits = isinstance(kept, UntilDecided) or set(kept) <= set(all_seeds(now))
        return now if fits else kept
    if isinstance(kept, UntilDecided) and set(now) <= set(all_seeds(kept)):
        return kept
    return tuple(sorted({*first_seeds(kept), *now}))


def written_seeds(seeds: Seeds) -> list[int] | dict[str, int]:
    """Return seeds as a study file has them."""
    return asdict(seeds) if isinstance(seeds, UntilDecided) else list(seeds)
