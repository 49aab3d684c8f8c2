"""Numbers, units and lists as people read and write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from whichpeft.errors import StudyError

_SIZES = ("B", "kB", "MB", "GB", "TB")


def show_bytes(value: float) -> str:
    """Show bytes in decimal units: ``1.2 MB``."""
    for size in _SIZES:
        if abs(value) < 1000 or size == _SIZES[-1]:
            return f"{value:.0f} {size}" if size == "B" else f"{value:.3g} {size}"
        value /= 1000
    raise AssertionError("unreachable")


def size_unit(largest: float) -> tuple[str, float]:
    """Return the decimal unit in which sizes up to this one are easy to read, and its bytes."""
    power = next((p for p in range(len(_SIZES) - 1, 0, -1) if largest >= 2 * 1000.0**p), 0)
    return _SIZES[power], 1000.0**power


def show_seconds(value: float) -> str:
    """Show a duration: ``0.8 s``, ``42 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 100:
        return f"{value:.0f} s"
    minutes, seconds = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def show_seconds_between(low: float, high: float) -> str:
    """Show a range of durations in one unit: ``8.2 to 21 s``, ``1.3 to 3.5 min``, ``2.0 to 5.1 h``."""
    unit, size = "s", 1
    if high >= 6000:
        unit, size = "h", 3600
    elif high >= 100:
        unit, size = "min", 60
    ends = [f"{value / size:.{0 if value / size >= 9.95 else 1}f}" for value in (low, high)]
    return f"{' to '.join(dict.fromkeys(ends))} {unit}"


def show_milliseconds(value: float) -> str:
    """Show a short duration given in milliseconds: ``4.2 ms``, ``130 ms``."""
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def show_count(value: float) -> str:
    """Show a count with thousands separators: ``1,234,567``."""
    return f"{value:,.0f}"


def show_percent(value: float) -> str:
    """Show a percentage with three significant digits, never in exponent form: ``0.0312 %``."""
    if value == 0:
        return "0 %"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f} %" if abs(value) >= 0.01 else f"{value:.2g} %"


def show_chance(probability: float) -> str:
    """Show a probability in per cent. An estimate of 0 or 1 is shown as ``< 1 %`` or ``> 99 %``."""
    percent = round(100 * probability)
    return "> 99 %" if percent >= 100 else "< 1 %" if percent <= 0 else f"{percent} %"


def plural(noun: str, count: int) -> str:
    """Return a noun in the singular or plural: ``seed``, ``classes``, ``entities``."""
    if count != 1 and noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return noun if count == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """Show how many there are of something: ``1 seed``, ``2,000 steps``."""
    return f"{show_count(count)} {plural(noun, count)}"


def join_words(words: Iterable[str], *, most: int | None = None) -> str:
    """Write a list as in a sentence: ``lora, ia3 and prefix``.

    With `most`, a list that is longer by two or more ends with a count: ``lora, ia3 and 7 more``.
    """
    shown = list(words)
    if most is not None and len(shown) > most + 1:
        shown[most:] = [f"{len(shown) - most} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def show_seeds(seeds: Sequence[int]) -> str:
    """Show seeds in order: ``0, 1, 2``; five or more in a row as ``0 to 11``."""
    if len(seeds) >= 5 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def points(fraction: float) -> float:
    """Convert a fraction into points. Scores and gaps are stored as fractions."""
    return 100 * fraction


def parse_bytes(text: str) -> int:
    """Read a size: ``24GB``, ``6 GiB``, ``500MB``; GB are decimal, GiB are binary.

    Raises StudyError if the text is not a size.
    """
    factors = {"b": 1.0}
    for power, letter in enumerate("kmgt", start=1):
        factors |= {f"{letter}b": 1000.0**power, f"{letter}ib": 1024.0**power}
    return round(_parse(text, factors, "a size", "24GB, 6 GiB or 500MB"))


def parse_speed(text: str) -> float:
    """Read a speed in floating-point operations per second: ``80TFLOPS``, ``500 GFLOP/s``.

    Raises StudyError if the text is not a speed.
    """
    factors = {
        f"{letter}{unit}": 1000.0**power
        for power, letter in enumerate("mgtp", start=2)
        for unit in ("flops", "flop/s")
    }
    return _parse(text, factors, "a speed", "80TFLOPS or 500GFLOPS")


def parse_duration(text: str) -> float:
    """Read a duration in seconds: ``10m``, ``30s``, ``1.5h``, ``20ms``.

    Raises StudyError if the text is not a duration.
    """
    names = {
        0.001: ("ms",),
        1.0: ("s", "sec", "second", "seconds"),
        60.0: ("m", "min", "minute", "minutes"),
        3600.0: ("h", "hour", "hours"),
    }
    factors = {name: factor for factor, known in names.items() for name in known}
    return _parse(text, factors, "a duration", "10m, 30s, 1h or 20ms")


def parse_percent(text: str) -> float:
    """Read a percentage: ``1%`` is 1.0.

    Raises StudyError if the text is not a percentage from 0 to 100.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    if found is None or float(found[1]) > 100:
        raise StudyError(f"{text!r} is not a percentage from 0 to 100; write it as 1% or 0.5%")
    return float(found[1])


def _parse(text: str, factors: dict[str, float], what: str, examples: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z/]+)\s*", text, re.IGNORECASE)
    factor = factors.get(found[2].lower()) if found else None
    if found is None or factor is None or float(found[1]) == 0:
        raise StudyError(f"{text!r} is not {what}; write it as {examples}")
    return float(found[1]) * factor
