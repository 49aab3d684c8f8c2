"""Seeds until decided: verdicts over several looks at a growing number of seeds.

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
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from whichpeft.analysis.comparable_groups import MethodRecords, Variant
from whichpeft.analysis.example_scores import ScoresByExample
from whichpeft.analysis.families import TestedGap
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.relations import baseline_of, relate_scores
from whichpeft.analysis.statistics.gap import LEVEL, Verdict
from whichpeft.analysis.statistics.power import decided
from whichpeft.analysis.status import status_of
from whichpeft.analysis.verdicts import give_verdicts
from whichpeft.study import UntilDecided

T = TypeVar("T")

FUTILE = 0.10
"""A method gets no more seeds if the last look would decide it with less than this probability."""

_JUDGED = (
    "gap_mean", "gap_low", "gap_high", "retention_percent", "p_value", "p_adjusted",
    "seed_degrees_of_freedom", "verdict", "proved_margin", "would_decide",
)  # fmt: skip
"""What a result keeps from the look that judged it."""

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


def judge_at_looks(
    results: Sequence[MethodResult],
    at: Mapping[Variant, int],
    scores: ScoresByExample,
    *,
    until: UntilDecided,
    margin: float,
) -> list[MethodResult]:
    """Return the results with verdicts from the looks, and with the seeds that each method is due.

    Parameters
    ----------
    results
        One result per method, related to the baseline on all seeds that there are.
    at
        The baseline's place by variant.
    scores
        What the trials scored on each test example.
    until
        When to look.
    margin
        The gap, as a fraction, within which methods count as equivalent.
    """
    found = list(results)
    for variant in dict.fromkeys(result.variant for result in results):
        base = baseline_of(variant, at)
        if base is None:
            continue
        family = [i for i, own in enumerate(results) if own.variant == variant and i not in at.values()]
        standing = _family_standing(results, family, base, at, scores, until=until, margin=margin)
        for i, mine in standing.items():
            found[i] = _as_judged(results[i], mine, until)
        due = max((mine.due for mine in standing.values()), default=0)
        used = max((mine.seeds for mine in standing.values()), default=0)
        if max(due, used) > len(found[base].planned_seeds):
            found[base] = _planned(found[base], max(due, used))
    return found


def _family_standing(
    results: Sequence[MethodResult],
    family: Sequence[int],
    base: int,
    at: Mapping[Variant, int],
    scores: ScoresByExample,
    *,
    until: UntilDecided,
    margin: float,
) -> dict[int, Standing[MethodResult]]:
    looks = until.looks
    last = levels(looks)[-1]

    def ready(method: int, seeds: int) -> bool:
        return all(set(range(seeds)) <= set(results[i].records.finals) for i in (method, base))

    def judge(
        counts: Mapping[int, int], settled: Mapping[int, Verdict], level: float
    ) -> dict[int, Judged[MethodResult]]:
        now = max(counts.values())
        cut = []
        for i, result in enumerate(results):
            if i == base:
                result = replace(result, records=_first(result.records, now))
            elif i in counts:
                records = _first(result.records, counts[i])
                result = replace(result, records=records, verdict=settled.get(i))
            elif result.verdict is None:  # of another family, which is judged on its own
                result = replace(result, verdict="undecided")
            cut.append(result)
        related, gaps, _ = relate_scores(cut, at, scores, error=level)
        judged = give_verdicts(related, gaps, margin=margin, error=level)
        return {
            i: Judged(
                result=judged[i],
                verdict=judged[i].verdict,
                futile=any(_has_failed(cut[j].records, now) for j in (i, base))
                or _is_futile(gaps[i], until, margin=margin, share=last / level),
            )
            for i in family
        }

    return follow(looks, family, ready=ready, judge=judge)


def _is_futile(gap: TestedGap | None, until: UntilDecided, *, margin: float, share: float) -> bool:
    """Return whether the last look, at `share` of this look's level, would hardly decide."""
    if gap is None or not gap.effects.has_error_estimate:
        return False
    effects = gap.effects
    level = gap.level * share
    return decided(effects, until.at_most, effects.examples, margin=margin, level=level) < FUTILE


def _first(records: MethodRecords, seeds: int) -> MethodRecords:
    """Return the records without the final trials beyond the first seeds."""
    return replace(
        records, finals={seed: final for seed, final in records.finals.items() if seed < seeds}
    )


def _has_failed(records: MethodRecords, seeds: int) -> bool:
    done = {record.trial.seed for record in records.completed}
    return not set(range(seeds)) <= done


def _as_judged(
    result: MethodResult, standing: Standing[MethodResult], until: UntilDecided
) -> MethodResult:
    """Return a result with what its last look says, and the seeds that it is due."""
    if standing.judged is not None:
        judged = standing.judged.result
        result = replace(result, **{name: getattr(judged, name) for name in _JUDGED})
    elif result.gap_mean is not None:
        waits = f"the first look, at {until.start} seeds, is not complete"
        result = replace(result, verdict="undecided", would_decide=waits)
    if standing.state == "decided":
        result = replace(result, decided_with_seeds=standing.seeds)
    return _planned(result, max(standing.seeds, standing.due))


def _planned(result: MethodResult, seeds: int) -> MethodResult:
    """Return a result whose method is to have this many seeds."""
    planned = tuple(range(seeds))
    status, error = status_of(result.records, planned)
    return replace(result, planned_seeds=planned, status=status, error=error)
