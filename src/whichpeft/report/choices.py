"""Answers to "which method?" as text and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.candidates import Candidate
from whichpeft.analysis.choice.constraints import COSTS
from whichpeft.analysis.choice.what_if import caveats, changes
from whichpeft.report.answer import ShortAnswer, print_answer, print_answers
from whichpeft.report.answer_parts.advice import advice
from whichpeft.report.answer_parts.certainty import certainty_of, reason_of, told
from whichpeft.report.answer_parts.limits import limit_cost
from whichpeft.report.text import UNKNOWN, plain, with_interval
from whichpeft.units import points, show_chance

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_BETWEEN = 2  # blank cells between two columns, in addition to the divider


@dataclass(frozen=True)
class Choices(Sequence[Answer]):
    """The answer for each backbone and task, then for each backbone over all of its tasks.

    ``str()`` gives the sentences alone; `print` adds the tables.
    """

    answers: tuple[Answer, ...]
    """One answer per question, in that order."""

    told: tuple[ShortAnswer, ...] = ()
    """The same answers in words, with cautions and the command to run next.

    A race without finals has no answer, and one in words that says so.
    """

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, place: Any) -> Any:
        return self.answers[place]

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.answers)

    @property
    def method(self) -> str | None:
        """The first answer's method as written by the user; None if no method fits."""
        chosen = self.answers[0].chosen if self.answers else None
        return None if chosen is None else chosen.method

    @property
    def fits(self) -> bool:
        """Whether any question has a method that fits."""
        return any(answer.chosen is not None for answer in self.answers)

    def to_json(self) -> str:
        """Write the answers as a JSON list of objects; scores are fractions, unknown is null."""
        return json.dumps(self.as_objects(), indent=1, allow_nan=False)

    def as_objects(self) -> list[dict[str, object]]:
        """Return the answers as JSON values."""
        told = self.told[: len(self.answers)] or (None,) * len(self.answers)
        return [as_object(answer, short) for answer, short in zip(self.answers, told, strict=True)]

    def print(self, console: Console | None = None, *, with_next: bool = True) -> None:
        """Print each answer: what to use and how sure that is, its table, and what would change it.

        Without `with_next` the command to run next is left out, because it is being run.
        """
        from rich.console import Console

        screen = console or Console()
        if not self.answers:
            print_answers(self.told, screen)
            return
        for i, (answer, short) in enumerate(zip(self.answers, self.told, strict=True)):
            if i:
                screen.print()
            print_answer(short, screen, with_next=with_next)
            print_details(answer, screen, said=short.cautions)

    def __str__(self) -> str:
        return "\n".join(sentence(answer) for answer in self.answers)

    __repr__ = __str__


def sentence(answer: Answer) -> str:
    """Return what to use for what, what the limits cost, and how sure that is; or why nothing fits."""
    subject = f" for {answer.backbone} on {' and '.join(answer.tasks)}"
    word, reason = certainty_of(answer), reason_of(answer)
    sure = None if word is None or reason is None else told(word, reason)
    parts = (advice(answer, subject=subject), limit_cost(answer), sure)
    return plain(" ".join(part for part in parts if part))


def print_details(answer: Answer, console: Console, *, said: Sequence[str] = ()) -> None:
    """Print the allowed methods as a table, the others with their reasons, and what would change it.

    Notes that are among the cautions `said` before are not repeated.
    """
    from rich.text import Text

    shown = sorted(answer.allowed, key=lambda c: c.costs[answer.constraints.by] or 0.0)
    if shown:
        table = _table(answer, shown, console.width)
        console.print(table)
        console.print(Text(_legend(answer, table), style="dim"))
    for candidate in answer.candidates:
        if candidate.excluded:
            mean = candidate.score.mean
            score = "" if mean is None else f" ({points(mean):.1f})"
            line = plain(f"{candidate.method}{score}: {'; '.join(candidate.excluded)}")
            console.print(Text.assemble(("not allowed  ", "yellow"), line))
    for line in changes(answer):
        console.print(Text.assemble(("would change it  ", "cyan"), plain(line)))
    if answer.why_time is not None:
        console.print(Text.assemble(("time  ", "cyan"), plain(answer.why_time)))
    for line in [*caveats(answer), *answer.notes]:
        if any(line.casefold() in caution.casefold() for caution in said):
            continue
        console.print(Text.assemble(("note  ", "yellow"), plain(line)))


def _table(answer: Answer, shown: Sequence[Candidate], width: int) -> Table:
    """Return a table of the allowed methods with as many columns as fit the width."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns = _columns(answer)
    longest = max(16, width * 3 // 10)
    cells = {title: [title, *map(show, shown)] for title, show in columns.items()}
    wide = {title: max(map(len, texts)) + _BETWEEN + 1 for title, texts in cells.items()}
    wide["method"] = min(wide["method"], longest)
    limited = [COSTS[name].title for name in answer.constraints.limits if name != answer.constraints.by]
    # The least important goes first. What the user limits stays longest.
    for title in ("frontier", "proved", "likely", "gap", *limited):
        if sum(wide.values()) > width:
            del wide[title]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _BETWEEN, 0, 0), show_edge=False)
    for title in wide:
        name = title == "method"
        table.add_column(
            title,
            justify="left" if name else "right",
            no_wrap=not name,
            overflow="fold",
            max_width=longest if name else None,
        )
    for place, candidate in enumerate(shown, start=1):
        style = "bold" if candidate is answer.chosen else ""
        table.add_row(*(Text(cells[title][place], style=style) for title in wide))
    return table


def _columns(answer: Answer) -> dict[str, Callable[[Candidate], str]]:
    """Return a formatter of candidates for each column, by its heading."""
    costs = dict.fromkeys([answer.constraints.by, *answer.constraints.limits])
    some_tuned = len({candidate.variant for candidate in answer.allowed}) > 1

    def name(candidate: Candidate) -> str:
        return plain(f"{candidate.method} ({candidate.variant})" if some_tuned else candidate.method)

    return {
        "method": name,
        "score": lambda c: with_interval(c.score),
        "gap": lambda c: "chosen" if c is answer.chosen else with_interval(c.gap, sign=True),
        **{COSTS[cost].title: _cost(cost) for cost in costs},
        "likely": lambda c: UNKNOWN if c.probability is None else show_chance(c.probability),
        "proved": lambda c: UNKNOWN if c.proved_margin is None else _margin(c.proved_margin),
        "frontier": lambda c: UNKNOWN if c.frontier is None else show_chance(c.frontier),
    }


def _cost(name: str) -> Callable[[Candidate], str]:
    def show(candidate: Candidate) -> str:
        value = candidate.costs[name]
        return UNKNOWN if value is None else COSTS[name].show(value)

    return show


def _legend(answer: Answer, table: Table) -> str:
    """Explain the columns of a table, and name those that did not fit."""
    margin, cost = f"{points(answer.constraints.margin):.1f} points", answer.constraints.cost.words
    meanings = {
        "gap": "score and gap to the chosen method: points, 95 % intervals",
        "likely": f"likely: probability of being within {margin} of the best allowed method",
        "proved": "proved: smallest margin, in points, for which that is proved",
        "frontier": f"frontier: probability that no method beats it in both score and {cost}",
    }
    shown = [str(column.header) for column in table.columns]
    dropped = [title for title in _columns(answer) if title not in shown]
    lines = [meaning for title, meaning in meanings.items() if title in shown]
    if dropped:
        lines.append(f"hidden because the terminal is too narrow: {', '.join(dropped)}")
    return "; ".join(lines)


def _margin(value: float) -> str:
    # Rounded up: a smaller one is not proved.
    return f"{math.ceil(1000 * value - 1e-9) / 10:.1f}"


def as_object(answer: Answer, short: ShortAnswer | None = None) -> dict[str, object]:
    """Return an answer as JSON values: scores, gaps and margins as fractions, unknown as None."""
    chosen, constraints = answer.chosen, answer.constraints
    return {
        "backbone": answer.backbone,
        "task": answer.tasks[0] if len(answer.tasks) == 1 else None,
        "tasks": list(answer.tasks),
        "metric": answer.metric,
        "method": None if chosen is None else chosen.method,
        "method_id": None if chosen is None else chosen.method_id,
        "variant": None if chosen is None else chosen.variant,
        "basis": answer.basis,
        **({"likely_score": answer.likely_score, "level": answer.level} if answer.of_race else {}),
        "probability": None if chosen is None else chosen.probability,
        "sentence": sentence(answer),
        "advice": plain(advice(answer)),
        "why": None if short is None else short.why,
        "limit_cost": limit_cost(answer),
        "certainty": certainty_of(answer),
        "reason": reason_of(answer),
        "cautions": [] if short is None else list(short.cautions),
        "next_command": None if short is None else short.next_command,
        "by": constraints.by,
        "margin": constraints.margin,
        "limits": dict(constraints.limits),
        "candidates": [_candidate(candidate, answer) for candidate in answer.candidates],
        "chance": answer.chance,
        "causes": list(answer.causes),
        "why_time": answer.why_time,
        "changes": changes(answer),
        "notes": [*caveats(answer), *answer.notes],
    }


def _candidate(candidate: Candidate, answer: Answer) -> dict[str, object]:
    score, gap = candidate.score, candidate.gap
    return {
        "method": candidate.method,
        "method_id": candidate.method_id,
        "variant": candidate.variant,
        "chosen": candidate is answer.chosen,
        "allowed": candidate.allowed,
        "excluded": list(candidate.excluded),
        "score_mean": score.mean,
        "score_low": score.low,
        "score_high": score.high,
        "gap_mean": gap.mean,
        "gap_low": gap.low,
        "gap_high": gap.high,
        "probability": candidate.probability,
        "proved_margin": candidate.proved_margin,
        "frontier_probability": candidate.frontier,
        **{cost.key: candidate.costs[name] for name, cost in COSTS.items()},
        "trainable_percent": candidate.limited["trainable"],
    }
