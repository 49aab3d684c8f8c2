"""Write figures as PNG, SVG and PDF, without a browser."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from whichpeft.errors import FolderError
from whichpeft.report.figures.figure import Figure
from whichpeft.report.figures.figure_data import as_csv
from whichpeft.report.figures.style import theme
from whichpeft.report.figures.vega import VERSION
from whichpeft.storage.atomic import write_whole
from whichpeft.storage.cache import cached

_PNG_SCALE = 2.0


def save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write a figure as `stem`.png (double size), .svg and .pdf, and its data as .csv; return paths."""
    import vl_convert

    spec = {**figure.chart.to_dict(), "config": theme(background="white")}
    # The chart is laid out once; the other two formats are converted from it.
    svg = vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version())
    contents = {
        "png": vl_convert.svg_to_png(svg, scale=_PNG_SCALE),
        "svg": svg.encode(),
        "pdf": vl_convert.svg_to_pdf(svg),
    }
    if figure.rows:
        contents["csv"] = as_csv(figure.rows).encode()
    written = []
    for suffix, content in contents.items():
        path = folder / f"{stem}.{suffix}"
        write_whole(path, content)
        written.append(path)
    return written


def save_captions(figures: Mapping[str, Figure], folder: Path) -> Path:
    """Write titles and captions of figures, which the drawings do not have, as `captions.md`."""
    parts = [
        f"## {stem}\n\n**{figure.title}.** {figure.about}. {figure.caption or figure.empty_because}\n"
        for stem, figure in figures.items()
    ]
    path = folder / "captions.md"
    write_whole(path, "\n".join(parts).encode())
    return path


@cache
def vega_lite_version() -> str:
    """Return the Vega-Lite version to draw with: that of the specs, or else the newest available."""
    import vl_convert

    known: list[str] = vl_convert.get_vegalite_versions()
    return VERSION if VERSION in known else known[-1]


@cache
def vega_bundle() -> str:
    """Return the JavaScript that draws the charts of a page: Vega, Vega-Lite and Vega-Embed.

    Bundling takes seconds and always gives the same result, so it is kept in the user's cache.
    """
    name = f"vega-bundle-{metadata.version('vl-convert-python')}-{vega_lite_version()}"
    try:
        folder = cached(name, lambda target: write_whole(target / "bundle.js", _bundle().encode()))
    except FolderError:  # an unwritable cache costs seconds, not the page
        return _bundle()
    return (folder / "bundle.js").read_text(encoding="utf-8")


def _bundle() -> str:
    import vl_convert

    # With a snippet, even an empty one, the bundle would contain only what the snippet uses.
    bundle: Any = vl_convert.javascript_bundle
    return str(bundle(vl_version=vega_lite_version()))


def slugs(names: Sequence[str]) -> list[str]:
    """Turn names into distinct file names."""
    found: list[str] = []
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "figure"
        count = 2
        unique = slug
        while unique in found:
            unique, count = f"{slug}-{count}", count + 1
        found.append(unique)
    return found
