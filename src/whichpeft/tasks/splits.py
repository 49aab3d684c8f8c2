"""Splits of raw examples, and how examples are assigned to them.

Every choice is made by a hash of an example's input. So it does not depend on a seed or on the order of
a file, and equal inputs always end up in the same split.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from whichpeft.errors import DataError

Label = str | int | float | bool
Set = TypeVar("Set")
# What a model reads of an example: one text, two for a pair, or the hash of an image's content.
Input = tuple[str, ...]

# Size of a held-out validation set: a tenth of train; at least 100 examples if that is at most a fifth
# of train; at most 2,000, because it is evaluated after every epoch.
HELD_OUT_SHARE, HELD_OUT_LEAST, HELD_OUT_MOST = 0.1, 100, 2000
PART = " (part)"


@dataclass(frozen=True, slots=True)
class Split:
    """Examples as they were read."""

    inputs: tuple[Input, ...]
    """What a model reads of each example."""
    labels: tuple[Label, ...]
    """Labels as they were read."""
    location: str
    """The file or data set that the examples come from, for messages."""

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, indices: Iterable[int], location: str) -> Split:
        """Return the examples at `indices`, in that order."""
        chosen = list(indices)
        return Split(
            inputs=tuple(self.inputs[i] for i in chosen),
            labels=tuple(self.labels[i] for i in chosen),
            location=location,
        )


@dataclass(frozen=True, slots=True)
class FinalSplits:
    """The three splits that a task uses."""

    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...]
    """How the splits were made, if the data set did not come with all three."""


def content_hash(read: Input, salt: str) -> int:
    """Return a 64-bit hash of an example's input and the purpose `salt`."""
    text = "\x1f".join((salt, *read))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def choose_evaluation_splits(
    validation: Set | None, dev: Set | None, test: Set | None
) -> tuple[Set | None, Set | None]:
    """Return the sets to use as validation and as test; None for one that is missing.

    Without a test set, dev (or else validation) becomes the test set. With one, dev serves as validation
    if there is no validation set.
    """
    if test is not None:
        return (validation if validation is not None else dev), test
    return (validation, dev) if dev is not None else (dev, validation)


def make_splits(
    *,
    train: Split,
    validation: Split | None,
    dev: Split | None,
    test: Split | None,
    classes: bool,
) -> FinalSplits:
    """Make train, validation and test from the splits that a data set has.

    Without a labelled test set, dev (or else validation) becomes the test set. If no validation set is
    left, part of train is held out. A single set is split 80/10/10. With `classes`, the last example of
    a class never leaves train.
    """
    notes: list[str] = []
    unused = dev if test is not None and validation is not None else None
    lacks_test = test is None
    validation, test = choose_evaluation_splits(validation, dev, test)
    if lacks_test and test is not None:
        notes.append(f"no labelled test set; {test.location} is used as the test set")
    if unused is not None:
        notes.append(f"{unused.location} is not used, because there is a separate validation set")
    if test is None:
        each = max(1, round(0.1 * len(train)))
        train, test = hold_out(train, each, salt="test", classes=classes)
        notes.append(f"only one set; {len(test)} of its examples are held out as the test set")
        if validation is None:
            train, validation = hold_out(train, each, salt="validation", classes=classes)
            notes.append(f"{len(validation)} of its examples are held out as the validation set")
    if validation is None:
        train, validation = hold_out(
            train, validation_size(len(train)), salt="validation", classes=classes
        )
        notes.append(f"{len(validation)} training examples are held out as the validation set")
    for split in (train, validation, test):
        if not len(split) and split.location.endswith(PART):
            raise DataError(
                f"{split.location.removesuffix(PART)}: {len(train)} training examples are too few to "
                "hold some out for validation or test; give more examples, or separate splits"
            )
        if not len(split):
            raise DataError(f"{split.location}: contains no labelled examples; the split is empty")
    return FinalSplits(train=train, validation=validation, test=test, notes=tuple(notes))


def validation_size(examples: int) -> int:
    """Return how many of these training examples are held out for validation."""
    least = min(HELD_OUT_LEAST, examples // 5)
    return max(1, min(HELD_OUT_MOST, max(least, round(HELD_OUT_SHARE * examples))))


def hold_out(split: Split, count: int, *, salt: str, classes: bool) -> tuple[Split, Split]:
    """Hold out about `count` examples: those with the lowest hash, keeping equal inputs together."""
    hashes = [content_hash(read, salt) for read in split.inputs]
    groups: dict[int, list[int]] = {}
    for index in sorted(range(len(split)), key=hashes.__getitem__):
        groups.setdefault(hashes[index], []).append(index)
    left = Counter(split.labels) if classes else None
    taken: list[int] = []
    for group in groups.values():
        if len(taken) >= count or len(taken) + len(group) >= len(split):
            break
        if left is not None:
            leaving = Counter(split.labels[i] for i in group)
            if any(left[label] <= many for label, many in leaving.items()):
                continue
            left -= leaving
        taken += group
    gone = set(taken)
    rest = [i for i in range(len(split)) if i not in gone]
    return split.take(rest, split.location), split.take(sorted(gone), split.location + PART)


def subset(inputs: Sequence[Input], labels: Sequence[Hashable] | None, count: int) -> list[int]:
    """Choose `count` examples by hash; return their indices in ascending order.

    A larger subset contains every smaller one. Equal inputs are ordered by their label, so that the
    choice does not depend on the order of the file. Pass `labels` only for classes: a DataError is then
    raised if the subset would miss a class.
    """
    if count >= len(inputs):
        return list(range(len(inputs)))
    tags: Sequence[Hashable] = labels if labels is not None else [""] * len(inputs)
    order = sorted(range(len(inputs)), key=lambda i: (content_hash(inputs[i], "subset"), str(tags[i])))
    if labels is not None:
        missing = set(labels) - {labels[i] for i in order[:count]}
        if missing:
            seen: set[Hashable] = set()
            needed = 0
            for rank, index in enumerate(order, start=1):
                if labels[index] not in seen:
                    seen.add(labels[index])
                    needed = rank
            raise DataError(
                f"max_train {count} leaves {len(missing)} of {len(seen)} classes without a training "
                f"example; give --max-train {needed} or more"
            )
    return sorted(order[:count])
