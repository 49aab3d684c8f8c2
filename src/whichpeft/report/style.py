"""Colours and type: the same on the page, in dark mode and in print."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from whichpeft.errors import StudyError
from whichpeft.study import parse_method

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

# Told apart by people with any of the common colour blindnesses, and legible on white and on
# near-black; after the sets of Okabe and Ito and of Paul Tol.
_GREY, _SAND, _OLIVE, _BLUE, _PINK, _ORANGE = (
    "#868c96",
    "#b09f86",
    "#97972f",
    "#1878bd",
    "#cc79a7",
    "#dd9200",
)
_VERMILION, _GREEN, _SKY, _PURPLE, _BROWN, _TEAL = (
    "#d4570a",
    "#009e73",
    "#4fabe0",
    "#a15bb0",
    "#9a6433",
    "#4ea79b",
)
PALETTE = (
    _BLUE, _VERMILION, _GREEN, _ORANGE, _PINK, _SKY, _PURPLE, _BROWN, _TEAL, _OLIVE, _SAND, _GREY,
)  # fmt: skip

# The usual methods keep one colour in every report; others take what is free in theirs.
_USUAL = {
    "full": _GREY,
    "zero-shot": _SAND,
    "head": _OLIVE,
    "lora": _BLUE,
    "dora": _PINK,
    "adalora": _ORANGE,
    "bitfit": _VERMILION,
    "prefix": _GREEN,
    "prompt": _TEAL,
    "p-tuning": _SKY,
    "ia3": _PURPLE,
}


def colours(methods: Sequence[str]) -> dict[str, str]:
    """Return a colour for each method as typed; methods of one family share it.

    A family is the name of the first part: ``lora:r=8`` and ``lora+bitfit`` both are ``lora``.
    """
    families = list(dict.fromkeys(map(family, methods)))
    chosen = {name: _USUAL[name] for name in families if name in _USUAL}
    for name in families:
        if name not in chosen:
            # The last two are greys: those stay with what methods are held against.
            hues = PALETTE[:-2]
            start = zlib.crc32(name.encode()) % len(hues)
            wheel = (*hues[start:], *hues[:start])
            free = [colour for colour in wheel if colour not in chosen.values()]
            chosen[name] = (free or wheel)[0]
    return {method: chosen[family(method)] for method in methods}


def family(method: str) -> str:
    """Return the name of a method's first part; the text itself where it is no method's name."""
    try:
        return parse_method(method).parts[0].name.lower()
    except StudyError:
        return method


_ON_PAPER = ("#1c2230", "#5b6474", "#e3e6ec")
# Names of the page's own colours, which follow light, dark and print without drawing anew.
_ON_PAGE = ("var(--ink)", "var(--quiet)", "var(--line)")


def theme(*, page: bool = False, background: str | None = None) -> dict[str, Any]:
    """Return the Vega-Lite config that sets type, lines and colours, for paper or for the page."""
    ink, quiet, grid = _ON_PAGE if page else _ON_PAPER
    axis = {
        "labelColor": quiet,
        "titleColor": ink,
        "gridColor": grid,
        "domainColor": quiet,
        "tickColor": quiet,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    }
    return {
        "background": background or "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "title": {
            "anchor": "start",
            "frame": "group",
            "fontSize": 14,
            "fontWeight": "bold",
            "color": ink,
            "subtitleColor": quiet,
            "subtitleFontSize": 11,
            "subtitlePadding": 6,
            "offset": 12,
        },
        "legend": {
            "labelColor": quiet,
            "titleColor": quiet,
            "titleFontWeight": "normal",
            "labelFontSize": 11,
            "titleFontSize": 11,
            "symbolFillColor": quiet,
            "symbolStrokeColor": quiet,
            "symbolOpacity": 0.6,
        },
        "text": {"color": ink, "fontSize": 11},
        "rule": {"color": quiet},
    }
