"""Answers in what a model has written: the final number, or one of several choices."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Thousands are grouped by commas; a sign that follows a digit is a minus between two numbers.
_NUMBER = re.compile(r"(?<![\d.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|(?<![\d.])-?\.\d+")
# What announces an answer, as GSM8K and the usual prompts for reasoning do.
GSM8K_MARK = "####"
_ANNOUNCED = re.compile(rf"{GSM8K_MARK}|answer is:?", re.IGNORECASE)
# Numbers that differ by less are the same; divisions are written out to a few digits.
_SAME_NUMBER = 1e-3


def final_number(text: str) -> float | None:
    """Return the number that a text announces as its answer, else its last; None where it has none."""
    announced = list(_ANNOUNCED.finditer(text))
    if announced:
        after = _NUMBER.search(text, announced[-1].end())
        if after is not None:
            return _value(after.group())
    found = _NUMBER.findall(text)
    return _value(found[-1]) if found else None


def is_number(text: str) -> bool:
    """Whether a text is a number and nothing else."""
    match = _NUMBER.fullmatch(text.strip())
    return match is not None


def same_number(found: float, right: float) -> bool:
    return abs(found - right) < _SAME_NUMBER


def chosen(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that a text announces as its answer, else the first that it names.

    A choice of one capital letter has to be written so; others in any case. None where none is named.
    """
    announced = list(_ANNOUNCED.finditer(text))
    if announced:
        found = _first(text[announced[-1].end() :], choices)
        if found is not None:
            return found
    return _first(text, choices)


def _first(text: str, choices: Sequence[str]) -> str | None:
    places = [
        (match.start(), -len(choice), choice)
        for choice in choices
        if (match := _words(choice).search(text)) is not None
    ]
    return min(places)[2] if places else None


def _words(choice: str) -> re.Pattern[str]:
    flags = 0 if len(choice) == 1 else re.IGNORECASE
    return re.compile(rf"(?<!\w){re.escape(choice.strip())}(?!\w)", flags)


def _value(number: str) -> float:
    return float(number.replace(",", ""))
