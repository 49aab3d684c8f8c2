"""Which final trials follow a look, if methods get seeds until they are decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from whichpeft.analysis import Comparison, MethodResult, comparisons
from whichpeft.planning import Cell
from whichpeft.records import Record, Store
from whichpeft.running.resume import without_record
from whichpeft.study import Study, Trial, UntilDecided
from whichpeft.units import counted


@dataclass(frozen=True, slots=True)
class Round:
    """The final trials that follow a look, and what the look says."""

    trials: list[tuple[Trial, Cell]]
    """The trials, each with its cell; empty if no look follows."""

    line: str
    """How many methods are undecided, in words."""


@dataclass(frozen=True, slots=True)
class SeedCount:
    """How many seeds a cell gets."""

    least: int
    """Seeds that it has or is due."""

    most: int
    """Seeds that it may come to have."""


def next_round(study: Study, store: Store, cells: Sequence[Cell]) -> Round:
    """Return the trials of the earliest look that is not complete.

    Everything is computed from the records, so any process comes to the same trials.

    Parameters
    ----------
    study
        The study of the folder, whose seeds go until methods are decided.
    store
        The run folder.
    cells
        The cells that are tested now, default and tuned.
    """
    assert isinstance(study.seeds, UntilDecided)
    found = _compared(study, store)
    due = [(cell, result.planned_seeds) for cell, result in _matched(found, cells) if _missing(result)]
    seeds = min((len(planned) for _, planned in due), default=0)
    trials = {
        trial.fingerprint: (trial, cell)
        for cell, planned in due
        for trial in map(cell.final, planned[:seeds])
    }
    following = without_record(trials.values(), store)
    if not following:
        return Round([], _last_line(found, study.seeds))
    return Round(following, _line(found, study.seeds, seeds, len(following)))


def seed_counts(study: Study, store: Store, cells: Sequence[Cell]) -> dict[str, SeedCount]:
    """Return how many seeds each cell gets, by the fingerprint of its final trial with seed 0."""
    assert isinstance(study.seeds, UntilDecided)
    untested = SeedCount(study.seeds.start, study.seeds.at_most)
    counts: dict[str, SeedCount] = {}
    for comparison in _compared(study, store):
        waiting = any(map(_missing, comparison.results))
        for cell, result in _matched([comparison], cells):
            goes_on = _missing(result) or (waiting and result.verdict == "baseline")
            least = len(result.planned_seeds)
            most = study.seeds.at_most if goes_on else least
            name = cell.final(0).fingerprint
            known = counts.get(name, SeedCount(0, 0))
            counts[name] = SeedCount(max(least, known.least), max(most, known.most))
    names = [cell.final(0).fingerprint for cell in cells]
    return {name: counts.get(name, untested) for name in names}


def _compared(study: Study, store: Store) -> list[Comparison]:
    records = [record for record in store.each() if isinstance(record, Record)]
    return comparisons(study, records, predictions=store.predictions)


def _matched(found: Iterable[Comparison], cells: Sequence[Cell]) -> Iterator[tuple[Cell, MethodResult]]:
    """Yield each cell with its results; a search that keeps the default gives a cell two."""
    by_first: Mapping[str, Cell] = {cell.final(0).fingerprint: cell for cell in cells}
    for comparison in found:
        for result in comparison.results:
            first = result.records.finals.get(0)
            cell = None if first is None else by_first.get(first.trial.fingerprint)
            if cell is not None:
                yield cell, result


def _missing(result: MethodResult) -> bool:
    return any(seed not in result.records.finals for seed in result.planned_seeds)


def _verdicts(found: Iterable[Comparison]) -> list[MethodResult]:
    return [
        result
        for comparison in found
        for result in comparison.results
        if result.verdict not in (None, "baseline")
    ]


def _line(found: Sequence[Comparison], until: UntilDecided, seeds: int, trials: int) -> str:
    looks, judged = until.looks, _verdicts(found)
    undecided = [result for result in judged if result.verdict == "undecided"]
    be = "is" if len(undecided) == 1 else "are"
    return (
        f"look {looks.index(seeds)} of {len(looks)}: {len(undecided)} of {_counted(judged)} {be} still "
        f"undecided{_given_up(undecided, until)}; {counted(trials, 'more trial')}"
    )


def _last_line(found: Sequence[Comparison], until: UntilDecided) -> str:
    judged = _verdicts(found)
    if not judged:
        return f"no method can be compared with the baseline, so none gets more than {until.start} seeds"
    seeds = sorted({result.decided_with_seeds for result in judged if result.decided_with_seeds})
    decided = sum(result.decided_with_seeds is not None for result in judged)
    took = f", with {seeds[0]}{f' to {seeds[-1]}' if len(seeds) > 1 else ''} seeds" if seeds else ""
    be = "is" if decided == 1 else "are"
    left = _given_up([result for result in judged if result.verdict == "undecided"], until)
    return f"seeds until decided: {decided} of {_counted(judged)} {be} decided{took}{left}"


def _given_up(undecided: Sequence[MethodResult], until: UntilDecided) -> str:
    """Say how many methods get no more seeds, because these would not help."""
    count = sum(
        result.status == "completed" and len(result.planned_seeds) < until.at_most
        for result in undecided
    )
    return f" ({count} would hardly be decided by {until.at_most} seeds)" if count else ""


def _counted(judged: Sequence[MethodResult]) -> str:
    """Count methods, or verdicts if a method has several: by default and tuned, or on several tasks."""
    several = len({result.method for result in judged}) < len(judged)
    return counted(len(judged), "verdict" if several else "method")
