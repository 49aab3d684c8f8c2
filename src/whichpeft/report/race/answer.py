"""The answer of `whichpeft.auto`: the method to use, what it rests on, and how the race went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from whichpeft.analysis.method_result import Row
from whichpeft.report.race.audit_words import audit_words
from whichpeft.report.race.course import Course
from whichpeft.report.race.rows import race_rows
from whichpeft.report.race.spending import exhaustive, spending
from whichpeft.report.race.words import economy, screening

if TYPE_CHECKING:
    from rich.console import Console

    from whichpeft.report.choices import Choices
    from whichpeft.report.report import Report


@dataclass(frozen=True)
class AutoAnswer:
    """What a race found.

    ``str()`` gives the sentences alone; `print` adds the finalists and how the race went.
    """

    report: Report
    """The report of the run folder, whose tables and figures show the finalists."""

    @cached_property
    def course(self) -> Course:
        """The race with its records."""
        course = self.report.contents.course
        assert course is not None, "the folder has no race"
        return course

    @cached_property
    def choices(self) -> Choices:
        """The choice among the finalists, under the limits of the study; empty without finals."""
        return self.report.contents.choose(self.course.constraints)

    @property
    def method(self) -> str | None:
        """The method to use as written by the user; None if none can be recommended."""
        return self.choices.method

    @property
    def proved(self) -> bool:
        """Whether the method is proved to be within the margin of the best finalist."""
        return any(answer.basis == "proved" for answer in self.choices)

    @property
    def race(self) -> list[Row]:
        """One dict per method: how far it came, what it took and why it left."""
        return race_rows(self.course)

    @property
    def sentences(self) -> list[str]:
        """What to use, how sure that is, what was only screened, and what an exhaustive study takes."""
        (short,) = self.report.answers
        parts = (short.advice, short.limit_cost, short.sureness)
        return [*(part for part in parts if part), *self.course_in_words]

    @property
    def course_in_words(self) -> list[str]:
        """What was only screened, and what an exhaustive study would have taken."""
        saved = economy(self.course)
        return [
            *screening(self.course),
            *audit_words(self.course),
            *([saved] if saved else []),
        ]

    def to_json(self) -> str:
        """Return the answer as a JSON object: sentences, choices, race rows and what they took."""
        whole = exhaustive(self.course)
        found = {
            "method": self.method,
            "proved": self.proved,
            "sentences": self.sentences,
            "next_command": self.report.answers[0].next_command,
            "ended": self.course.race.ended,
            "choices": self.choices.as_objects(),
            "race": self.race,
            "spent": [
                {"part": s.part, "trials": s.trials, "units": s.units, "examples": s.examples,
                 "seconds": s.seconds}
                for s in spending(self.course)
            ],
            "exhaustive_units": whole.units,
        }  # fmt: skip
        return json.dumps(found, indent=1, allow_nan=False)

    def print(self, console: Console | None = None, *, with_next: bool = True) -> None:
        """Print the answer, the finalists, why the others left, and where the time went.

        Without `with_next` the command to run next is left out, because it is being run.
        """
        from rich.console import Console

        from whichpeft.report.race.terminal import print_race

        print_race(self, console or Console(), with_next=with_next)

    def __str__(self) -> str:
        return " ".join(self.sentences)

    __repr__ = __str__
