"""What makes a result less than it seems, one sentence each."""

from __future__ import annotations

from whichpeft.analysis import Comparison
from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.what_if import caveat_nothing
from whichpeft.records.other_work import busy_note


def cautions_of(answer: Answer, comparison: Comparison | None) -> list[str]:
    """Return what a reader of an answer should be warned of."""
    found = [caveat_nothing(answer), _no_baseline(answer), _other_work(comparison)]
    return [caution for caution in found if caution is not None]


def _no_baseline(answer: Answer) -> str | None:
    if answer.chosen is None or answer.baseline is None:
        return None
    if any(candidate.method == answer.baseline for candidate in answer.candidates):
        return None
    return f"The baseline {answer.baseline} is not in the study, so the loss against it is unknown."


def _other_work(comparison: Comparison | None) -> str | None:
    costs = [] if comparison is None else [result.records.cost for result in comparison.answers]
    busy = busy_note(cost for cost in costs if cost is not None)
    if busy is None:
        return None
    return f"{busy[0].upper()}{busy[1:]}. Measure again on a quiet machine before you choose by time."
