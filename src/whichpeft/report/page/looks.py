"""How methods look on the page: hues that follow light, dark and print, and symbols in text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from whichpeft.report.figures.style import HUES, Look, looks
from whichpeft.report.text import plain

if TYPE_CHECKING:
    from markupsafe import Markup

_VARIABLES = {on_white: f"var(--hue-{name})" for name, (on_white, _) in HUES.items()}


class LegendEntry(NamedTuple):
    """A method in the legend."""

    name: str
    """The method's name."""

    symbol: Markup
    """Its point on its line."""


def hues_css() -> str:
    """Return the hues as CSS variables for light, dark and print."""
    light, dark = (
        ":root {" + " ".join(f"--hue-{name}: {pair[i]};" for name, pair in HUES.items()) + "}"
        for i in (0, 1)
    )
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}\n"


def with_variables(spec: Any) -> Any:
    """Return a spec with the page's CSS variables in place of hues."""
    if isinstance(spec, dict):
        return {key: with_variables(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [with_variables(value) for value in spec]
    return _VARIABLES.get(spec, spec) if isinstance(spec, str) else spec


def legend(methods: Sequence[str], among: Sequence[str] | None = None) -> list[LegendEntry]:
    """Return the legend of methods.

    Parameters
    ----------
    methods
        The methods in the legend.
    among
        All methods that the figures draw, which decide each look; `methods` by default.
    """
    look = looks(methods if among is None else among)
    return [
        LegendEntry(plain(method), symbol(look[method], line=True)) for method in dict.fromkeys(methods)
    ]


def symbol(look: Look, *, line: bool = False) -> Markup:
    """Return a method's point as inline SVG, on a piece of its line if asked; it needs no CSS."""
    from markupsafe import Markup

    colour = f"var(--hue-{_HUE_OF[look.colour]}, {look.colour})"
    width = 30 if line else 14
    dash = " ".join(map(str, look.dash))
    through = f'<path d="M{-width / 2:g},0H{width / 2:g}" stroke-width="2" stroke-dasharray="{dash}"/>'
    return Markup(
        f'<svg class="symbol" width="{width}" height="14" viewBox="{-width / 2:g} -7 {width} 14" '
        f'aria-hidden="true" style="fill:{colour};stroke:{colour}">{through if line else ""}'
        f'<path d="{look.outline}" transform="scale(5)" stroke="none"/></svg>'
    )


_HUE_OF = {on_white: name for name, (on_white, _) in HUES.items()}
