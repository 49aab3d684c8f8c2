"""The tuning trials of several searches, each as soon as the one before it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from whichpeft.engine import Job
from whichpeft.planning import Cell, Search, bar, rungs
from whichpeft.records import Store
from whichpeft.stage import Stage, make_job
from whichpeft.study import Trial


def jobs_of(
    searches: Sequence[Search],
    store: Store,
    stage: Stage,
    *,
    beside: int,
    first: Callable[[Cell], float],
) -> Iterator[Job | None]:
    """Yield what the searches lack, to be run side by side; None while every search waits.

    Within a search trials follow each other, since what one has to reach depends on those before;
    searches run beside each other, and never depend on one another, since one method's scores say
    nothing about another's. The search with most left goes first, by the seconds that `first` tells
    of a trial of its cell.
    """
    kept = store.fingerprints()
    left = {
        i: [trial for trial in search.trials if trial.fingerprint not in kept]
        for i, search in enumerate(searches)
    }
    running: dict[int, str] = {}
    while any(left.values()):
        done = store.fingerprints()
        running = {i: name for i, name in running.items() if name not in done}
        ready = [i for i, trials in left.items() if trials and i not in running]
        if not ready:
            yield None
            continue
        i = max(ready, key=lambda i: len(left[i]) * first(searches[i].cell))
        trial = left[i].pop(0)
        running[i] = trial.fingerprint
        yield _job(trial, searches[i], store, stage, beside)


def _job(trial: Trial, search: Search, store: Store, stage: Stage, beside: int) -> Job:
    """Put a tuning trial's job together, with what it has to reach at each rung."""
    number = trial.number or 0
    earlier = [scores_by_step(store, other) for other in search.trials[:number]]
    asked = tuple(
        (step, bar([scores[step] for scores in earlier if step in scores]) if number else None)
        for step in rungs(_steps(search))
    )
    cell = replace(search.cell, method=search.methods[number])
    job = make_job(trial, cell, stage, beside)
    return replace(job, rungs=asked, search_trials=len(search.trials))


def scores_by_step(store: Store, trial: Trial) -> dict[int, float]:
    """Return a trial's validation scores by the step they were taken after."""
    curve = store.curve(trial.fingerprint)
    if curve is None:
        return {}
    scores = curve[curve["name"] == "validation_score"]
    return dict(zip(scores["step"].tolist(), scores["value"].tolist(), strict=True))


def _steps(search: Search) -> int:
    return search.cell.study.budget.steps(search.cell.task.counts["train"])
