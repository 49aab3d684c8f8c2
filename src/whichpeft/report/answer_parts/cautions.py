"""What makes a result less than it seems, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.analysis import Comparison
from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.cautions import FEW_STEPS, Rise, steps_of, still_rising
from whichpeft.analysis.choice.what_if import caveat_nothing
from whichpeft.records import Reading
from whichpeft.records.other_work import busy_note
from whichpeft.report.tables.reading import foreign_words
from whichpeft.study.spec import short_name
from whichpeft.units import counted, join_words, points

_MOST_NAMED = 3


def cautions_of(
    answer: Answer,
    comparison: Comparison | None,
    *,
    reading: Reading | None = None,
    epochs: int | None = None,
) -> list[str]:
    """Return what a reader of an answer should be warned of.

    Parameters
    ----------
    answer
        The answer.
    comparison
        What it chose from; None over several tasks.
    reading
        What was read of the data; None if an old folder does not say.
    epochs
        Epochs of the study.
    """
    if answer.chosen is None:
        return []
    found = [
        caveat_nothing(answer),
        _rising(answer, comparison, epochs),
        _few_steps(answer, comparison),
        *_foreign(answer, reading),
        _no_baseline(answer),
        _other_work(comparison),
    ]
    return [caution for caution in found if caution is not None]


def _rising(answer: Answer, comparison: Comparison | None, epochs: int | None) -> str | None:
    """Say which methods were still improving at the end: the chosen one, and those that may pass it."""
    if comparison is None or answer.chosen is None:
        return None
    may_be_chosen = {c.method for c in answer.candidates if c.allowed or c.guesses}
    rising = [
        (result.method, rise)
        for result in comparison.answers
        if result.method in may_be_chosen and (rise := still_rising(comparison, result)) is not None
    ]
    chosen = answer.chosen.method
    rising.sort(key=lambda pair: (pair[0] != chosen, -pair[1].gain))
    if not rising:
        return None
    first, rise = rising[0]
    names = join_words((method for method, _ in rising), most=_MOST_NAMED)
    were = "was" if len(rising) == 1 else "were"
    more = "" if epochs is None else f" (--epochs {2 * epochs})"
    may = "may raise its score" if len(rising) == 1 else "may change scores and their order"
    if first != chosen:
        may = "may change the choice"
    return (
        f"{names} {were} still improving when training ended ({_gain(first, rise, rising)}): more epochs"
        f"{more} {may}."
    )


def _gain(method: str, rise: Rise, rising: Sequence[object]) -> str:
    whose = "" if len(rising) == 1 else f"{method} "
    return (
        f"{whose}+{points(rise.gain):.1f} points on the validation split in the last {rise.steps:,} of "
        f"{rise.end:,} steps"
    )


def _few_steps(answer: Answer, comparison: Comparison | None) -> str | None:
    if comparison is None or answer.chosen is None:
        return None
    found = [steps_of(r) for r in comparison.answers if r.method == answer.chosen.method]
    steps = next((value for value in found if value is not None), None)
    if steps is None or steps >= FEW_STEPS:
        return None
    longer = "train for more epochs or on more examples (--epochs, --max-train)"
    if answer.of_race:
        longer = "more time (--within) buys longer trainings"
    return (
        f"Training took only {counted(steps, 'step')}, and below {FEW_STEPS} methods differ mostly in "
        f"how fast they start: {longer}."
    )


def _foreign(answer: Answer, reading: Reading | None) -> list[str]:
    """Say which texts look foreign to the backbone."""
    if reading is None:
        return []
    found = [
        (short_name(length.task), foreign_words(length))
        for length in reading.lengths
        if length.looks_foreign
        and answer.backbone in (length.backbone, short_name(length.backbone))
        and not {length.task, short_name(length.task)}.isdisjoint(answer.tasks)
    ]
    several = len(answer.tasks) > 1
    return [
        f"{f'On {task}, ' if several else ''}{words[0] if several else words[0].upper()}{words[1:]}."
        for task, words in found
    ]


def _no_baseline(answer: Answer) -> str | None:
    if answer.baseline is None:
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
