"""The page's figures: each at the sizes of screens, views of one thing together, with their data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from whichpeft.report.figures.figure import SCREEN, Figure, Size
from whichpeft.report.text import UNKNOWN, plain

_ROW_NAME = "method"


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """A figure's data as a table of text: the alternative to looking at it."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A figure on the page. id: of its place in the page; specs: by width, from the widest down."""

    id: str
    label: str
    title: str
    caption: str
    data: tuple[Data, ...]
    specs: tuple[dict[str, Any], ...]


@dataclass(kw_only=True, slots=True)
class Shown:
    """One figure, or several views of one thing among which the reader chooses."""

    id: str
    name: str
    views: list[View] = field(default_factory=list)


def shown(draw: Callable[[Size], dict[str, Figure]], place: str) -> dict[str, Any]:
    """Draw figures at every size of a screen; `place` tells them from those of other sections.

    Return them as `figures`, and as `undrawn` a line for each of which there is nothing to draw.
    """
    drawn = [(size.whole_width, draw(size)) for size in SCREEN]
    found: dict[str, Shown] = {}
    missing = []
    for number, name in enumerate(drawn[0][1]):
        if why := drawn[0][1][name].undrawn:
            missing.append(f"{drawn[0][1][name].title}: {why}")
            continue
        view = _view(f"figure-{place}-{number}", [(width, by_name[name]) for width, by_name in drawn])
        group = drawn[0][1][name].group
        key = f"group {group}" if group else f"figure {name}"
        one = found.setdefault(key, Shown(id=f"views-{place}-{number}", name=plain(group)))
        one.views.append(view)
    return {"figures": list(found.values()), "undrawn": missing}


def _view(id: str, sizes: Sequence[tuple[int, Figure]]) -> View:
    specs: list[dict[str, Any]] = []
    for width, figure in sizes:
        spec = figure.chart.to_dict()
        # The page brings its own, which follows light and dark.
        spec.pop("config", None)
        specs.append({"width": width, "spec": spec})
    figure = sizes[0][1]
    return View(
        id=id,
        label=plain(figure.label or figure.title),
        title=figure.title,
        caption=figure.caption,
        data=tuple(data_of(specs[0]["spec"])),
        specs=tuple(specs),
    )


def data_of(spec: dict[str, Any]) -> list[Data]:
    """Return what a chart shows when its marks are pointed at, as tables.

    Panels that tell different things of the same methods become columns of one table.
    """
    by_titles: dict[tuple[str, ...], dict[tuple[str, ...], None]] = {}
    for titles, rows in _tips(spec, []):
        by_titles.setdefault(titles, {}).update(dict.fromkeys(rows))
    tables = [Data(titles=titles, rows=tuple(rows)) for titles, rows in by_titles.items() if rows]
    return _joined(tables)


def _tips(
    spec: dict[str, Any], inherited: Sequence[dict[str, Any]]
) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Go through the marks that have tooltips: what these are titled, and what they say."""
    values = _values(spec, inherited)
    tips = spec.get("encoding", {}).get("tooltip", [])
    tips = [tip for tip in (tips if isinstance(tips, list) else [tips]) if "field" in tip]
    if tips:
        names = [tip["field"].replace("\\", "") for tip in tips]
        titles = tuple(_title(tip) for tip in tips)
        yield (
            titles,
            [
                tuple(_text(value.get(name)) for name in names)
                for value in values
                if all(name in value for name in names)
            ],
        )
    for key in ("layer", "hconcat", "vconcat", "concat"):
        for inner in spec.get(key, []):
            yield from _tips(inner, values)
    if isinstance(spec.get("spec"), dict):
        yield from _tips(spec["spec"], values)


def _values(spec: dict[str, Any], inherited: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    data = spec.get("data")
    own: list[dict[str, Any]] | None = data.get("values") if isinstance(data, dict) else None
    return inherited if own is None else own


def _title(tip: dict[str, Any]) -> str:
    return plain(tip.get("title") or tip["field"])


def _text(value: Any) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.4g}" if isinstance(value, float) else plain(value)


def _joined(tables: Sequence[Data]) -> list[Data]:
    """Put tables that have one row a method, the same methods in the same order, side by side."""
    found: list[Data] = []
    for table in tables:
        names = [row[0] for row in table.rows]
        match = next(
            (
                i
                for i, other in enumerate(found)
                if table.titles[0] == other.titles[0] == _ROW_NAME
                and len(set(names)) == len(names)
                and names == [row[0] for row in other.rows]
            ),
            None,
        )
        if match is None:
            found.append(table)
            continue
        other = found[match]
        found[match] = Data(
            titles=(*other.titles, *table.titles[1:]),
            rows=tuple((*a, *b[1:]) for a, b in zip(other.rows, table.rows, strict=True)),
        )
    return found
