"""The tuning trials of several searches, each as soon as the one before it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from whichpeft.engine import Job
from whichpeft.planning import Cell, SearchPlan, bar, rungs
from whichpeft.records import Claims, Store
from whichpeft.running.setup import RunSetup, make_job
from whichpeft.running.trial_batching import kind, stacked_job
from whichpeft.running.work_sharing import SEARCH, may_start, names
from whichpeft.study import Trial


def jobs_of(
    searches: Sequence[SearchPlan],
    store: Store,
    setup: RunSetup,
    claims: Claims,
    *,
    first: Callable[[Cell], float],
    most: Callable[[Cell], int] = lambda cell: 1,
) -> Iterator[Job | None]:
    """Yield what the searches lack, to be run side by side; None while every search waits.

    Within a search trials follow each other, since what one has to reach depends on those before;
    searches run beside each other, and never depend on one another, since one method's scores say
    nothing about another's. The search with most left goes first, by the seconds that `first` tells
    of a trial of its cell. Trials in a row that differ in their learning rate alone train together, as
    many as `most` tells of their cell: each is held against those before it all the same. Of several
    processes that share a folder one at a time carries on a search.
    """
    left = {i: list(search.trials) for i, search in enumerate(searches)}  # until they have records
    running: dict[int, set[str]] = {}
    while True:
        done = store.fingerprints()
        running = {i: names for i, names in running.items() if not names <= done}
        left = {i: rest for i, trials in left.items() if (rest := _not_in(done, trials))}
        for i in {*range(len(searches))} - {*left}:
            claims.release(_claim(searches[i]))
        if not left:
            return
        ready = [i for i in left if i not in running] if may_start(claims) else []
        ready.sort(key=lambda i: -len(left[i]) * first(searches[i].cell))
        i = next((i for i in ready if claims.take(_claim(searches[i]))), None)
        if i is None:
            yield None
            continue
        following = _not_in(store.fingerprints(), left[i])  # another process may have just left it
        if following:
            search = searches[i]
            jobs = [_job(following[0], search, store, setup)]
            for trial in following[1 : most(search.cell)]:
                job = _job(trial, search, store, setup)
                last = jobs[-1].trial.number or 0
                if trial.number != last + 1 or kind(job) != kind(jobs[0]):
                    break
                jobs.append(job)
            job = stacked_job(jobs)
            running[i] = set(names(job))
            claims.take(*running[i])  # so that who measures costs waits for these, not for the search
            if may_start(claims):
                yield job
            else:
                claims.release(*running.pop(i))
                yield None


def _claim(search: SearchPlan) -> str:
    return f"{SEARCH}{search.trials[0].fingerprint}"


def _not_in(done: set[str], trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.fingerprint not in done]


def _job(trial: Trial, search: SearchPlan, store: Store, setup: RunSetup) -> Job:
    """Put a tuning trial's job together, with what it has to reach at each rung."""
    number = trial.number or 0
    earlier = [scores_by_step(store, other) for other in search.trials[:number]]
    before = tuple(
        (step, tuple(scores[step] for scores in earlier if step in scores))
        for step in rungs(_steps(search))
    )
    asked = tuple((step, bar(scores) if number else None) for step, scores in before)
    cell = replace(search.cell, method=search.methods[number])
    job = make_job(trial, cell, setup)
    return replace(
        job,
        checkpoint=store.checkpoint(trial.fingerprint),
        rungs=asked,
        earlier=before,
        search_trials=len(search.trials),
    )


def scores_by_step(store: Store, trial: Trial) -> dict[int, float]:
    """Return a trial's validation scores by the step they were taken after."""
    curve = store.curve(trial.fingerprint)
    if curve is None:
        return {}
    scores = curve[curve["name"] == "validation_score"]
    return dict(zip(scores["step"].tolist(), scores["value"].tolist(), strict=True))


def _steps(search: SearchPlan) -> int:
    return search.cell.study.budget.steps(search.cell.task.counts["train"])
