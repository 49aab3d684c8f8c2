"""What a user should know about the labels of a task: the guess of its problem, and odd classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from whichpeft.errors import DataError
from whichpeft.metrics.labelled import rarer_class
from whichpeft.metrics.metric import Array, Metric
from whichpeft.metrics.per_example import OF_ONE_CLASS
from whichpeft.tasks.labels import (
    LIKE_NUMBERS,
    MOST_NUMERIC_CLASSES,
    as_python,
    class_name,
    is_code,
    number,
)
from whichpeft.tasks.spellings import misspellings, twins
from whichpeft.tasks.splits import Label
from whichpeft.units import counted, join_words, show_count

ClassRows = Mapping[str, Mapping[str, int]]

RARE = 5
"""A class with fewer training examples is rare."""

_FEW_TESTED = 10
_ONE_SIDED = 0.9
_MOST_NAMED = 6
_OTHER_SCALE = 10


def problem_notes(labels: Sequence[Label], problem: str) -> Iterator[str]:
    """Say which problem was inferred from train's labels if they might be of the other one."""
    names = {class_name(label): label for label in labels}
    numbers = {name: value for name in names if (value := number(name)) is not None}
    if len(numbers) < len(names):
        odd = [name for name in names if name not in numbers and LIKE_NUMBERS.fullmatch(name)]
        if odd and len(odd) + len(numbers) == len(names):
            yield (
                f"labels such as {odd[0]!r} are read as names of {len(names)} classes; write them as "
                "plain numbers, such as 6.8, to predict numbers"
            )
        return
    ordered = sorted(numbers, key=lambda name: numbers[name])
    shown = _between(ordered)
    whole = all(value.is_integer() for value in numbers.values())
    if problem == "classification":
        plain = ordered == [str(i) for i in range(len(ordered))]
        usual = plain and all(map(_is_whole_as_written, names.values()))
        if len(ordered) > 2 and not usual and not any(map(is_code, ordered)):
            yield (
                f"labels {shown} are read as {len(ordered)} classes; give --problem regression to "
                "predict numbers"
            )
    elif whole or len(ordered) <= MOST_NUMERIC_CLASSES:
        why = (
            f"{show_count(len(ordered))} different whole numbers"
            if whole
            else "some of them are fractions"
        )
        yield (
            f"labels {shown} are read as numbers to predict, because "
            f"{'they are ' if whole else ''}{why}; give --problem classification if they are classes"
        )


def class_notes(class_rows: ClassRows, *, metric: str) -> Iterator[str]:
    """Say which classes are rare, lacking in a split, much more frequent than all others, or alike."""
    train = class_rows["train"]
    totals = {name: sum(rows[name] for rows in class_rows.values()) for name in train}
    yield from _spelling_notes(totals)
    rare = {name: count for name, count in train.items() if count < RARE}
    if rare:
        listed = join_words((f"{name!r} ({count})" for name, count in rare.items()), most=_MOST_NAMED)
        yield (
            f"{len(rare)} of {len(train)} classes "
            f"{'has' if len(rare) == 1 else 'have'} fewer than {RARE} training examples: {listed}"
        )
    for split in ("validation", "test"):
        lacking = [name for name, count in class_rows[split].items() if not count]
        if lacking:
            listed = join_words(map(repr, lacking), most=_MOST_NAMED)
            effect = "; macro_f1 there is the mean over the others" if metric == "macro_f1" else ""
            yield f"the {split} set lacks {len(lacking)} of {len(train)} classes: {listed}{effect}"
    tested = class_rows["test"]
    most = max(tested, key=lambda name: tested[name])
    share = tested[most] / sum(tested.values())
    if metric == "accuracy" and _ONE_SIDED <= share < 1:
        yield (
            f"{100 * share:.0f} % of the test examples are of class {most!r}, so accuracy says little "
            "about the others; --metric macro_f1 or f1:CLASS tells methods apart better"
        )


def check_scored_classes(score: Metric, class_rows: ClassRows) -> None:
    """Raise DataError if a split that is scored lacks the classes that the score needs."""
    for split in ("validation", "test"):
        if score.name.startswith("auroc") and sum(map(bool, class_rows[split].values())) < 2:
            raise DataError(
                f"metric 'auroc': the {split} set has examples of one class only, so every method would "
                "score 0.5; add some of another class, or choose another metric"
            )
        if score.positive_class is not None and not class_rows[split][score.positive_class]:
            raise DataError(
                f"metric {score.name!r}: the {split} set has no example of this class, so every method "
                "would score 0; add some, or choose another metric"
            )


def rarer_class_notes(metric: str, train: Mapping[str, int]) -> Iterator[str]:
    """Say which class F1 or average precision is of, if none was named."""
    if f"{metric}:" not in OF_ONE_CLASS:
        return
    score = rarer_class(train)
    (other,) = (name for name in train if name != score)
    why = (
        f"{score!r}; both classes are equally frequent in the training set"
        if train[score] == train[other]
        else f"{score!r}, the rarer one in the training set"
    )
    yield f"{metric} is of class {why}; give --metric {metric}:{other} for the other one"


def range_notes(values: Mapping[str, Array]) -> Iterator[str]:
    """Say in which split the values to predict are on another scale than in train."""
    low, high = values["train"].min(), values["train"].max()
    for split in ("validation", "test"):
        least, most = values[split].min(), values[split].max()
        narrow, wide = sorted((high - low, most - least))
        apart = least > high or most < low
        # A handful of values may lie close together by chance.
        if apart or (wide > _OTHER_SCALE * narrow and len(values[split]) >= _FEW_TESTED):
            yield (
                f"labels are from {low:g} to {high:g} in the training set, but from {least:g} to "
                f"{most:g} in the {split} set; check that both are on one scale"
            )


def size_notes(labels: Array) -> Iterator[str]:
    """Say if the test set is too small to tell methods apart."""
    if len(labels) < _FEW_TESTED:
        yield f"the test set has only {counted(len(labels), 'example')}, too few to tell methods apart"


def _spelling_notes(totals: Mapping[str, int]) -> Iterator[str]:
    alike = twins(totals)
    for group in alike[:_MOST_NAMED]:
        listed = join_words(f"{name!r} ({totals[name]})" for name in group)
        yield f"classes {listed} differ only in spelling; write them alike if they are one class"
    if len(alike) > _MOST_NAMED:
        yield f"{len(alike) - _MOST_NAMED} more groups of classes that differ only in spelling"
    for rare, usual in misspellings(totals)[:_MOST_NAMED]:
        yield (
            f"class {rare!r} ({totals[rare]}) may be a misspelling of {usual!r} ({totals[usual]}); "
            "correct it if they are one class"
        )


def _between(names: Sequence[str]) -> str:
    """List numbers: all of a few, or the first and the last."""
    return join_words(names) if len(names) <= _MOST_NAMED else f"{names[0]} to {names[-1]}"


def _is_whole_as_written(label: Label) -> bool:
    value = as_python(label)
    return isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal())
