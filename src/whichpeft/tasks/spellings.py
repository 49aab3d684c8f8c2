"""Names of classes that differ only in their spelling: case, spaces, width, accents, or one letter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

_BETWEEN = re.compile(r"(?<=[^\W_])[\s_\-]+(?=[^\W_])")
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_ENDS = ".,;:!"

# Small letters of Cyrillic and Greek that look like Latin ones, and the dot that a capital I may have.
_LOOK_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u03bf", "aeopcyxijo", "\u0307"
)

_TRUTHS = {"true": "1", "false": "0"}

# Names this short differ in one letter without being the same word.
_SHORTEST_MISSPELT = 5
# A misspelling is rare, and seldom next to the word that is meant.
_MOST_MISSPELT, _MISSPELT_SHARE = 5, 0.05


def folded(name: str) -> str:
    """Return what two spellings of one name have in common.

    Case, width, invisible characters, spaces and the marks that stand for them, quotation marks, and a
    full stop at the end do not count. Numbers count by their value.
    """
    visible = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    plain = visible.strip().strip(_QUOTES).rstrip(_ENDS).strip().casefold().translate(_LOOK_ALIKE)
    plain = _BETWEEN.sub(" ", " ".join(plain.split()))
    try:
        return f"{float(plain):g}" if "_" not in plain else plain
    except ValueError:
        return unicodedata.normalize("NFC", plain)


def twins(counts: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Return groups of names that differ only in their spelling, each with the most frequent first.

    Truth values are 1 and 0. Single letters that differ in case are different names, as in sets of
    handwritten letters.
    """
    groups: dict[str, list[str]] = {}
    for name in counts:
        plain = name if len(name) == 1 and name.isascii() else folded(name)
        groups.setdefault(_TRUTHS.get(plain, plain), []).append(name)
    return [
        tuple(sorted(group, key=lambda name: -counts[name]))
        for group in groups.values()
        if len(group) > 1
    ]


def misspellings(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return rare names with the frequent name from which they differ in one letter."""
    found = []
    for rare, count in counts.items():
        if count > _MOST_MISSPELT or len(folded(rare)) < _SHORTEST_MISSPELT:
            continue
        near = [
            name
            for name, many in counts.items()
            if count <= _MISSPELT_SHARE * many and _one_letter_apart(folded(rare), folded(name))
        ]
        if near:
            found.append((rare, max(near, key=lambda name: counts[name])))
    return found


def nearest_spelling(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs from a name only in spelling or in one letter, or None."""
    plain = folded(name)
    names = {folded(other): other for other in known}
    if plain in names:
        return names[plain]
    if len(plain) < _SHORTEST_MISSPELT:
        return None
    return next((other for key, other in names.items() if _one_letter_apart(plain, key)), None)


def _one_letter_apart(one: str, other: str) -> bool:
    """Whether a letter is added, left out, replaced or swapped with the next; not the first letter."""
    short, long = sorted((one, other), key=len)
    if one == other or len(long) - len(short) > 1 or short[:1] != long[:1]:
        return False
    start = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    a, b = short[start:], long[start:]
    if len(short) < len(long):
        return a == b[1:] and b[0].isalpha()
    if a[1:] == b[1:]:
        return a[0].isalpha() and b[0].isalpha()
    return a[:2] == b[1::-1] and a[2:] == b[2:] and a[:2].isalpha()
