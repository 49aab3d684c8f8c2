"""Units of measurement and how they are shown to people."""

from __future__ import annotations

_SIZES = ("B", "kB", "MB", "GB", "TB")


def show_bytes(value: float) -> str:
    """Show bytes in decimal units: ``1.2 MB``."""
    for size in _SIZES:
        if abs(value) < 1000 or size == _SIZES[-1]:
            return f"{value:.0f} {size}" if size == "B" else f"{value:.3g} {size}"
        value /= 1000
    raise AssertionError("unreachable")


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


def show_count(value: float) -> str:
    """Show a count with thousands separators: ``1,234,567``."""
    return f"{value:,.0f}"


def show_percent(value: float) -> str:
    """Show a percentage with three significant digits, never in exponent form: ``0.0312 %``."""
    if value == 0:
        return "0 %"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f} %" if abs(value) >= 0.01 else f"{value:.2g} %"


def points(fraction: float) -> float:
    """Turn a fraction (scores and gaps are kept as fractions) into points."""
    return 100 * fraction
