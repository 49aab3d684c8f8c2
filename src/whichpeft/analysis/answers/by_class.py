"""Precision, recall and F1 of each class, and which classes are taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whichpeft.analysis.answers.given import GivenAnswers, MethodAnswers
from whichpeft.analysis.answers.sets import Part, Sets, parts
from whichpeft.metrics.metric import Array, Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassScore:
    """How well a method finds one class; means over its seeds, as fractions."""

    name: str
    """The class."""

    examples: int
    """Number of test examples of the class; of tags, the number of its entities."""

    precision: float
    """Share of right answers among the answers with this class; 0 if there are none."""

    recall: float
    """Share of the class's examples that are found; 0 if the test set has none."""

    f1: float
    """Harmonic mean of precision and recall, as scikit-learn computes it; 0 if both are."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MethodByClass:
    """The scores of one method by class."""

    method: str
    """The method as written in the study."""

    seeds: tuple[int, ...]
    """Seeds of the trials."""

    scores: tuple[ClassScore, ...]
    """One per class, by number."""

    confusion: Floats
    """Examples of each class (rows) by the class that was answered (columns), mean over the seeds.

    It has no rows if an answer is several at once.
    """

    def mistakes(self) -> list[tuple[str, str, float]]:
        """Return the right class, the answer and the mean number of examples, most frequent first."""
        if not self.confusion.size:
            return []
        names = [score.name for score in self.scores]
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        places = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
        rows, columns = np.unravel_index(places, wrong.shape)
        return [
            (names[row], names[column], float(wrong[row, column]))
            for row, column in zip(rows, columns, strict=True)
        ]


def by_class(answers: GivenAnswers, names: Sequence[str] = ()) -> list[MethodByClass]:
    """Return the scores of each method by class; none if answers are not classes.

    Parameters
    ----------
    answers
        What the methods answered.
    names
        Names of the classes by number; the number itself stands for a class without a name.
    """
    if answers.kind in ("tags", "labels"):
        return _by_part(answers, answers.kind, names)
    if answers.kind != "classes":
        return []
    highest = max(int(answers.labels.max()), *(int(one.given.max()) for one in answers.methods))
    known = [*names, *map(str, range(len(names), highest + 1))]
    return [_of_method(one, answers.labels, known) for one in answers.methods]


def _by_part(answers: GivenAnswers, kind: Sets, names: Sequence[str]) -> list[MethodByClass]:
    """Return the scores by label, by type of entity, or by tag."""
    assert answers.patterns is not None
    known = names or tuple(map(str, range(int(answers.patterns.max()) + 1)))
    each = [parts(kind, pattern, known) for pattern in answers.patterns]
    found = Counter(str(part[0]) for own in each for part in own)
    order = [name for name in known if name in found]
    kinds = order if len(order) == len(found) else sorted(found)
    return [_method_by_part(one, answers.labels, each, kinds) for one in answers.methods]


def _method_by_part(
    method: MethodAnswers, labels: Array, each: Sequence[Counter[Part]], kinds: Sequence[str]
) -> MethodByClass:
    place = {kind: number for number, kind in enumerate(kinds)}
    hits, true, found = np.zeros((3, len(method.seeds), len(kinds)))
    for seed, given in enumerate(method.given):
        for right, answer in zip(labels.tolist(), given.tolist(), strict=True):
            for counts, own in (
                (true, each[right]),
                (found, each[answer]),
                (hits, each[right] & each[answer]),
            ):
                for part in own:
                    counts[seed, place[str(part[0])]] += 1
    return _scored(method, kinds, hits, true, found, np.zeros((0, 0)))


def _of_method(method: MethodAnswers, labels: Array, names: Sequence[str]) -> MethodByClass:
    matrices = np.stack([confusion(labels, found, len(names)) for found in method.given])
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    true, found = matrices.sum(axis=2), matrices.sum(axis=1)
    return _scored(method, names, hits, true, found, matrices.mean(axis=0))


def _scored(
    method: MethodAnswers,
    names: Sequence[str],
    hits: Floats,
    true: Floats,
    found: Floats,
    confusion: Floats,
) -> MethodByClass:
    """Return scores from counts of shape (seeds, classes)."""
    columns = (_share(hits, found), _share(hits, true), _share(2 * hits, true + found))
    means = [column.mean(axis=0).tolist() for column in columns]
    return MethodByClass(
        method=method.name,
        seeds=method.seeds,
        scores=tuple(
            ClassScore(name=name, examples=int(count), precision=precision, recall=recall, f1=f1)
            for name, count, precision, recall, f1 in zip(names, true[0], *means, strict=True)
        ),
        confusion=confusion,
    )


def confusion(labels: Array, found: Array, size: int) -> Floats:
    """Return the number of examples by class (rows) and by answer (columns)."""
    counts = np.bincount(labels * size + found, minlength=size * size)
    return counts.reshape(size, size).astype(np.float64)


def _share(numerator: Floats, denominator: Floats) -> Floats:
    share: Floats = np.zeros(numerator.shape)
    np.divide(numerator, denominator, out=share, where=denominator != 0)
    return share
