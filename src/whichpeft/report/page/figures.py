"""The page's figures: each at several screen sizes and with its data, views of one subject together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from whichpeft.report.figures.figure import SCREEN, Figure, Size
from whichpeft.report.figures.vega import FigureRow, Spec
from whichpeft.report.page.looks import with_variables
from whichpeft.report.text import UNKNOWN, plain

_ROW_NAME = "method"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataTable:
    """The data of a figure as a table of text, for readers who cannot see the figure."""

    titles: tuple[str, ...]
    """The headings."""

    rows: tuple[tuple[str, ...], ...]
    """The cells, row by row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A figure on the page."""

    id: str
    """The id of its element."""

    label: str
    """Its name among the views of its group."""

    title: str
    """The title."""

    caption: str
    """The caption."""

    data: tuple[DataTable, ...]
    """The data, as tables."""

    specs: tuple[Spec, ...]
    """Vega-Lite specs with their widths, from wide to narrow."""


@dataclass(kw_only=True, slots=True)
class FigureGroup:
    """One figure, or several views of one subject between which the reader switches."""

    id: str
    """The id of its element."""

    name: str
    """The subject; empty for a single figure."""

    aside: str = ""
    """The title of the folded part that it is in; empty if it is not in one."""

    views: list[View] = field(default_factory=list)
    """The views, in order."""


def screen_figures(draw: Callable[[Size], dict[str, Figure]], place: str) -> dict[str, object]:
    """Draw figures at every screen size and return the template variables.

    Parameters
    ----------
    draw
        Draws the figures of a section at a size, by name.
    place
        Distinguishes the ids of this section from those of others.

    Returns
    -------
    dict
        ``figures`` with the figures, and ``empty`` with a line for each figure without anything to draw.
    """
    drawn = [(size.whole_width, draw(size)) for size in SCREEN]
    found: dict[str, FigureGroup] = {}
    missing = []
    for number, (name, first) in enumerate(drawn[0][1].items()):
        if first.empty_because:
            missing.append(f"{first.title}: {first.empty_because}")
            continue
        view = _view(f"figure-{place}-{number}", [(width, by_name[name]) for width, by_name in drawn])
        key = f"group {first.group}" if first.group else f"figure {name}"
        one = found.setdefault(
            key,
            FigureGroup(id=f"views-{place}-{number}", name=plain(first.group), aside=first.aside),
        )
        one.views.append(view)
    return {"figures": list(found.values()), "empty": missing}


def _view(id: str, sizes: Sequence[tuple[int, Figure]]) -> View:
    specs: list[Spec] = []
    for width, figure in sizes:
        spec = figure.chart.to_dict()
        # The page has its own config, which follows light and dark mode.
        spec.pop("config", None)
        specs.append({"width": width, "spec": with_variables(spec)})
    figure = sizes[0][1]
    return View(
        id=id,
        label=plain(figure.label or figure.title),
        title=figure.title,
        caption=figure.caption,
        data=tuple(data_of(specs[0]["spec"])),
        specs=tuple(specs),
    )


def data_of(spec: Spec) -> list[DataTable]:
    """Return the tooltips of a chart as tables.

    Panels with different values of the same methods become columns of one table.
    """
    by_titles: dict[tuple[str, ...], dict[tuple[str, ...], None]] = {}
    for titles, rows in _tips(spec, []):
        by_titles.setdefault(titles, {}).update(dict.fromkeys(rows))
    tables = [DataTable(titles=titles, rows=tuple(rows)) for titles, rows in by_titles.items() if rows]
    return _joined(tables)


def _tips(
    spec: Spec, inherited: Sequence[FigureRow]
) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Yield titles and texts of the tooltips of all marks."""
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


def _values(spec: Spec, inherited: Sequence[FigureRow]) -> Sequence[FigureRow]:
    data = spec.get("data")
    own: list[FigureRow] | None = data.get("values") if isinstance(data, dict) else None
    return inherited if own is None else own


def _title(tip: Spec) -> str:
    return plain(tip.get("title") or tip["field"])


def _text(value: object) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.4g}" if isinstance(value, float) else plain(value)


def _joined(tables: Sequence[DataTable]) -> list[DataTable]:
    """Join tables with one row per method if their methods and order are the same."""
    found: list[DataTable] = []
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
        found[match] = DataTable(
            titles=(*other.titles, *table.titles[1:]),
            rows=tuple((*a, *b[1:]) for a, b in zip(other.rows, table.rows, strict=True)),
        )
    return found
