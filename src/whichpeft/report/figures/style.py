"""Colours and fonts, the same on the page, in dark mode and in print."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from whichpeft.report.figures.vega import Spec
from whichpeft.study.families import family_of

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

# Distinguishable with all common colour vision deficiencies, and legible on white and on near-black;
# based on the palettes of Okabe and Ito and of Paul Tol.
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

# A family has the same colour in every report; families that are not listed get an unused colour.
_OF_FAMILY = {
    "everything": _GREY,
    "nothing": _SAND,
    "upper layers": _OLIVE,
    "low rank": _BLUE,
    "chosen weights": _VERMILION,
    "prompts": _GREEN,
    "factors": _PURPLE,
    "adapters": _ORANGE,
    "rotations": _PINK,
    "transforms": _BROWN,
    "representations": _SKY,
}
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
_DASHES = ((1, 0), (7, 3), (2, 2), (8, 3, 2, 3), (4, 2), (1, 3))
# Colours of text, secondary text and grid lines.
_ON_PAPER = ("#1c2230", "#5b6474", "#e3e6ec")
# CSS variables of the page, which follow light, dark and print without redrawing.
_ON_PAGE = ("var(--ink)", "var(--quiet)", "var(--line)")


@dataclass(frozen=True, slots=True)
class Look:
    """How a method is drawn."""

    colour: str
    """The colour of its family."""

    shape: str
    """The shape of its points, which distinguishes it within the family."""

    dash: tuple[int, ...]
    """The dash pattern of its lines, in pixels."""


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """Return the look of each method by its name; members of a family differ in shape and dash."""
    colour = colours(methods)
    met: dict[str, int] = {}
    found = {}
    for method in dict.fromkeys(methods):
        place = met.get(family_of(method), 0)
        met[family_of(method)] = place + 1
        shape, dash = _SHAPES[place % len(_SHAPES)], _DASHES[place % len(_DASHES)]
        found[method] = Look(colour[method], shape, dash)
    return found


def colours(methods: Sequence[str]) -> dict[str, str]:
    """Return the colour of each method by its name; methods of one family share it."""
    families = list(dict.fromkeys(map(family_of, methods)))
    chosen = {name: _OF_FAMILY[name] for name in families if name in _OF_FAMILY}
    for name in families:
        if name not in chosen:
            # The last two are greys, reserved for the methods that others are compared with.
            hues = PALETTE[:-2]
            start = zlib.crc32(name.encode()) % len(hues)
            wheel = (*hues[start:], *hues[:start])
            free = [colour for colour in wheel if colour not in chosen.values()]
            chosen[name] = (free or wheel)[0]
    return {method: chosen[family_of(method)] for method in methods}


def theme(*, page: bool = False, background: str | None = None) -> Spec:
    """Return the Vega-Lite config of fonts, lines and colours, for print or for the page."""
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
