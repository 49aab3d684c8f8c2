"""Finds the answer in generated text: the final number, or one of several choices."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Commas group thousands. A sign after a digit is a minus between two numbers.
_WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_SIGN = r"(?<![\d.)])[-\N{MINUS SIGN}]"
_MONEY = r"[$£€]"
# A fraction with an optional whole number, or a decimal. Two slashes make a date.
_NUMBER = re.compile(
    rf"(?P<sign>{_SIGN}{_MONEY}?)?(?<![\d.])(?:"
    rf"(?<!/)(?:(?P<whole>{_WHOLE}) )?(?P<top>{_WHOLE})/(?P<bottom>[1-9]\d*)(?![\d/]|\.\d)"
    rf"|(?P<decimal>{_WHOLE}(?:\.\d+)?|\.\d+))"
)
# Marks that announce an answer, from GSM8K and the usual prompts for reasoning.
GSM8K_MARK = "####"
_ANNOUNCED = re.compile(r"answer\s*(?:is:?|:)", re.IGNORECASE)
# The start of a next question, if a model continues after its answer.
_NEXT = re.compile(r"(?<=\S)\s*\n\s*(?:###(?!#)|(?:Q|Question|Instruction)\s*:)", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?](?=\s|$)|\n(?=.*\S)")
# Numbers that differ by less are equal, since divisions are rounded to a few digits.
_SAME_NUMBER = 1e-3


def final_number(text: str) -> float | None:
    """Return the number that a text announces as its answer, else its last number, else None.

    If the announced answer is an equation, its result counts: five in ``the answer is 9 - 4 = 5``.
    Fractions and mixed numbers are recognised; currency and percent signs are ignored.
    """
    text = _until_next_question(text)
    for announced in _announced(text):
        sentence = _SENTENCE.split(announced.lstrip(), maxsplit=1)[0]
        result = sentence.rpartition("=")[2]
        for part in (result, sentence, announced):
            found = _NUMBER.search(part)
            if found is not None:
                return _value(found)
    numbers = list(_NUMBER.finditer(text))
    return _value(numbers[-1]) if numbers else None


def is_number(text: str) -> bool:
    """Whether a text is just a number."""
    return _NUMBER.fullmatch(text.strip()) is not None


def same_number(found: float, right: float) -> bool:
    return abs(found - right) < _SAME_NUMBER


def find_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that a text announces as its answer, else the first one it names, else None.

    Choices of a single letter must match in case; others match in any case.
    """
    text = _until_next_question(text)
    for announced in _announced(text):
        found = _first(announced, choices, announced=True)
        if found is not None:
            return found
    return _first(text, choices, announced=False)


def _until_next_question(text: str) -> str:
    return _NEXT.split(text, maxsplit=1)[0]


def _announced(text: str) -> list[str]:
    """Return the texts after the GSM8K mark and after the last words that announce an answer."""
    _, mark, marked = text.partition(GSM8K_MARK)
    words = list(_ANNOUNCED.finditer(text))
    return ([marked] if mark else []) + ([text[words[-1].end() :]] if words else [])


def _first(text: str, choices: Sequence[str], *, announced: bool) -> str | None:
    places = [
        (match.start(), -len(choice), choice)
        for choice in choices
        if (match := _words(choice, announced=announced).search(text)) is not None
    ]
    return min(places)[2] if places else None


def _words(choice: str, *, announced: bool) -> re.Pattern[str]:
    letter = len(choice) == 1
    # The article in "A train leaves" is not a choice.
    article = "(?! [a-z])" if choice in ("A", "I") and not announced else ""
    return re.compile(
        rf"(?<!\w){re.escape(choice.strip())}(?!\w){article}", 0 if letter else re.IGNORECASE
    )


def _value(number: re.Match[str]) -> float:
    parts = {key: (part or "0").replace(",", "") for key, part in number.groupdict().items()}
    if number["bottom"] is not None:
        size = float(parts["whole"]) + float(parts["top"]) / float(parts["bottom"])
    else:
        size = float(parts["decimal"])
    return -size if number["sign"] else size
