"""The page's part on single test examples: scores by class, wrong answers, and disagreement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from whichpeft.analysis import Comparison
from whichpeft.analysis.answers.by_class import ClassScore, MethodByClass
from whichpeft.analysis.answers.summary import ExampleAnswers, ValueErrors
from whichpeft.report.page.answer_examples import example_lists, texts_kept
from whichpeft.report.tables.reading import short
from whichpeft.report.text import UNKNOWN, plain
from whichpeft.units import counted, join_words, plural, points, show_count, show_percent

_MOST_METHODS, _MOST_CLASSES, _MOST_MISTAKES = 12, 12, 15
_FEW = 50


def answers_section(found: ExampleAnswers | None, comparison: Comparison) -> dict[str, Any] | None:
    """Return the template variables of the part; None if nothing is known of single examples."""
    if found is None:
        return None
    kept = _most_telling(found, comparison)
    own = next((one for one in found.classes if one.method == found.shown.of_method), None)
    matrices = [one for one in found.classes if one.method in kept]
    matrices.sort(key=lambda one: one is not own)  # the recommended method first
    small = own is not None and own.confusion.size > 0 and len(own.scores) <= _MOST_CLASSES
    return {
        "words": [
            " ".join(sentences)
            for sentences in (_words_on_classes(own, found), _words_on_methods(found, comparison))
        ],
        "classes": _class_table(found, own, kept) if own is not None else None,
        "matrices": [_matrix(one) for one in matrices] if small else [],
        "mistakes": [] if own is None or small else _mistakes(own),
        "of_method": plain(found.shown.of_method),
        "errors": [_errors(one, found.decimals) for one in found.errors],
        "lists": list(example_lists(found)),
        "texts_kept": texts_kept(found),
        "between": _between(found, kept) if len(kept) > 1 else None,
        "left_out": join_words(map(plain, found.left_out)),
    }


def _errors(one: ValueErrors, decimals: int) -> tuple[str, ...]:
    return (
        plain(one.method),
        f"{one.mean_absolute:.{decimals}f}",
        f"{one.bias:+.{decimals}f}",
        f"{one.largest:.{decimals}f}",
    )


def _most_telling(found: ExampleAnswers, comparison: Comparison) -> tuple[str, ...]:
    """Return the methods with the best scores, in the order of the study, with the one that is shown."""
    scores = {one.method: one.score_mean or 0.0 for one in comparison.answers}
    always = (found.shown.of_method, comparison.baseline)
    best = sorted(
        found.disagreement.methods, key=lambda name: (name not in always, -scores.get(name, 0.0))
    )
    return tuple(name for name in found.disagreement.methods if name in best[:_MOST_METHODS])


def _words_on_classes(own: MethodByClass | None, found: ExampleAnswers) -> Iterator[str]:
    """Say which class a method finds best and worst, and what it most often confuses."""
    tested = [] if own is None else [score for score in own.scores if score.examples]
    if own is None or len(tested) < 2:
        return
    best, worst = (choose(tested, key=lambda score: score.f1) for choose in (max, min))
    if best.f1 > worst.f1:
        yield (
            f'{plain(own.method)} is best at "{short(best.name)}" (F1 {points(best.f1):.1f}) and worst '
            f'at "{short(worst.name)}" (F1 {points(worst.f1):.1f}; '
            f"{counted(worst.examples, _counted_as(found))})."
        )
    mistakes = own.mistakes()
    if mistakes:
        right, answer, count = mistakes[0]
        of = next(score.examples for score in own.scores if score.name == right)
        yield (
            f'Its most frequent mistake is "{short(answer)}" for "{short(right)}": '
            f"{_count(count)} of {show_count(of)} examples."
        )


def _words_on_methods(found: ExampleAnswers, comparison: Comparison) -> Iterator[str]:
    """Say how many examples all methods answer right or wrong, and how far two of them differ."""
    between, methods = found.disagreement, found.disagreement.methods
    if between.all_right is not None and between.all_wrong is not None and len(methods) > 1:
        yield (
            f"Every seed of every method is right on {show_count(between.all_right)} of the "
            f"{show_count(found.examples)} examples, and wrong on {show_count(between.all_wrong)}."
        )
    own, other = found.shown.of_method, comparison.baseline
    if own == other or other not in methods:
        return
    at = methods.index(own)
    apart, alone = between.between[at][methods.index(other)], between.between[at][at]
    if apart is None:
        return
    if found.kind == "values":
        yield f"{plain(own)} and {plain(other)} differ by {apart:.{found.decimals}f} on average."
        return
    itself = "" if alone is None else f"; two seeds of {plain(own)} alone, on {_share(alone)}"
    yield f"{plain(own)} and {plain(other)} disagree on {_share(apart)} of the examples{itself}."


def _class_table(found: ExampleAnswers, own: MethodByClass, kept: Sequence[str]) -> dict[str, Any]:
    """Return F1 by class and method; of many classes, those that the shown method finds worst."""
    columns = [one for one in found.classes if one.method in kept]
    places = [place for place, score in enumerate(own.scores) if score.examples]
    few = sorted(places, key=lambda place: own.scores[place].f1)[: 2 * _MOST_CLASSES]
    rows = []
    for place in sorted(few):
        values = [round(points(one.scores[place].f1), 1) for one in columns]
        best = max(values) if min(values) < max(values) else None
        score = own.scores[place]
        rows.append(
            {
                "name": short(score.name),
                "examples": show_count(score.examples),
                "cells": [(f"{value:.1f}", value == best) for value in values],
            }
        )
    return {
        "of": _kind_of_class(found),
        "examples": plural(_counted_as(found), 2),
        "methods": [plain(one.method) for one in columns],
        "rows": rows,
        "notes": list(_class_notes(found, own, kept, len(rows), len(places))),
    }


def _class_notes(
    found: ExampleAnswers, own: MethodByClass, kept: Sequence[str], rows: int, tested: int
) -> Iterator[str]:
    what = _kind_of_class(found)
    examples = "entities" if _counted_as(found) == "entity" else "examples"
    answers = "those that were answered" if examples == "entities" else f"the answers with the {what}"
    yield (
        f"F1 of each {what} in points, mean over the seeds: the harmonic mean of precision (how many of "
        f"{answers} are right) and recall (how many of its {examples} are found); the best of a row is "
        "bold"
    )
    if rows < tested:
        kinds = plural(what, tested)
        yield f"{rows} of {tested} {kinds}, those with the lowest F1 of {plain(own.method)}"
    if len(kept) < len(found.classes):
        yield f"{len(kept)} of {len(found.classes)} methods, those with the highest scores"
    rare = min((s for s in own.scores if s.examples), key=lambda score: score.examples)
    if rare.examples < _FEW:
        has = counted(rare.examples, _counted_as(found))
        yield (
            f'"{short(rare.name)}" has {has}, so one answer more or less changes its recall by '
            f"{100 / rare.examples:.1f} points"
        )


def _kind_of_class(found: ExampleAnswers) -> str:
    """Return what the page calls the classes of the answers."""
    if found.kind == "tags":
        return "type" if found.metric == "entity_f1" else "tag"
    return "label" if found.kind == "labels" else "class"


def _counted_as(found: ExampleAnswers) -> str:
    """Return what the number of examples of a class counts."""
    if found.kind == "tags":
        return "entity" if found.metric == "entity_f1" else "word"
    return "test example"


def _matrix(one: MethodByClass) -> dict[str, Any]:
    """Return a confusion matrix with recall at the right and precision beneath."""
    names = [short(score.name) for score in one.scores]
    return {
        "method": plain(one.method),
        "names": names,
        "rows": [
            {
                "name": name,
                "cells": [
                    (_count(count), _shade(count / max(score.examples, 1)), place == own)
                    for own, count in enumerate(counts)
                ],
                "recall": f"{points(score.recall):.1f}" if score.examples else UNKNOWN,
            }
            for place, (name, score, counts) in enumerate(
                zip(names, one.scores, one.confusion.tolist(), strict=True)
            )
        ],
        "precision": [_precision(one, place) for place in range(len(names))],
        "seeds": len(one.seeds),
    }


def _precision(one: MethodByClass, place: int) -> str:
    score: ClassScore = one.scores[place]
    return f"{points(score.precision):.1f}" if one.confusion[:, place].any() else UNKNOWN


def _mistakes(own: MethodByClass) -> list[tuple[str, str, str]]:
    return [
        (short(right), short(answer), _count(count))
        for right, answer, count in own.mistakes()[:_MOST_MISTAKES]
    ]


def _between(found: ExampleAnswers, kept: Sequence[str]) -> dict[str, Any]:
    """Return the table of how far methods disagree, two by two."""
    at = [place for place, name in enumerate(found.disagreement.methods) if name in kept]
    known = [value for i in at for j in at if (value := found.disagreement.between[i][j]) is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)

    def shade(value: float | None) -> float:
        return 0.0 if value is None or low == high else (value - low) / (high - low)

    def show(value: float) -> str:
        return f"{value:.{found.decimals}f}" if found.kind == "values" else _share(value)

    rows = [
        (
            plain(found.disagreement.methods[i]),
            [
                (
                    UNKNOWN if value is None else show(value),
                    f"{shade(value):.2f}",
                    i == j,
                )
                for j in at
                for value in [found.disagreement.between[i][j]]
            ],
        )
        for i in at
    ]
    return {
        "methods": [name for name, _ in rows],
        "rows": rows,
        "note": _between_note(found, len(at)),
    }


def _between_note(found: ExampleAnswers, shown: int) -> str:
    what = {
        "values": "Mean difference between the answers of two methods, in the unit of the labels",
        "marks": "Share of the examples that one method answers right and the other one wrong",
    }.get(found.kind, "Share of the examples to which two methods give different answers")
    pairs = (
        "on the same seed"
        if found.disagreement.same_seeds
        else "over pairs of different seeds. On the diagonal are two seeds of one method; a pair is not "
        "expected to disagree less than the mean of its two cells there"
    )
    some = len(found.disagreement.methods)
    return f"{what}, {pairs}{f'; {shown} of {some} methods' if shown < some else ''}."


def _shade(share: float) -> str:
    """Return how strong the colour of a cell is; by the root, so that small shares can be seen."""
    return f"{math.sqrt(share):.2f}"


def _share(fraction: float) -> str:
    return show_percent(100 * fraction)


def _count(count: float) -> str:
    """Show a mean number of examples: ``757``, ``3.3``."""
    return show_count(count) if count >= 10 else f"{count:.1f}".removesuffix(".0")
