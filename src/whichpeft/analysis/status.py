"""How far a method got, and why it is not complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.records import Record
from whichpeft.records.selection import best_trial
from whichpeft.units import plural, show_seeds

MethodStatus = Literal["completed", "partial", "failed", "refused"]


def status_of(records: MethodRecords, seeds: Sequence[int]) -> tuple[MethodStatus, str | None]:
    """Return the status of a method and, unless it is completed, the reasons in words.

    Parameters
    ----------
    records
        The records of the method.
    seeds
        The seeds of the study.
    """
    refused = [record for record in records if record.outcome.status == "refused"]
    if refused and not records.completed:
        return "refused", refused[0].outcome.reason or "no reason was given"
    if records.variant == "tuned" and best_trial(records.search) is None:
        return _search_without_end(records)
    reasons = _failures(records)
    failed = bool(reasons)
    missing = [seed for seed in seeds if seed not in records.finals]
    if missing:
        listed = _seeds(missing) if len(missing) < len(seeds) else "the final trials"
        be = "was" if len(missing) == 1 and len(seeds) > 1 else "were"
        reasons.append(f"{listed} {be} not run yet")
    error = "; ".join(reasons) or None
    if not records.completed and failed and (not missing or not records.cost):
        return "failed", error
    if records.completed and not reasons:
        return "completed", None
    return "partial", error


def _search_without_end(records: MethodRecords) -> tuple[MethodStatus, str]:
    """Return why a search has no best trial: it is unfinished, or its trials failed."""
    failed = [record for record in records.search if record.outcome.status == "failed"]
    if not failed:
        return "partial", "the search is not finished yet"
    return "failed", f"no tuning trial finished; the first failed{_why(failed[0])}"


def _failures(records: MethodRecords) -> list[str]:
    """Return each failure once, with the seeds that share it."""
    reasons: list[str] = []
    if records.profile is not None and records.profile.outcome.status == "failed":
        reasons.append(f"the profile failed{_why(records.profile)}")
    by_reason: dict[str, list[int]] = {}
    done = {record.trial.seed for record in records.completed}
    for seed, record in sorted(records.finals.items()):
        if seed not in done and record.outcome.status != "refused":
            by_reason.setdefault(_why(record), []).append(seed)
    return [*reasons, *(f"{_seeds(seeds)} failed{why}" for why, seeds in by_reason.items())]


def _why(record: Record) -> str:
    outcome = record.outcome
    phase = f" in {outcome.phase}" if outcome.phase else ""
    if outcome.status == "completed":
        return ": the score is missing or not finite"
    return f"{phase}: {outcome.reason or 'no reason was given'}"


def _seeds(seeds: Sequence[int]) -> str:
    return f"{plural('seed', len(seeds))} {show_seeds(seeds)}"
