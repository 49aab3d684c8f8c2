"""The tuning trials of several searches, each as soon as the trial before it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from whichpeft.engine import Job, TuneWork
from whichpeft.planning import Cell, SearchPlan, rung_threshold, rungs
from whichpeft.records import Claims, Record, Store
from whichpeft.records.selection import best_trial
from whichpeft.running.setup import RunSetup, make_job
from whichpeft.running.trial_claims import SEARCH_CLAIM, claim_names, may_start
from whichpeft.running.trial_stacking import stack, stacking_key
from whichpeft.study import Trial


def tuning_jobs(
    searches: Sequence[SearchPlan],
    store: Store,
    setup: RunSetup,
    claims: Claims,
    *,
    trial_seconds: Callable[[Cell], float],
    stack_size: Callable[[Cell], int],
) -> Iterator[Job | None]:
    """Yield the tuning trials without a record, to run side by side; None while every search waits.

    Within a search, trials follow one another, since the score that a trial has to reach depends on
    those before it. Searches run side by side and never depend on one another, since one method's
    scores say nothing about another's. The search with the most time left goes first. Consecutive
    trials that differ only in their learning rate train together; each is still compared with those
    before it. If several processes share a folder, only one of them works on a search at a time.

    Parameters
    ----------
    trial_seconds
        Returns the expected seconds of a trial of a cell.
    stack_size
        Returns how many trials of a cell may train as one model.
    """
    left = {i: list(search.trials) for i, search in enumerate(searches)}  # until they have records
    running: dict[int, set[str]] = {}
    while True:
        done = store.fingerprints()
        running = {i: names for i, names in running.items() if not names <= done}
        left = {i: rest for i, trials in left.items() if (rest := _without_record(done, trials))}
        for i in {*range(len(searches))} - {*left}:
            claims.release(_search_claim(searches[i]))
        if not left:
            return
        waiting = [i for i in left if i not in running] if may_start(claims) else []
        waiting.sort(key=lambda i: -len(left[i]) * trial_seconds(searches[i].cell))
        i = next((i for i in waiting if claims.take(_search_claim(searches[i]))), None)
        if i is None:
            yield None
            continue
        # Another process may have run some before it gave the search up.
        following = _without_record(store.fingerprints(), left[i])
        if not following:
            continue
        job = _next_job(following[: stack_size(searches[i].cell)], searches[i], store, setup)
        running[i] = set(claim_names(job))
        # Claimed too, so that a process that is to profile waits for these, not for the whole search.
        claims.take(*running[i])
        if may_start(claims):
            yield job
        else:
            claims.release(*running.pop(i))
            yield None


def _search_claim(search: SearchPlan) -> str:
    return f"{SEARCH_CLAIM}{search.trials[0].fingerprint}"


def _without_record(done: set[str], trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.fingerprint not in done]


def _next_job(trials: Sequence[Trial], search: SearchPlan, store: Store, setup: RunSetup) -> Job:
    """Return the job of the first trial, stacked with those after it that can train with it."""
    jobs = [_tuning_job(trials[0], search, store, setup)]
    for trial in trials[1:]:
        job = _tuning_job(trial, search, store, setup)
        last = jobs[-1].trial.number or 0
        if trial.number != last + 1 or stacking_key(job) != stacking_key(jobs[0]):
            break
        jobs.append(job)
    return stack(jobs)


def _tuning_job(trial: Trial, search: SearchPlan, store: Store, setup: RunSetup) -> Job:
    """Return a tuning trial's job, with the score that it has to reach at each rung."""
    number = trial.number or 0
    earlier = [scores_by_step(store, other) for other in search.trials[:number]]
    budget, examples = search.cell.study.budget, search.cell.task.counts["train"]
    before = tuple(
        (step, tuple(scores[step] for scores in earlier if step in scores))
        for step in rungs(budget.steps(examples))
    )
    work = TuneWork(
        rungs=tuple((step, rung_threshold(scores) if number else None) for step, scores in before),
        search_trials=len(search.trials),
        earlier_scores=before,
    )
    job = make_job(trial, replace(search.cell, method=search.methods[number]), setup, work)
    return replace(job, checkpoint=store.checkpoint(trial.fingerprint))


def scores_by_step(store: Store, trial: Trial) -> dict[int, float]:
    """Return a trial's validation scores by the step after which each was measured."""
    curve = store.curve(trial.fingerprint)
    if curve is None:
        return {}
    scores = curve[curve["name"] == "validation_score"]
    return dict(zip(scores["step"].tolist(), scores["value"].tolist(), strict=True))


def tuned_cell(search: SearchPlan, records: Mapping[str, Record]) -> Cell | None:
    """Return the cell with the best hyperparameters on record, or None if the default is best.

    Parameters
    ----------
    records
        The records of the run folder, by fingerprint.
    """
    best = best_trial(
        records[trial.fingerprint] for trial in search.trials if trial.fingerprint in records
    )
    if best is None or best.trial.fingerprint == search.trials[0].fingerprint:
        return None
    return search.tuned(best.trial.fingerprint)
