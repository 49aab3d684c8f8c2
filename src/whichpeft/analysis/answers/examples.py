"""Test examples that are worth reading: wrong with every method, answered differently, far off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from whichpeft.analysis.answers.given import GivenAnswers, MethodAnswers
from whichpeft.analysis.answers.sets import spelled
from whichpeft.metrics.metric import Array, Floats
from whichpeft.records import ExampleTexts

MOST_SHOWN = 5
"""Examples per list."""

_HALF = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownExample:
    """A test example with what methods answered."""

    place: int
    """Its number in the test set, from 0."""

    inputs: tuple[str, ...]
    """The beginning of its text or texts, or the name of an image's file; empty if it was not kept."""

    right: str | None
    """The right class, value or text; None for a text that was not kept."""

    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By answer, the methods that gave it on most of their seeds; for values, their mean."""

    right_by: tuple[str, ...] = ()
    """The methods that are right on most of their seeds; empty for values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownExamples:
    """Some of the test examples, each list with the most telling one first."""

    of_method: str
    """The method that `wrong` is of."""

    wrong: tuple[ShownExample, ...]
    """Those that it answers wrong on most seeds, and another method does not; the largest errors.

    First come those to whose right class the method gives the least probability.
    """

    split: tuple[ShownExample, ...]
    """Those that one method answers right and another one wrong, each on most of its seeds.

    For values, those on which the methods differ most.
    """

    wrong_with_all: tuple[ShownExample, ...]
    """Those that every method answers wrong on every seed: the label may be wrong. Empty for values."""


def shown_examples(
    answers: GivenAnswers,
    method: MethodAnswers,
    *,
    classes: Sequence[str] = (),
    texts: ExampleTexts | None = None,
    most: int = MOST_SHOWN,
) -> ShownExamples:
    """Choose test examples to read.

    Parameters
    ----------
    answers
        What the methods answered.
    method
        The method whose wrong answers are shown.
    classes
        Names of the classes by number.
    texts
        Excerpts of the test examples. With them, only examples with an excerpt are chosen.
    most
        The most examples of each list.
    """
    show = _Show(answers, classes, texts)
    if answers.kind == "values":
        spread = np.ptp([one.given.mean(axis=0) for one in answers.methods], axis=0)
        return ShownExamples(
            of_method=method.name,
            wrong=show.first(method.doubt, method.doubt > 0, most),
            split=show.first(spread, spread > 0, most),
            wrong_with_all=(),
        )
    # Share of the seeds on which each method is wrong, shape (methods, examples).
    shares = np.stack([answers.wrong(one).mean(axis=0) for one in answers.methods])
    everywhere = shares.min(axis=0) == 1
    with_most = (shares.min(axis=0) >= _HALF) & (len(shares) > 1)  # none is right on most seeds
    differ = (shares.max(axis=0) > _HALF) & (shares.min(axis=0) < _HALF)
    mine = answers.wrong(method).mean(axis=0)
    return ShownExamples(
        of_method=method.name,
        wrong=show.first(mine + method.doubt, (mine > _HALF) & ~with_most, most),
        # Half of the methods right and half wrong is the most that they can differ.
        split=show.first(shares.var(axis=0), differ, most),
        wrong_with_all=show.first(
            np.mean([one.doubt for one in answers.methods], axis=0), everywhere, most
        ),
    )


class _Show:
    """Puts examples into words."""

    def __init__(
        self, answers: GivenAnswers, classes: Sequence[str], texts: ExampleTexts | None
    ) -> None:
        self._answers = answers
        self._classes = classes
        self._texts = texts
        self._at = {place: at for at, place in enumerate(texts.places)} if texts else {}

    def first(self, value: Floats, chosen: Array, most: int) -> tuple[ShownExample, ...]:
        """Return the examples with the highest values among the chosen ones that can be shown."""
        if self._texts is not None:
            kept = np.isin(np.arange(len(value)), self._texts.places)
            chosen = chosen & kept
        order = np.argsort(-value, kind="stable")
        return tuple(self._example(int(place)) for place in order[chosen[order]][:most])

    def _example(self, place: int) -> ShownExample:
        texts, at = self._texts, self._at.get(place, 0)
        right = None
        if self._answers.patterns is not None:
            right = self._spelled(self._answers.labels[place], at)
        elif self._answers.kind in ("classes", "values"):
            right = self._named(self._answers.labels[place])
        elif texts is not None and texts.answers:
            right = texts.answers[at]
        found: dict[str, list[str]] = {}
        for method in self._answers.methods:
            found.setdefault(self._answer(method, place), []).append(method.name)
        return ShownExample(
            place=place,
            inputs=() if texts is None else texts.inputs[at],
            right=right,
            answers={answer: tuple(names) for answer, names in found.items()},
            right_by=()
            if self._answers.kind == "values"
            else tuple(
                method.name
                for method in self._answers.methods
                if self._answers.wrong(method)[:, place].mean() < _HALF
            ),
        )

    def _answer(self, method: MethodAnswers, place: int) -> str:
        """Return what a method answers on most seeds; of equally frequent answers, the first."""
        if self._answers.kind == "values":
            return self._named(method.given[:, place].mean())
        if method.texts:
            return most_common(" ".join(str(texts[place]).split()) for texts in method.texts)
        if self._answers.kind == "marks":
            return "wrong" if method.given[:, place].mean() < _HALF else "right"
        if self._answers.patterns is not None:
            at = self._at.get(place, 0)
            return most_common(self._spelled(number, at) for number in method.given[:, place])
        return most_common(map(self._named, method.given[:, place]))

    def _spelled(self, number: int, at: int) -> str:
        """Return tags or labels in words; `at` is the place of the example's excerpt."""
        kind, patterns = self._answers.kind, self._answers.patterns
        assert patterns is not None
        text = self._texts.inputs[at][0] if self._texts is not None else ""
        return spelled("tags" if kind == "tags" else "labels", patterns[number], self._classes, text)

    def _named(self, value: float) -> str:
        if self._answers.kind == "values":
            return f"{value:.{self._answers.decimals}f}"
        number = int(value)
        if self._answers.kind == "choices":
            return f"choice {number + 1}"
        return self._classes[number] if number < len(self._classes) else str(number)


def most_common(answers: Iterable[str]) -> str:
    """Return the most frequent answer; of several, the one that was given first."""
    counts: dict[str, int] = {}
    for answer in answers:
        counts[answer] = counts.get(answer, 0) + 1
    return max(counts, key=lambda answer: counts[answer])
