"""The answer to "which method?" in a few sentences, for readers who read nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.analysis import Comparison
from whichpeft.analysis.choice.answer import Answer, Basis
from whichpeft.report.answer_parts.advice import advice
from whichpeft.report.answer_parts.cautions import cautions_of
from whichpeft.report.answer_parts.certainty import Certainty, certainty_of, reason_of, told
from whichpeft.report.answer_parts.conditions import conditions_of
from whichpeft.report.answer_parts.key_figures import KeyFigure, key_figures
from whichpeft.report.answer_parts.limits import limit_cost
from whichpeft.report.answer_parts.next_command import next_command
from whichpeft.report.answer_parts.remarks import remarks_of, why_of
from whichpeft.report.text import plain
from whichpeft.units import join_words

if TYPE_CHECKING:
    from rich.console import Console

    from whichpeft.records import Reading
    from whichpeft.study import Study

__all__ = ["Certainty", "KeyFigure", "ShortAnswer", "print_answer", "print_answers", "short_answers"]

_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortAnswer:
    """The answer to "which method?" for one backbone, on one task or over several."""

    backbone: str
    """The backbone's name."""

    tasks: tuple[str, ...]
    """The tasks that the answer covers."""

    method: str | None
    """The recommended method as written by the user; None if none can be recommended."""

    basis: Basis | None
    """What the recommendation rests on."""

    of_race: bool = False
    """Whether a race found it, which compares its finalists alone."""

    advice: str
    """The recommendation with its score and its costs, or why there is none, in one sentence."""

    why: str | None = None
    """Why the baseline is recommended and nothing cheaper, in one sentence; else None."""

    limit_cost: str | None = None
    """What the user's limits cost in score, in one sentence; None without limits or without a loss."""

    certainty: Certainty | None = None
    """How sure the recommendation is, in one word; None without a recommendation."""

    reason: str | None = None
    """The sentence behind `certainty`."""

    figures: tuple[KeyFigure, ...] = ()
    """The numbers that matter most: the score, then up to two costs."""

    cautions: tuple[str, ...] = ()
    """What makes the result less than it seems, one sentence each: training ended too early, say."""

    next_command: str | None = None
    """The command to run next, ready to paste; None if there is nothing to do."""

    remarks: tuple[str, ...] = ()
    """What is undecided and what would change the answer, one sentence each."""

    conditions: tuple[str, ...] = ()
    """What the answer holds for, one phrase each."""

    @property
    def text(self) -> str:
        """The recommendation, what the limits cost, and how certain it is, in one to three sentences."""
        return " ".join(part for part in (self.advice, self.limit_cost, self.sureness) if part)

    @property
    def sureness(self) -> str | None:
        """The certainty and its reason in one sentence: ``Proved: at most 2.0 points ...``."""
        if self.certainty is None or self.reason is None:
            return None
        return told(self.certainty, self.reason)

    @property
    def heading(self) -> str:
        """Return what the answer is about: ``minilm on sst2``."""
        if len(self.tasks) > _MOST_NAMED:
            return plain(f"{self.backbone} over {len(self.tasks)} tasks")
        return plain(f"{self.backbone} on {join_words(self.tasks)}")

    def __str__(self) -> str:
        return f"{self.heading}: {self.text}"


def short_answers(
    study: Study,
    comparisons: Sequence[Comparison],
    answers: Sequence[Answer],
    *,
    folder: Path | None = None,
    reading: Reading | None = None,
) -> list[ShortAnswer]:
    """Put answers into words; the answers for single tasks come first, in the order of comparisons.

    Parameters
    ----------
    study
        The study.
    comparisons
        Its comparisons.
    answers
        One answer per comparison, then one per backbone over several tasks.
    folder
        The run folder, for the next command; None if there is none.
    reading
        What was read of the data; None if that is not known.
    """
    return [
        _short(study, answer, comparisons[i] if i < len(comparisons) else None, folder, reading)
        for i, answer in enumerate(answers)
    ]


def _short(
    study: Study,
    answer: Answer,
    comparison: Comparison | None,
    folder: Path | None,
    reading: Reading | None,
) -> ShortAnswer:
    why, limits, reason = why_of(answer), limit_cost(answer), reason_of(answer)
    cautions = cautions_of(answer, comparison, reading=reading, epochs=study.budget.epochs)
    return ShortAnswer(
        backbone=answer.backbone,
        tasks=answer.tasks,
        method=None if answer.chosen is None else answer.chosen.method,
        basis=answer.basis,
        advice=plain(advice(answer)),
        why=None if why is None else plain(why),
        limit_cost=None if limits is None else plain(limits),
        certainty=certainty_of(answer),
        reason=None if reason is None else plain(reason),
        figures=key_figures(answer),
        cautions=tuple(map(plain, cautions)),
        next_command=next_command(answer, folder),
        remarks=tuple(map(plain, remarks_of(answer, comparison))),
        conditions=tuple(map(plain, conditions_of(study, answer, comparison))),
    )


_STYLES: dict[Certainty | None, str] = {"proved": "green", "likely": "green", "only choice": "cyan"}
_DOUBT = "yellow"


def print_answers(found: Sequence[ShortAnswer], console: Console) -> None:
    """Print the answers, each followed by its remarks."""
    from rich.text import Text

    for answer in found:
        console.print()
        print_answer(answer, console)
        for line in answer.remarks:
            console.print(Text(line, style="dim"))


def print_answer(answer: ShortAnswer, console: Console, *, with_next: bool = True) -> None:
    """Print what to use, what the limits cost, how sure that is, and what to run next, a line each."""
    from rich.text import Text

    console.print(Text(answer.heading, style="dim"))
    console.print(Text(answer.advice, style="bold"))
    if answer.why is not None:
        console.print(Text(answer.why))
    if answer.limit_cost is not None:
        console.print(Text(answer.limit_cost, style=_DOUBT))
    if answer.sureness is not None:
        word, _, reason = answer.sureness.partition(":")
        style = _STYLES.get(answer.certainty, _DOUBT)
        console.print(Text.assemble((word, f"bold {style}"), f":{reason}"))
    for caution in answer.cautions:
        console.print(Text.assemble(("caution  ", _DOUBT), caution))
    if answer.next_command is not None and with_next:
        console.print(Text.assemble(("next  ", "cyan"), answer.next_command), soft_wrap=True)
