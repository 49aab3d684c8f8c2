"""The tuning trials of several searches, each as soon as the one before it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from whichpeft.batching import along, kind
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
    most: Callable[[Cell], int] = lambda cell: 1,
) -> Iterator[Job | None]:
    """Yield what the searches lack, to be run side by side; None while every search waits.

    Within a search trials follow each other, since what one has to reach depends on those before;
    searches run beside each other, and never depend on one another, since one method's scores say
    nothing about another's. The search with most left goes first, by the seconds that `first` tells
    of a trial of its cell. Trials in a row that differ in their learning rate alone train together, as
    many as `most` tells of their cell: each is held against those before it all the same.
    """
    kept = store.fingerprints()
    left = {
        i: [trial for trial in search.trials if trial.fingerprint not in kept]
        for i, search in enumerate(searches)
    }
    running: dict[int, set[str]] = {}
    while any(left.values()):
        done = store.fingerprints()
        running = {i: names for i, names in running.items() if not names <= done}
        ready = [i for i, trials in left.items() if trials and i not in running]
        if not ready:
            yield None
            continue
        i = max(ready, key=lambda i: len(left[i]) * first(searches[i].cell))
        search = searches[i]
        jobs = [_job(left[i].pop(0), search, store, stage, beside)]
        while left[i] and len(jobs) < most(search.cell):
            following = _job(left[i][0], search, store, stage, beside)
            last = jobs[-1].trial.number or 0
            if following.trial.number != last + 1 or kind(following) != kind(jobs[0]):
                break
            jobs.append(following)
            left[i].pop(0)
        running[i] = {job.trial.fingerprint for job in jobs}
        yield along(jobs)


def _job(trial: Trial, search: Search, store: Store, stage: Stage, beside: int) -> Job:
    """Put a tuning trial's job together, with what it has to reach at each rung."""
    number = trial.number or 0
    earlier = [scores_by_step(store, other) for other in search.trials[:number]]
    before = tuple(
        (step, tuple(scores[step] for scores in earlier if step in scores))
        for step in rungs(_steps(search))
    )
    asked = tuple((step, bar(scores) if number else None) for step, scores in before)
    cell = replace(search.cell, method=search.methods[number])
    job = make_job(trial, cell, stage, beside)
    return replace(job, rungs=asked, earlier=before, search_trials=len(search.trials))


def scores_by_step(store: Store, trial: Trial) -> dict[int, float]:
    """Return a trial's validation scores by the step they were taken after."""
    curve = store.curve(trial.fingerprint)
    if curve is None:
        return {}
    scores = curve[curve["name"] == "validation_score"]
    return dict(zip(scores["step"].tolist(), scores["value"].tolist(), strict=True))


def _steps(search: Search) -> int:
    return search.cell.study.budget.steps(search.cell.task.counts["train"])
