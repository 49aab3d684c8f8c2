"""Vega-Lite specs, written as plain mappings: a page needs dozens of them in a moment.

The functions here return parts of a spec under short names; what a chart holds is checked against
Vega-Lite's own schema by the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VERSION = "6.4"
"""Of Vega-Lite, that the specs are written for."""

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing as a Vega-Lite spec, data and all; colours of ink and paper are left to a theme."""

    spec: Spec

    def to_dict(self, validate: bool = False) -> Spec:
        """Return the spec. validate: check it against Vega-Lite's schema, which needs altair.

        Raises altair's SchemaValidationError at a field that Vega-Lite does not have.
        """
        whole = {"$schema": f"https://vega.github.io/schema/vega-lite/v{VERSION}.json", **self.spec}
        if validate:
            import altair

            altair.Chart.from_dict(whole).to_dict()
        return whole


def chart(layers: Sequence[Spec], *, width: Any, height: Any, values: Any = None, **more: Any) -> Spec:
    """Return marks drawn over each other; values: the data of all that bring none of their own."""
    data = {} if values is None else {"data": {"values": list(values)}}
    return {**data, "layer": list(layers), "width": width, "height": height, **more}


def beside(charts: Sequence[Spec], *, stacked: bool, spacing: int, **more: Any) -> Spec:
    """Return charts side by side, or one under the other where they are stacked."""
    return {"vconcat" if stacked else "hconcat": list(charts), "spacing": spacing, **more}


def mark(kind: str, encoding: Spec, *, where: str = "", values: Any = None, **look: Any) -> Spec:
    """Return one kind of mark. where: the data it is drawn of, as an expression."""
    made: Spec = {"mark": {"type": kind, **look}, "encoding": encoding}
    if values is not None:
        made["data"] = {"values": list(values)}
    if where:
        made["transform"] = [{"filter": where}]
    return made


def number(field: str, **more: Any) -> Spec:
    """Return the encoding of a quantity."""
    return {"field": field, "type": "quantitative", **more}


def word(field: str, **more: Any) -> Spec:
    """Return the encoding of a name."""
    return {"field": field, "type": "nominal", **more}


def as_is(field: str, kind: str = "nominal") -> Spec:
    """Return the encoding of a colour or shape that stands in the data itself; see `amount`."""
    return {"field": field, "type": kind, "scale": None, "legend": None}


def amount(field: str) -> Spec:
    """Return the encoding of a size or opacity that stands in the data itself."""
    return as_is(field, "quantitative")


def fixed(value: Any) -> Spec:
    """Return the encoding of one value, in pixels where it is a place."""
    return {"value": value}


def tooltip(titles: Mapping[str, str]) -> list[Spec]:
    """Return what is shown when a mark is pointed at: titles by field."""
    return [word(field, title=title) for field, title in titles.items()]


def linear(low: float, high: float) -> Spec:
    """Return a scale with these ends and no other."""
    return {"domain": [low, high], "nice": False, "zero": False}


def logarithmic(low: float, high: float) -> Spec:
    return {"type": "log", "domain": [low, high], "nice": False}


def names_axis(room: int | None, **more: Any) -> Spec | None:
    """Return an axis that is names alone, in so many pixels; None, which draws nothing, without room."""
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


def in_rows(rows: Iterable[Mapping[str, Any]], **shared: Any) -> list[Spec]:
    """Return rows of data with what they share added."""
    return [{**row, **shared} for row in rows]
