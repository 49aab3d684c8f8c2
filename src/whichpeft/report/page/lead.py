"""The top of the page: the question, and the answer in the order in which a decision needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from whichpeft.report.answer import ShortAnswer
from whichpeft.report.answer_parts.certainty import Certainty
from whichpeft.report.text import plain

Kind = Literal["proved", "likely", "bet", "only", "unknown", "none"]

_LONG = 18  # characters of a method's name that still fit a narrow screen in large letters


@dataclass(frozen=True, kw_only=True, slots=True)
class Badge:
    """The certainty of an answer at a glance."""

    kind: Kind
    """Its CSS class, which gives colour and mark."""

    word: str
    """The word to show."""

    meaning: str
    """What the word means."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lead:
    """A question with its answer, ready to show."""

    question: str
    """What is asked."""

    headline: str
    """The answer in as few words as possible: the method's name."""

    long: bool
    """Whether the headline is too long for the largest letters."""

    badge: Badge | None
    """How certain the answer is; None if no method is recommended."""

    answer: ShortAnswer
    """The sentences of the answer."""

    @property
    def kind(self) -> Kind:
        """The CSS class of the answer."""
        return "none" if self.badge is None else self.badge.kind


_IN_A_RACE: Mapping[Certainty, str] = {
    "proved": "it is shown that no other finalist is better by more than the margin; whichever method "
    "is chosen, it is wrongly called so in at most one of twenty races",
    "likely": "it is at least 90 % likely to be within the margin of the best finalist, which is not "
    "proved",
    "best bet": "it is the best choice on what is known, and a longer race may change it",
    "only choice": "no other finalist may be chosen, so it was compared with none",
}
"""What the words mean in a race, which compares its finalists alone."""

_BADGES: Mapping[Certainty, Badge] = {
    "proved": Badge(
        kind="proved",
        word="Proved",
        meaning="it is shown that no method compared is better by more than the margin; one given "
        "method is wrongly called so in at most one of twenty studies",
    ),
    "likely": Badge(
        kind="likely",
        word="Likely",
        meaning="it is at least 90 % likely to be within the margin of the best, which is not proved",
    ),
    "best bet": Badge(
        kind="bet",
        word="Best bet",
        meaning="it is the best choice on what is known, and more seeds may change it",
    ),
    "only choice": Badge(
        kind="only",
        word="Only choice",
        meaning="no other method may be chosen, so it was compared with none",
    ),
    "unknown": Badge(
        kind="unknown",
        word="Not known",
        meaning="how certain it is cannot be estimated, for instance from one seed",
    ),
}


def leads(answers: Sequence[ShortAnswer]) -> tuple[list[Lead], list[Lead]]:
    """Return the answers that stand first, and those to parts of the question.

    An answer over several tasks stands first, because it answers the whole study.
    """
    over_several = [answer for answer in answers if len(answer.tasks) > 1]
    first = over_several or list(answers)
    rest = [answer for answer in answers if answer not in first]
    return [_lead(answer) for answer in first], [_lead(answer) for answer in rest]


def _lead(answer: ShortAnswer) -> Lead:
    headline = plain(answer.method or _no_method(answer))
    return Lead(
        question=f"Which fine-tuning method for {answer.heading}?",
        headline=headline,
        long=len(headline) > _LONG,
        badge=None if answer.method is None else _badge(answer),
        answer=answer,
    )


def _badge(answer: ShortAnswer) -> Badge:
    word = answer.certainty or "unknown"
    found = _BADGES[word]
    return replace(found, meaning=_IN_A_RACE.get(word, found.meaning)) if answer.of_race else found


def _no_method(answer: ShortAnswer) -> str:
    return "None of these" if answer.basis == "at chance" else "No answer yet"
