"""The test examples that the page shows, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from whichpeft.analysis.answers.examples import ShownExample
from whichpeft.analysis.answers.summary import ExampleAnswers
from whichpeft.report.text import plain
from whichpeft.units import counted, join_words, show_count

_MOST_NAMED, _MOST_ANSWERS = 4, 4


def example_lists(found: ExampleAnswers) -> Iterator[dict[str, Any]]:
    """Yield the lists that have examples: title, what they have in common, and the examples."""
    own, several = plain(found.shown.of_method), len(found.disagreement.methods) > 1
    lists: tuple[tuple[str, str, tuple[ShownExample, ...]], ...]
    if found.kind == "values":
        lists = (
            (
                f"Where {own} is furthest off",
                "By the mean absolute error over its seeds",
                found.shown.wrong,
            ),
            ("Where methods differ most", "By the mean over their seeds", found.shown.split),
        )
    else:
        lists = (
            (
                f"Where {own} is wrong{' and another method is not' if several else ''}",
                "On most of its seeds"
                if found.kind == "marks"
                else "The less probable it finds the right answer, the earlier an example comes",
                found.shown.wrong,
            ),
            (
                "Where methods differ",
                "One is right and another one wrong, each on most of its seeds",
                found.shown.split,
            ),
            (
                "Where every method is wrong" if several else f"Where {own} is wrong on every seed",
                "The label may be wrong, or the example may not say enough",
                found.shown.wrong_with_all,
            ),
        )
    for title, words, examples in lists:
        if examples:
            yield {
                "title": title,
                "words": words,
                "rows": [_example(one, found) for one in examples],
            }


def texts_kept(found: ExampleAnswers) -> bool:
    """Whether the run folder has the texts of the examples."""
    shown = found.shown
    return any(one.inputs for one in (*shown.wrong, *shown.split, *shown.wrong_with_all))


def _example(one: ShownExample, found: ExampleAnswers) -> dict[str, Any]:
    return {
        "place": show_count(one.place + 1),
        "inputs": [plain(text) for text in one.inputs],
        "right": None if one.right is None else plain(one.right),
        "answers": _answers(one, found),
    }


def _answers(one: ShownExample, found: ExampleAnswers) -> list[str]:
    """Return the answers with the methods that gave them; of many, the most telling ones."""
    everyone, own = len(found.disagreement.methods), found.shown.of_method
    if len(one.answers) > _MOST_ANSWERS and found.kind == "values":
        # The lowest and the highest value say how far the methods are apart.
        order = sorted(one.answers, key=float)
        first = [answer for answer in order if own in one.answers[answer]]
        shown = list(dict.fromkeys([*first, order[0], order[-1]]))
    else:
        order = sorted(
            one.answers,
            key=lambda answer: (
                own not in one.answers[answer],
                answer != one.right,
                -len(one.answers[answer]),
            ),
        )
        shown = order[: _MOST_ANSWERS if len(order) > _MOST_ANSWERS + 1 else len(order)]
    rest = [answer for answer in one.answers if answer not in shown]
    lines = []
    for answer in shown:
        names = one.answers[answer]
        whole = len(names) == everyone and everyone > 1
        who = "all methods" if whole else join_words(map(plain, names), most=_MOST_NAMED)
        # A text may be right in other words than those of the data.
        right = answer == one.right or (found.kind == "marks" and set(names) <= set(one.right_by))
        lines.append(f"{plain(answer) or 'nothing'}{' (right)' if right else ''}: {who}")
    if rest:
        methods = sum(len(one.answers[answer]) for answer in rest)
        lines.append(f"{counted(len(rest), 'other answer')}: {counted(methods, 'method')}")
    return lines
