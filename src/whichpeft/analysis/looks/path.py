"""The path of a family of methods over several looks at a growing number of seeds.

After the first seeds, only methods that are undecided, and that more seeds could decide, get more, as
does the baseline. Whoever looks again and again finds a difference by chance in the end, so each look
spends a share of the error (see `spending`).

The path is computed from the records alone. A method that is decided keeps its verdict, its gap and
the number of seeds that they rest on, also if more seeds are run later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from whichpeft.analysis.looks.spending import spending
from whichpeft.analysis.statistics.gap import Verdict

T = TypeVar("T")

State = Literal["decided", "stopped", "waiting", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Judged(Generic[T]):
    """What one look says about a method."""

    result: T
    """The method's gap, verdict and whatever belongs to them."""

    verdict: Verdict | Literal["baseline"] | None
    """The verdict; None if the method cannot be compared."""

    futile: bool = False
    """Whether more seeds are hardly going to decide."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look of several."""

    seeds: tuple[int, ...]
    """Number of seeds at each look until this one."""

    earlier: tuple[float, ...]
    """Levels that the family was tested at before."""

    spends: tuple[float, ...]
    """Probability with which each look until this one may err if no earlier one did."""

    @property
    def spend(self) -> float:
        """Return the probability with which this look may err if no earlier one did."""
        return self.spends[-1]


@dataclass(kw_only=True)
class Standing(Generic[T]):
    """Where a method stands after the looks that were possible."""

    seeds: int = 0
    """Number of seeds that it was judged with; 0 before its first look."""

    judged: Judged[T] | None = None
    """What its last look says."""

    due: int = 0
    """Number of seeds that it is to have at its next look; 0 if there is none."""

    state: State = "waiting"
    """``decided``; ``stopped``, as more seeds would not help; ``waiting`` for the seeds that are due;
    or ``undecided`` after the last look."""


def follow(
    looks: Sequence[int],
    methods: Sequence[int],
    *,
    ready: Callable[[int, int], bool],
    judge: Callable[
        [Mapping[int, int], Mapping[int, Verdict], Look], tuple[float, Mapping[int, Judged[T]]]
    ],
) -> dict[int, Standing[T]]:
    """Follow one family of methods from look to look, as far as their trials go.

    A method that misses trials of a look waits there; the others continue.

    Parameters
    ----------
    looks
        Number of seeds at each look.
    methods
        The methods of the family without the baseline, by number.
    ready
        Whether a method, and the baseline, have ended their trials on this many first seeds.
    judge
        Judges the family at one look. Gets how many seeds of each method count, the verdicts of methods
        that are better or worse already and need no test, and the look. Returns the level that the
        family was tested at, and what it says of each method. All that are not settled are in the
        family, also those that got no more seeds, so that every method that may be equal counts.
    """
    standing: dict[int, Standing[T]] = {method: Standing() for method in methods}
    going = list(methods)
    earlier: tuple[float, ...] = ()
    spends = tuple(spending(looks))
    for place, seeds in enumerate(looks):
        here = [method for method in going if ready(method, seeds)]
        for method in going:
            if method not in here:
                standing[method].due = seeds
        if not here:
            break
        counts = {method: seeds if method in here else standing[method].seeds for method in methods}
        settled: dict[int, Verdict] = {
            method: found.judged.verdict
            for method, found in standing.items()
            if found.judged is not None and found.judged.verdict in ("better", "worse")
        }
        look = Look(seeds=tuple(looks[: place + 1]), earlier=earlier, spends=spends[: place + 1])
        level, found = judge(counts, settled, look)
        earlier = (*earlier, level)
        going = []
        for method in here:
            mine, now = standing[method], found[method]
            mine.seeds, mine.judged = seeds, now
            if now.verdict != "undecided":
                mine.state = "stopped" if now.verdict is None else "decided"
            elif now.futile:
                mine.state = "stopped"
            elif place == len(looks) - 1:
                mine.state = "undecided"
            else:
                going.append(method)
    return standing
