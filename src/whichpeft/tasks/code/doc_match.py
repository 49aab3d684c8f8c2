"""The bundled task of code review: does this docstring belong to this function?

A pair holds the first sentence of a docstring and the source of a function, both from the same file of
the running Python's standard library. Functions are taken by twos: either both keep their own sentences,
or they swap them. So no text alone tells the answer, and a pair that does not belong together still has
the subject in common. In training each two occur in both ways; elsewhere in one, so that each text
occurs once.
"""

from __future__ import annotations

from itertools import groupby

from whichpeft.metrics.labelled import ACCURACY, AUROC, MACRO_F1
from whichpeft.tasks.code.functions import Function, functions_by_split
from whichpeft.tasks.from_examples import Example, text_task
from whichpeft.tasks.retrieval.match import MatchTask, encoded_apart
from whichpeft.tasks.splits import content_hash

MOST_TWOS = {"train": 110, "validation": 75, "test": 250}

OWN, OTHER = "own", "other"
"""The classes: the docstring is the function's own, or that of another one."""


def stdlib_doc_match() -> MatchTask:
    """Load the task ``stdlib-doc-match`` from the running Python's standard library.

    Raises DataError if the library's sources are missing, as in an embedded or frozen Python.
    """
    splits = {
        key: [example for two in _twos(functions, MOST_TWOS[key]) for example in _pairs(*two, split=key)]
        for key, functions in functions_by_split("stdlib-doc-match").items()
    }
    task = text_task(
        "stdlib-doc-match",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        metrics=(AUROC, ACCURACY, MACRO_F1),
        problem="classification",
    )
    return encoded_apart(task)


def _twos(functions: list[Function], most: int) -> list[tuple[Function, Function]]:
    """Take the functions of each file by twos, and keep the twos with the lowest hash."""
    found: list[tuple[Function, Function]] = []
    for _, group in groupby(functions, key=lambda function: function.file):
        own = list(group)
        found += zip(own[::2], own[1::2], strict=False)  # the last one of an odd number is left out
    return sorted(found, key=lambda two: _hash("order", *two))[:most]


def _pairs(one: Function, other: Function, *, split: str) -> list[Example]:
    own: list[Example] = [((each.summary, each.code), OWN) for each in (one, other)]
    swapped: list[Example] = [((one.summary, other.code), OTHER), ((other.summary, one.code), OTHER)]
    if split == "train":
        return own + swapped
    return swapped if _hash("swap", one, other) % 2 else own


def _hash(salt: str, one: Function, other: Function) -> int:
    return content_hash((one.code, other.code), salt)
