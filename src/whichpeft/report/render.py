"""From a figure to files: PNG, SVG and PDF without a browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from whichpeft.cache import cached
from whichpeft.errors import FolderError
from whichpeft.records.files import write_whole
from whichpeft.report.style import theme

_PNG_SCALE = 2.0


def save(chart: Any, folder: Path, stem: str) -> list[Path]:
    """Write a chart as `stem`.png (twice the print size), .svg and .pdf; return the files."""
    import vl_convert

    spec = {**chart.to_dict(), "config": theme(background="white")}
    version = vega_lite_version()
    contents = {
        "png": vl_convert.vegalite_to_png(spec, vl_version=version, scale=_PNG_SCALE),
        "svg": vl_convert.vegalite_to_svg(spec, vl_version=version).encode(),
        "pdf": vl_convert.vegalite_to_pdf(spec, vl_version=version),
    }
    written = []
    for suffix, content in contents.items():
        path = folder / f"{stem}.{suffix}"
        write_whole(path, content)
        written.append(path)
    return written


@cache
def vega_lite_version() -> str:
    """Return the Vega-Lite version that the charts are written for, such as ``6.1``."""
    import altair
    import vl_convert

    wanted = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    known: list[str] = vl_convert.get_vegalite_versions()
    return wanted if wanted in known else known[-1]


@cache
def vega_bundle() -> str:
    """Return the JavaScript that draws charts on a page: Vega, Vega-Lite and Vega-Embed.

    Bundling takes seconds and always gives the same, so the user's cache keeps it.
    """
    name = f"vega-bundle-{metadata.version('vl-convert-python')}-{vega_lite_version()}"
    try:
        folder = cached(name, lambda made: write_whole(made / "bundle.js", _bundle().encode()))
    except FolderError:  # a cache that cannot be written to costs seconds, not the page
        return _bundle()
    return (folder / "bundle.js").read_text(encoding="utf-8")


def _bundle() -> str:
    import vl_convert

    # With a snippet, an empty one too, the bundle keeps only what the snippet uses.
    bundle: Any = vl_convert.javascript_bundle
    return str(bundle(vl_version=vega_lite_version()))


def slugs(names: Sequence[str]) -> list[str]:
    """Turn names into distinct ones that are safe as file names."""
    found: list[str] = []
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "figure"
        count = 2
        unique = slug
        while unique in found:
            unique, count = f"{slug}-{count}", count + 1
        found.append(unique)
    return found
