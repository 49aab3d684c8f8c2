"""Finds examples without a label that are marked by a word or a number, not by an empty field."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whichpeft.tasks.labels import class_name, infer_problem, number
from whichpeft.tasks.splits import Split
from whichpeft.units import counted, join_words

# Words for a label that is not there. Some are also names: NA of Namibia, none of no symptom.
_WORDS = frozenset({"-", "?", "n/a", "n.a.", "na", "nan", "none", "null"})
# These can mean nothing else.
_CERTAIN = frozenset(
    {"unlabeled", "unlabelled", "no label", "not labeled", "not labelled", "#n/a", "<na>"}
)
_MARKERS = _WORDS | _CERTAIN
_LONGEST = max(map(len, _MARKERS))
_DASHES = re.compile("[\u2010-\u2015\u2212-]+")
# These are usual names of classes, too.
_NAMES = frozenset({"none", "null"})
# Numbers of classes start at 0. -1 is customary for no label, and -100 for what a loss ignores.
_NUMBERS = frozenset({"-1", "-100"})
_MOST_UNLABELLED = 0.1
_ENTAILMENT = frozenset({"entailment", "neutral", "contradiction", "not_entailment"})


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a training set, as names of classes with counts."""

    counts: Counter[str]
    others: frozenset[str]
    """The labels that are no markers."""
    markers: frozenset[str]
    """The labels that are customary for no label."""
    numbered: bool
    """Whether all others are numbers."""
    regression: bool
    """Whether the labels are values to predict, so that -1 is one of them."""
    column: str
    """Name of their column; empty if unknown."""

    @classmethod
    def of(cls, names: Sequence[str], problem: str | None, column: str | None) -> Labels:
        """Count labels; `problem` is inferred if it is None."""
        counts = Counter(names)
        words = frozenset(name for name in counts if is_marker(name, numbers=False))
        problem = problem or infer_problem([name for name in names if name not in words])
        regression = problem == "regression"
        markers = frozenset(name for name in counts if is_marker(name, numbers=not regression))
        others = frozenset(counts) - markers
        numbered = all(number(name) is not None for name in others)
        return cls(counts, others, markers, numbered, regression, (column or "").strip().casefold())

    def is_sure(self, name: str) -> bool:
        """Whether a marker in train means that there is no label."""
        if len(self.others) < 2:
            return False
        if name in _NUMBERS:
            # -1, 0 and 1 are a customary scale.
            rare = self._is_rare(name) and len(self.others) > 2
            return self._numbers_classes and (name == "-100" or rare)
        if _folded(name) in _CERTAIN or self.numbered:
            return True
        entailment = {other.casefold() for other in self.others} <= _ENTAILMENT
        return name == "-" and (self.column == "gold_label" or entailment)

    def is_new(self, name: str) -> bool:
        """Whether a label that train lacks is a marker, and not a class of its own."""
        if not is_marker(name, numbers=not self.regression):
            return False
        return self.numbered or _folded(name) not in _NAMES

    def is_doubtful(self, name: str) -> bool:
        """Whether a marker that is kept as a class deserves a note."""
        if name in _NUMBERS:
            # A few -1 next to 0 and 1 are suspect. Many are a scale, and -1 and 1 are two classes.
            return self._numbers_classes and (self._is_rare(name) or len(self.others) > 2)
        if _folded(name) == "none":
            # Only Python writes it with a capital next to small letters; else it is a usual name.
            return name == "None" and all(other == other.lower() for other in self.others)
        return not (name == "-" and "+" in self.counts)

    @property
    def _numbers_classes(self) -> bool:
        """Whether the others are the numbers of two or more classes, from 0 or from 1 on."""
        count = len(self.others)
        return count > 1 and any(
            self.others == {str(first + i) for i in range(count)} for first in (0, 1)
        )

    def _is_rare(self, name: str) -> bool:
        return self.counts[name] < _MOST_UNLABELLED * self.counts.total()


def is_marker(name: str, *, numbers: bool = True) -> bool:
    """Whether the name of a class is customary for no label; `numbers` counts -1 and -100 in."""
    return (numbers and name in _NUMBERS) or (len(name) <= _LONGEST and _folded(name) in _MARKERS)


def _folded(name: str) -> str:
    """Return a name in small letters of usual width, with a plain hyphen."""
    return _DASHES.sub("-", unicodedata.normalize("NFKC", name).casefold())


def leave_out_unlabelled(
    splits: Mapping[str, Split], problem: str | None = None, column: str | None = None
) -> tuple[dict[str, Split], list[str]]:
    """Leave out the examples that are surely unlabelled; return the rest, and notes with counts.

    A marker such as NA is surely not a class if all other labels are numbers, or if train has no such
    class; a few -1 if the others are the numbers of three or more classes, from 0 or 1 on. ``-``
    marks an example without a gold label in SNLI and its kin. A marker that may be a class stays one,
    with a note.

    Parameters
    ----------
    splits
        The splits by role, with ``train`` among them.
    problem
        ``classification`` or ``regression``; inferred from train's labels by default.
    column
        Name of the column of the labels, if known.
    """
    names = {role: [class_name(label) for label in split.labels] for role, split in splits.items()}
    labels = Labels.of(names["train"], problem, column)
    gone = {name for name in labels.markers if labels.is_sure(name)}
    classes = set(labels.counts) - gone
    left: dict[str, Split] = {}
    notes: list[str] = []
    for role, split in splits.items():
        out = Counter(
            name for name in names[role] if name in gone or (name not in classes and labels.is_new(name))
        )
        left[role] = split
        if out and out.total() < len(split):
            rows = [i for i, name in enumerate(names[role]) if name not in out]
            left[role] = split.take(rows, split.location)
            marks = join_words(map(repr, sorted(out)))
            notes.append(
                f"{split.location}: {counted(out.total(), 'example')} with the label {marks} "
                f"{'is' if out.total() == 1 else 'are'} left out as unlabelled"
            )
    for name in sorted(classes & labels.markers):
        if labels.is_doubtful(name):
            count = labels.counts[name]
            notes.append(
                f"{splits['train'].location}: {counted(count, 'example')} with the label {name!r} "
                f"{'is a class of its own' if count == 1 else 'are a class of their own'}; remove such "
                "rows if it means that no label was given"
            )
    return left, notes
