"""Colours and fonts, the same on the page, in dark mode and in print."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from whichpeft.report.figures.vega import HALO, Spec
from whichpeft.study.families import family_of

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

# Each hue on white and on near-black, with a contrast of at least 3; based on the palettes of Okabe and
# Ito and of Paul Tol. Some pairs look alike with a colour vision deficiency, so shapes differ too.
HUES = {
    "blue": ("#1271b8", "#3f97e6"),
    "vermilion": ("#d4570a", "#f0763a"),
    "green": ("#00926a", "#1fbf8f"),
    "orange": ("#cb8300", "#f0a92b"),
    "pink": ("#cf70a6", "#ee9fc8"),
    "sky": ("#3c9bd6", "#86ccf5"),
    "purple": ("#9a4fac", "#bd84cf"),
    "brown": ("#85501f", "#c08a5a"),
    "teal": ("#2f9a8c", "#6cc9bb"),
    "olive": ("#86861a", "#bcbc4a"),
    "sand": ("#a58f6e", "#cdbfa6"),
    "grey": ("#7a808b", "#a3a9b4"),
}
PALETTE = tuple(on_white for on_white, _ in HUES.values())
BLUE, VERMILION, GREEN, ORANGE, PINK, SKY, PURPLE, BROWN, _TEAL, OLIVE, SAND, GREY = PALETTE

# A family has the same colour in every report; families that are not listed get an unused colour.
_OF_FAMILY = {
    "everything": GREY,
    "nothing": SAND,
    "upper layers": OLIVE,
    "low rank": BLUE,
    "chosen weights": VERMILION,
    "prompts": GREEN,
    "factors": PURPLE,
    "adapters": ORANGE,
    "rotations": PINK,
    "transforms": BROWN,
    "representations": SKY,
}
# Outlines of points in a box from -1 to 1, by the name that Vega has for them or else by themselves.
_OUTLINES = {
    "circle": "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z",
    "square": "M-.89,-.89H.89V.89H-.89Z",
    "triangle-up": "M0,-1L1,.8H-1Z",
    "diamond": "M0,-1L.8,0L0,1L-.8,0Z",
    "triangle-down": "M0,1L1,-.8H-1Z",
    "cross": "M-.35,-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z",
}
_STAR = "M0,-1.1L.3,-.35L1.1,-.3L.5,.2L.7,1L0,.55L-.7,1L-.5,.2L-1.1,-.3L-.3,-.35Z"
_SALTIRE = "M-1,-.55L-.55,-1L0,-.45L.55,-1L1,-.55L.45,0L1,.55L.55,1L0,.45L-.55,1L-1,.55L-.45,0Z"
_SHAPES = (*_OUTLINES, _STAR, _SALTIRE)
_DASHES = ((1, 0), (7, 3), (2, 2), (8, 3, 2, 3), (4, 2), (1, 3), (12, 3), (9, 2, 2, 2, 2, 2))
# Colours of text, secondary text, grid lines and the background.
_ON_PAPER = ("#1c2230", "#5b6474", "#e3e6ec", "#ffffff")
# CSS variables of the page, which follow light, dark and print without redrawing.
_ON_PAGE = ("var(--ink)", "var(--quiet)", "var(--line)", "var(--paper)")


@dataclass(frozen=True, slots=True)
class Look:
    """How a method is drawn."""

    colour: str
    """The colour of its family."""

    shape: str
    """The shape of its points, a name or a path as Vega reads it."""

    dash: tuple[int, ...]
    """The dash pattern of its lines, in pixels."""

    @property
    def outline(self) -> str:
        """The shape as an SVG path in a box from -1 to 1."""
        return _OUTLINES.get(self.shape, self.shape)


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """Return the look of each method by its name.

    Members of a family share a colour and differ in shape and dash. Over all methods shapes and dashes
    are used equally often, so that methods are distinct without their colours too.
    """
    colour = colours(methods)
    in_family: dict[tuple[str, int], int] = {}
    overall = [0] * len(_SHAPES)
    found = {}
    for method in dict.fromkeys(methods):
        family = family_of(method)
        place = min(range(len(_SHAPES)), key=lambda i: (in_family.get((family, i), 0), overall[i], i))
        in_family[family, place] = in_family.get((family, place), 0) + 1
        overall[place] += 1
        found[method] = Look(colour[method], _SHAPES[place], _DASHES[place])
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
    ink, quiet, grid, behind = _ON_PAGE if page else _ON_PAPER
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
        "style": {HALO: {"stroke": behind, "strokeWidth": 3.5, "strokeJoin": "round", "opacity": 0.85}},
        "rule": {"color": quiet},
        "tick": {"color": quiet},
    }
