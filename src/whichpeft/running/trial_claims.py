"""Which trials this process runs of a study that other processes may run in the same folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from whichpeft.engine import Job
from whichpeft.executors import RunObserver
from whichpeft.records import Claim, Claims, Store

SEARCH_CLAIM = "search-"
"""Prefix of the claim on a search, which is held between the search's trials too."""

_PROFILES_CLAIM = "profiles"  # held by the one process that measures costs
_ASK_EVERY = 0.5  # seconds


def unclaimed_jobs(jobs: Sequence[Job], store: Store, claims: Claims) -> Iterator[Job | None]:
    """Yield the jobs that no other process has claimed; None while others hold all that are left.

    Ends when every trial has its record. A job that another process claimed and did not finish is
    yielded in the end. Trials that train as one model are claimed together.
    """
    left = list(jobs)
    while left:
        if may_start(claims):
            for job in list(left):
                if claim_job(job, store, claims):
                    left.remove(job)
                    yield job
                    break
            else:
                left = [job for job in left if not _has_records(job, store)]
                if left:
                    yield None
        else:
            yield None


def claim_job(job: Job, store: Store, claims: Claims) -> bool:
    """Claim a job's trials, unless another process holds one, costs are measured, or all are done."""
    if not claims.take(*claim_names(job)):
        return False
    # Checked with the claim in hand: in the meantime another process may have run the trials, or begun
    # to measure costs. Since that one looks for claims with its own in hand, one of the two sees the
    # other.
    if _has_records(job, store) or not may_start(claims):
        claims.release(*claim_names(job))
        return False
    return True


def claim_names(job: Job) -> list[str]:
    """Return the names to claim for a job: the fingerprints of its trials."""
    return [member.trial.fingerprint for member in job.members]


def may_start(claims: Claims) -> bool:
    """Whether a trial may start: no other process on this host measures costs or waits to."""
    holder = claims.holder(_PROFILES_CLAIM)
    return holder is None or not claims.is_local(holder)


@contextlib.contextmanager
def profiling_lock(claims: Claims, observer: RunObserver) -> Iterator[None]:
    """Wait until this is the only process that measures costs, and no other trains on this host."""

    def other_profiler() -> Claim | None:
        while not claims.take(_PROFILES_CLAIM):
            if (holder := claims.holder(_PROFILES_CLAIM)) is not None:
                return holder
        return None

    def other_trial() -> Claim | None:
        local = (claim for claim in claims.others() if claims.is_local(claim))
        return next((claim for claim in local if not claim.name.startswith(SEARCH_CLAIM)), None)

    _wait(other_profiler, observer, "measures costs, and only one process may at a time")
    try:
        _wait(other_trial, observer, "runs trials, and costs are measured with nothing else running")
        yield
    finally:
        claims.release(_PROFILES_CLAIM)


def _has_records(job: Job, store: Store) -> bool:
    return all(map(store.holds, claim_names(job)))


def _wait(hindrance: Callable[[], Claim | None], observer: RunObserver, why: str) -> None:
    """Wait until nothing hinders; report the first hindrance once."""
    reported = False
    while (holder := hindrance()) is not None:
        if not reported:
            observer.notify(f"waiting: {holder.owner_in_words} {why}")
            reported = True
        time.sleep(_ASK_EVERY)
