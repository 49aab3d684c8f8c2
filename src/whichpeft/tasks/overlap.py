"""Finds inputs that occur in more than one split, or in train with different labels."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from whichpeft.tasks.splits import Input
from whichpeft.units import counted, show_percent

NOTED_SHARE = 0.01
"""A smaller share of a split hardly changes a score, and many well-known data sets have one."""


def leaked_rows(inputs: Mapping[str, Sequence[Input]]) -> dict[str, int]:
    """Return how many examples of validation and of test have an input that is also in train.

    Inputs are compared without regard to case, spaces and the form of their accents.

    Parameters
    ----------
    inputs
        The inputs of ``train``, ``validation`` and ``test``.
    """
    trained = set(map(_folded, inputs["train"]))
    return {
        split: sum(_folded(read) in trained for read in inputs[split])
        for split in ("validation", "test")
    }


def overlap_notes(
    inputs: Mapping[str, Sequence[Input]], leaked: Mapping[str, int], what: str
) -> Iterator[str]:
    """Say how many examples of validation and of test were seen before, if it is 1 % of them or more.

    Parameters
    ----------
    inputs
        The inputs of the three splits.
    leaked
        The counts of `leaked_rows`.
    what
        What an input is: ``text``, ``image`` or ``prompt``.
    """
    alike = "the same image" if what == "image" else f"the same {what} but for case and spaces"
    effects = {
        "validation": "so the best epoch is chosen by examples that were learned",
        "test": "so scores are too high for new examples",
    }
    for split, effect in effects.items():
        if leaked[split] and leaked[split] >= NOTED_SHARE * len(inputs[split]):
            seen = _share(leaked[split], len(inputs[split]), split)
            yield f"{seen} are also in the training set ({alike}), {effect}"
    validated = set(map(_folded, inputs["validation"]))
    again = sum(_folded(read) in validated for read in inputs["test"])
    if again and again >= NOTED_SHARE * len(inputs["test"]):
        yield (
            f"{_share(again, len(inputs['test']), 'test')} are also in the validation set ({alike}), by "
            "which the best epoch is chosen"
        )


def contradiction_notes(inputs: Sequence[Input], labels: Sequence[object], what: str) -> Iterator[str]:
    """Say how many training inputs occur with more than one class, if it is 1 % or more."""
    found: dict[Input, set[object]] = {}
    for read, label in zip(inputs, labels, strict=True):
        found.setdefault(read, set()).add(label)
    torn = {read for read, classes in found.items() if len(classes) > 1}
    rows = sum(read in torn for read in inputs)
    if rows and rows >= NOTED_SHARE * len(inputs):
        yield (
            f"{counted(len(torn), what)} in the training set {'occurs' if len(torn) == 1 else 'occur'} "
            f"with different labels ({counted(rows, 'example')})"
        )


def _share(count: int, whole: int, split: str) -> str:
    return f"{count:,} of {whole:,} {split} examples ({show_percent(100 * count / whole)})"


def _folded(read: Input) -> Input:
    return tuple(" ".join(unicodedata.normalize("NFC", part).casefold().split()) for part in read)
