"""All errors, as one tree, and the words of their messages.

WhichpeftError
├── RequestError         the request was wrong; nothing was run (exit code 2)
│   ├── StudyError       a key or value of a study, or a name in it
│   │   ├── ConfigFileError  a method's config file that cannot be read; only its method is refused
│   │   └── LimitsError      limits that no method fits (exit code 3)
│   ├── DataError        a data file, a column or a label
│   ├── BackboneError    a pretrained model that is unavailable or does not fit
│   └── FolderError      a run folder of another study, or of none
├── TrialFailed          a trial that ended without a score; becomes a failed record
├── MethodError          a method that does not fit a backbone; also a ValueError
├── CannotStack          trials that cannot train as one model; they train one by one
├── RecordError          a record that cannot be read
│   └── NewerRecord      a record that a later version wrote
└── ScoresError          scores or predictions that cannot be compared; also a ValueError

Every message names the file, key or value, and the fix.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")
_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}|(?<=Bearer )\S+")


class WhichpeftError(Exception):
    """Anything that whichpeft raises on purpose."""


class RequestError(WhichpeftError):
    """The request was wrong; nothing was run."""


class StudyError(RequestError):
    """A key, a value or a name in a study is wrong."""


class ConfigFileError(StudyError):
    """The config file of a method cannot be read. In a study, only its method is refused."""


class LimitsError(StudyError):
    """No method fits the limits."""


class DataError(RequestError):
    """A data file, a column or a label is wrong."""


class BackboneError(RequestError):
    """A pretrained model is unavailable or does not fit the task."""


class FolderError(RequestError):
    """A run folder belongs to another study, or to none."""


class TrialFailed(WhichpeftError):
    """A trial ended without a score, for a reason that belongs in its record."""

    def __init__(self, reason: str, *, phase: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.phase = phase


class MethodError(WhichpeftError, ValueError):
    """A method does not fit a backbone: it names something that the backbone does not have."""


class CannotStack(WhichpeftError):
    """Trials that cannot train as one model, with the reason to show to the user."""


class RecordError(WhichpeftError):
    """A record that cannot be read."""


class NewerRecord(RecordError):
    """A record that a later version wrote; it is not damaged."""


class ScoresError(WhichpeftError, ValueError):
    """Arrays of scores or predictions that cannot be compared."""


def without_secrets(text: str) -> str:
    """Return text without the user's tokens, which some libraries put into their messages."""
    for name in _SECRETS:
        value = os.environ.get(name, "")
        if len(value) > 5:
            text = text.replace(value, "[secret]")
    return _TOKEN.sub("[secret]", text)


def show_debug_log() -> None:
    """Show the package's debug log on standard error if the environment variable WHICHPEFT_DEBUG is 1.

    The log has the tracebacks of errors that are handled, such as those of a cost estimate.
    """
    if os.environ.get("WHICHPEFT_DEBUG") != "1":
        return
    import logging  # the command line starts faster without it

    class WithoutSecrets(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return without_secrets(super().format(record))

    handler = logging.StreamHandler()
    handler.setFormatter(WithoutSecrets("%(name)s: %(message)s"))
    logger = logging.getLogger("whichpeft")
    logger.handlers[:] = [handler]  # one, however often this is called
    logger.setLevel(logging.DEBUG)


def unknown(kind: str, value: str, known: Iterable[str], *, fix: str | None = None) -> str:
    """Write the message for a value that is not one of the known ones.

    Parameters
    ----------
    kind
        What the value names, such as ``precision``.
    value
        The value as written by the user.
    known
        The values that exist.
    fix
        What to do instead; ``choose`` and the known values by default.

    Returns
    -------
    str
        ``unknown precision 'x'; choose auto or float32``. A known value that is close comes first:
        ``unknown precision 'float3'; did you mean 'float32'? Choose auto or float32``.
    """
    return f"unknown {kind} {value!r}{suggestion(value, known, fix=fix)}"


def suggestion(value: str, known: Iterable[str], *, fix: str | None = None) -> str:
    """Write the end of a message about an unknown value: the nearest known one, then the fix.

    With an empty `fix`, only the suggestion is left, or nothing if no known value is close.
    """
    known = list(known)
    if fix is None:
        fix = f"choose {_either(known)}"
    close = nearest(value, known)
    if close is None:
        return f"; {fix}" if fix else ""
    return f"; did you mean {close!r}?" + (f" {fix[0].upper()}{fix[1:]}" if fix else "")


def nearest(value: str, known: Iterable[str]) -> str | None:
    """Return the known value that `value` was probably meant to be, or None.

    It has the same letters up to case and hyphens, or few other ones (one in four), or it shares its
    words with one known value alone: ``prefix-tuning`` is close to ``prefix``. Different numbers are
    never close.
    """
    known = list(known)
    plain = _letters(value)
    misspelt = []
    for other in known:
        mistakes = _mistakes(plain, _letters(other))
        if mistakes == 0:
            return other
        if mistakes <= max(len(plain), len(_letters(other))) // 4 and _same_numbers(plain, other):
            misspelt.append((mistakes, other))
    if misspelt:
        return min(misspelt, key=lambda pair: pair[0])[1]
    words = _words(value)
    sharing = [other for other in known if words < _words(other) or words > _words(other) > set()]
    return sharing[0] if words and len(sharing) == 1 and _same_numbers(value, sharing[0]) else None


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text.casefold())


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.casefold()))


def _same_numbers(one: str, other: str) -> bool:
    """Whether the numbers in two names agree, as far as both have some: 3 and 32 do, 7 and 13 do not."""
    pairs = zip(re.findall(r"\d+", one), re.findall(r"\d+", other), strict=False)
    return all(a.startswith(b) or b.startswith(a) for a, b in pairs)


def _mistakes(one: str, other: str) -> int:
    """Count the letters to insert, remove, replace or swap with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        last, before, row = before, row, [i]
        for j, b in enumerate(other, start=1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                least = min(least, last[j - 2] + 1)
            row.append(least)
    return row[-1]


def _either(values: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(values[:-1]), *values[-1:])))
