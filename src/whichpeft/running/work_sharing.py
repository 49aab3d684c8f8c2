"""What this process takes on of a study that others may work on at the same time, in the same folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from whichpeft.engine import Job
from whichpeft.executors import RunObserver
from whichpeft.records import Claim, Claims, Store

_PROFILES = "profiles"  # claimed by the one process that measures costs
SEARCH = "search-"  # how the claim on a search begins: held between its trials too, when nothing runs
_ASK_EVERY = 0.5  # seconds


def unclaimed_jobs(jobs: Sequence[Job], store: Store, claims: Claims) -> Iterator[Job | None]:
    """Yield the jobs that no other process has taken; None while those that are left are others'.

    Ends when every trial has its record: what another process took and did not end is yielded after all.
    Trials that train as one model are taken together.
    """
    left = list(jobs)
    while left:
        if may_start(claims):
            for job in list(left):
                if take(job, store, claims):
                    left.remove(job)
                    yield job
                    break
            else:
                left = [job for job in left if not _done(job, store)]
                if left:
                    yield None
        else:
            yield None


def take(job: Job, store: Store, claims: Claims) -> bool:
    """Claim a job's trials, where no other process has them, none measures costs, and some are left."""
    if not claims.take(*names(job)):
        return False
    # Looked at with the claim in hand: another may have done them, or begun to measure, meanwhile. Who
    # measures looks for claims with its own in hand, so one of the two sees the other.
    if _done(job, store) or not may_start(claims):
        claims.release(*names(job))
        return False
    return True


def names(job: Job) -> list[str]:
    """Return what is claimed for a job: the fingerprints of its trials."""
    return [member.trial.fingerprint for member in job.members]


def may_start(claims: Claims) -> bool:
    """Whether a trial may start: not while another process of this host measures costs, or waits to."""
    holder = claims.holder(_PROFILES)
    return holder is None or not claims.here(holder)


@contextlib.contextmanager
def profiling_lock(claims: Claims, observer: RunObserver) -> Iterator[None]:
    """Be the one process of the folder that measures costs, with no trial of others on this host."""

    def takes_turn() -> Claim | None:
        while not claims.take(_PROFILES):
            if (holder := claims.holder(_PROFILES)) is not None:
                return holder
        return None

    def at_work() -> Claim | None:
        at_work = (c for c in claims.others() if claims.here(c) and not c.name.startswith(SEARCH))
        return next(at_work, None)

    _wait(takes_turn, observer, "measures costs, which one process does at a time")
    try:
        _wait(at_work, observer, "trains, and costs are measured alone on the machine")
        yield
    finally:
        claims.release(_PROFILES)


def _done(job: Job, store: Store) -> bool:
    return all(map(store.holds, names(job)))


def _wait(hindered: Callable[[], Claim | None], observer: RunObserver, why: str) -> None:
    """Wait until nobody hinders; say once who does."""
    told = False
    while (holder := hindered()) is not None:
        if not told:
            observer.notify(f"waiting: {holder.words} {why}")
            told = True
        time.sleep(_ASK_EVERY)
