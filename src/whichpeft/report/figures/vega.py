"""Vega-Lite specs as plain mappings, because a page needs dozens of them quickly.

The functions return parts of a spec. The tests check the charts against Vega-Lite's own schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VERSION = "6.4"
"""The Vega-Lite version that the specs are written for."""

HALO = "halo"
"""The style of the outline around a text that may lie on lines; the theme defines it."""

Spec = dict[str, Any]
"""A Vega-Lite spec, or a part of one."""

FigureRow = dict[str, Any]
"""A row of a figure's data, by column; column names include the units."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing as a Vega-Lite spec that includes its data."""

    spec: Spec
    """The spec without text and background colours, which the theme sets."""

    def to_dict(self, validate: bool = False) -> Spec:
        """Return the spec.

        Parameters
        ----------
        validate
            Whether to check the spec against Vega-Lite's schema, which requires altair.

        Raises
        ------
        altair.SchemaValidationError
            If the spec has a field that Vega-Lite does not have.
        """
        whole = {"$schema": f"https://vega.github.io/schema/vega-lite/v{VERSION}.json", **self.spec}
        if validate:
            import altair

            altair.Chart.from_dict(whole).to_dict()
        return whole


def chart(
    layers: Sequence[Spec],
    *,
    width: int | Spec,
    height: int | Spec,
    values: Iterable[FigureRow] | None = None,
    **more: object,
) -> Spec:
    """Return a chart of layers; `values` are the data of all layers without their own."""
    data = {} if values is None else {"data": {"values": list(values)}}
    return {**data, "layer": list(layers), "width": width, "height": height, **more}


def concat(charts: Sequence[Spec], *, stacked: bool, spacing: int, **more: object) -> Spec:
    """Return charts side by side, or one below the other if stacked."""
    return {"vconcat" if stacked else "hconcat": list(charts), "spacing": spacing, **more}


def mark(
    kind: str,
    encoding: Spec,
    *,
    only: str = "",
    values: Iterable[FigureRow] | None = None,
    **look: object,
) -> Spec:
    """Return a layer of marks; `only` is an expression that selects the rows to draw."""
    layer: Spec = {"mark": {"type": kind, **look}, "encoding": encoding}
    if values is not None:
        layer["data"] = {"values": list(values)}
    if only:
        layer["transform"] = [{"filter": only}]
    return layer


def with_halo(text: Spec) -> list[Spec]:
    """Return a layer of texts, and below it the same with an outline in the colour of the background."""
    halo = {**text["mark"], "style": HALO}
    return [{**text, "mark": halo}, text]


def number(field: str, **more: object) -> Spec:
    """Return the encoding of a quantity."""
    return {"field": field, "type": "quantitative", **more}


def word(field: str, **more: object) -> Spec:
    """Return the encoding of a name."""
    return {"field": field, "type": "nominal", **more}


def as_is(field: str, kind: str = "nominal") -> Spec:
    """Return the encoding of a colour or shape that the data contain as it is; see `amount`."""
    return {"field": field, "type": kind, "scale": None, "legend": None}


def amount(field: str) -> Spec:
    """Return the encoding of a size or opacity that the data contain as it is."""
    return as_is(field, "quantitative")


def fixed(value: object) -> Spec:
    """Return the encoding of a constant; positions are in pixels."""
    return {"value": value}


def tooltip(titles: Mapping[str, str]) -> list[Spec]:
    """Return the encoding of a tooltip from titles by field."""
    return [word(field, title=title) for field, title in titles.items()]


def linear(low: float, high: float) -> Spec:
    """Return a linear scale with exactly these bounds."""
    return {"domain": [low, high], "nice": False, "zero": False}


def logarithmic(low: float, high: float) -> Spec:
    """Return a logarithmic scale with exactly these bounds."""
    return {"type": "log", "domain": [low, high], "nice": False}


def names_axis(room: int | None, **more: object) -> Spec | None:
    """Return an axis of names of this width in pixels; None, which draws no axis, without a width."""
    if room is None:
        return None
    return {
        "labelLimit": room,
        "title": None,
        "ticks": False,
        "domain": False,
        "labelPadding": 6,
        **more,
    }


def in_rows(rows: Iterable[FigureRow], **shared: object) -> list[FigureRow]:
    """Return rows of data with the shared values added to each."""
    return [{**row, **shared} for row in rows]
