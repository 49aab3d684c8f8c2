"""What an answer holds for, one phrase each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whichpeft.report.tables.notes import interval_over
from whichpeft.report.text import plain
from whichpeft.units import counted, points

if TYPE_CHECKING:
    from whichpeft.analysis import Comparison
    from whichpeft.analysis.choice.answer import Answer
    from whichpeft.study import Study


def conditions_of(
    study: Study, answer: Answer | None, comparison: Comparison | None, *, tuning: str | None = None
) -> list[str]:
    """List what an answer holds for: metric, intervals, budget, and how methods were tuned."""
    budget = study.budget
    parts = [plain((answer and answer.metric) or "no score yet")]
    if comparison is not None:
        if comparison.chance is not None:
            parts[0] += f", chance {points(comparison.chance):.1f}"
        if any(result.seeds for result in comparison.results):
            parts.append(interval_over(comparison))
        count = comparison.examples.get("train")
        if count is not None:
            parts.append(counted(count, "training example"))
    parts.append(counted(budget.epochs, "epoch"))
    if tuning is not None:
        parts.append(tuning)
    elif budget.tuning_trials:
        parts.append(f"every method tuned with {budget.tuning_trials} trials")
    else:
        parts.append("default hyperparameters, no tuning")
    return parts
