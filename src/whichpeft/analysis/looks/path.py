"""The path of a family of methods over several looks at a growing number of seeds.

After the first seeds, only methods that are undecided, and that more seeds could decide, get more, as
does the baseline. Whoever looks again and again finds a difference by chance in the end, so each look
spends a share of the error (Lan and DeMets 1983, with spending of Pocock's type): after a share t of
the seeds, ``5 % * ln(1 + (e - 1) t)`` is spent. A look is tested at what it adds. The errors of all
looks therefore add up to 5 %, however the looks depend on each other, for differences of a whole
family of methods and for each method's equivalence.

The path is computed from the records alone. A method that is decided keeps its verdict, its gap and
the number of seeds that they rest on, also if more seeds are run later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from whichpeft.analysis.statistics.gap import LEVEL, Verdict

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


def levels(looks: Sequence[int], level: float = LEVEL) -> list[float]:
    """Return the level of each look: what it adds to the error that is spent until then."""
    spent = [level * math.log1p((math.e - 1) * seeds / looks[-1]) for seeds in looks]
    return [now - before for now, before in zip(spent, [0.0, *spent], strict=False)]


def follow(
    looks: Sequence[int],
    methods: Sequence[int],
    *,
    ready: Callable[[int, int], bool],
    judge: Callable[[Mapping[int, int], Mapping[int, Verdict], float], Mapping[int, Judged[T]]],
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
        that are better or worse already and need no test, and the level. All others are in the family,
        also those that got no more seeds, so the correction counts every method that may be equal.
    """
    standing: dict[int, Standing[T]] = {method: Standing() for method in methods}
    going = list(methods)
    for place, (seeds, level) in enumerate(zip(looks, levels(looks), strict=True)):
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
        found = judge(counts, settled, level)
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
