"""Figures of published results: commonsense reasoning on LLaMA, and retention by domain."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pandas as pd

from whichpeft import reference
from whichpeft.report.figure import PRINT, Figure, Size
from whichpeft.report.render import save
from whichpeft.report.scales import Axes, Point
from whichpeft.report.scatter import scatter
from whichpeft.report.style import PALETTE
from whichpeft.report.vega import Chart, Spec, beside, chart, linear, mark, number, word

_SHARE = "params_percent_as_first_published"
_KEPT_WELL = 90  # per cent of performance retained
_MODELS = ("LLaMA-7B", "LLaMA-13B")


def published_figures(size: Size = PRINT) -> dict[str, Figure]:
    """Return the figures of published results by the name of their files."""
    return {
        "commonsense-by-method": commonsense_by_method(size),
        "commonsense-against-share": commonsense_against_share(size),
        "retention-by-domain": retention_by_domain(size),
        "retention-against-share": retention_against_share(size),
    }


def write_published(folder: Path) -> list[Path]:
    """Write the figures of published results as PNG, SVG and PDF; return the files."""
    written = []
    for stem, figure in published_figures().items():
        written += save(figure, folder, stem)
    return written


def commonsense_by_method(size: Size) -> Figure:
    """Draw accuracy by method, a panel for each model size, the share written on each bar."""
    frame, chatgpt = _commonsense()
    width = size.width if size.stacked else (size.whole_width - 110) // 2
    panels = [
        _bars(
            frame[frame["model"] == model].sort_values("average"),
            y="average",
            x="method",
            text=_SHARE,
            title=model,
            y_title="mean accuracy on eight tasks, %",
            line=chatgpt,
            domain=(60, 86),
            width=width,
            height=size.height,
        )
        for model in _MODELS
    ]
    spec = beside(panels, stacked=size.stacked, spacing=20)
    return _figure(
        "Commonsense reasoning by method",
        "On each bar: trainable parameters in % as first published. "
        f"Dashed: ChatGPT, {chatgpt:.1f} %. The axis starts at 60.",
        "commonsense_llama",
        spec,
        size,
    )


def commonsense_against_share(size: Size) -> Figure:
    """Draw accuracy against trainable share on a log axis, for both model sizes."""
    frame, chatgpt = _commonsense()
    colour = dict(zip(_MODELS, PALETTE, strict=False))
    shape = dict(zip(_MODELS, ("circle", "square"), strict=True))
    points = [
        Point(
            name=str(row["method"]),
            x=float(row[_SHARE]),
            y=float(row["average"]),
            colour=colour[str(row["model"])],
            shape=shape[str(row["model"])],
            facts=(("model", str(row["model"])), ("share, %", f"{row[_SHARE]:g}")),
        )
        for _, row in frame.iterrows()
    ]
    axes = Axes(
        x_title="trainable parameters, %",
        y_title="mean accuracy on eight tasks, %",
        width=size.width,
        height=size.height,
        log_x=True,
    )
    spec = scatter(points, axes, line=(chatgpt, f"ChatGPT {chatgpt:.1f}"))
    return _figure(
        "Commonsense reasoning against trainable share",
        "Blue circles: LLaMA-7B; red squares: LLaMA-13B. Dashed: ChatGPT. Shares as first published.",
        "commonsense_llama",
        spec,
        size,
    )


def retention_by_domain(size: Size) -> Figure:
    """Draw the performance retained in each application domain, with a line at 90 %."""
    spec = _bars(
        reference.load("domains"),
        y="performance_retention_percent",
        x="application",
        text="performance_retention_percent",
        title="",
        y_title="performance retained, %",
        line=_KEPT_WELL,
        domain=(80, 102),
        width=size.width,
        height=size.height,
    )
    return _figure(
        "Performance retained by application domain",
        f"LoRA, alone or with another method. Dashed: {_KEPT_WELL} %. The axis starts at 80.",
        "domains",
        spec,
        size,
    )


def retention_against_share(size: Size) -> Figure:
    """Draw the performance retained against the trainable share, a point for each domain."""
    frame = reference.load("domains")
    points = [
        Point(
            name=str(row["application"]),
            x=float(row["params_percent"]),
            y=float(row["performance_retention_percent"]),
            colour=PALETTE[i % len(PALETTE)],
            facts=(("backbone", str(row["backbone"])), ("method", str(row["peft_method"]))),
        )
        for i, (_, row) in enumerate(frame.iterrows())
    ]
    axes = Axes(
        x_title="trainable parameters, %",
        y_title="performance retained, %",
        width=size.width,
        height=size.height,
    )
    return _figure(
        "Performance retained against trainable share",
        "One point for each application domain.",
        "domains",
        scatter(points, axes),
        size,
    )


def _commonsense() -> tuple[pd.DataFrame, float]:
    """Return the methods that the survey compares, and ChatGPT's mean accuracy."""
    frame = reference.load("commonsense_llama")
    chatgpt = float(frame.loc[frame["model"] == "ChatGPT", "average"].iloc[0])
    methods = frame[frame[_SHARE].notna()].copy()
    methods["method"] = methods["method"].str.replace("_half", " (half)")
    return methods, chatgpt


def _bars(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    text: str,
    title: str,
    y_title: str,
    line: float,
    domain: tuple[float, float],
    width: int,
    height: int,
) -> Spec:
    # The number on a bar is a share with three decimals, or the bar's own height.
    numbers = "{:g} %" if text == y else "{:.3f}"
    values = [
        {"x": str(row[x]), "y": float(row[y]), "text": numbers.format(row[text])}
        for _, row in frame.iterrows()
    ]
    order = [value["x"] for value in values]
    across = word(
        "x", sort=order, title=None, axis={"labelAngle": -40, "labelLimit": 150, "ticks": False}
    )
    # Bars are drawn from the foot of the axis: it does not start at zero, and the caption says so.
    up = number("y", title=y_title, scale=linear(*domain), axis={"tickCount": 6})
    layers = [
        mark("bar", {"x": across, "y": up}, color=PALETTE[0], opacity=0.6, clip=True),
        mark("rule", {"y": up}, values=[{"y": line}], strokeDash=[5, 4], strokeWidth=1.3),
        mark(
            "text", {"x": across, "y": up, "text": word("text")}, baseline="bottom", dy=-3, fontSize=10
        ),
    ]
    spec = chart(layers, values=values, width=width, height=height)
    return {**spec, "title": title} if title else spec


def _figure(title: str, caption: str, name: str, spec: Spec, size: Size) -> Figure:
    caption = f"{caption} {reference.source(name)}"
    if size.titled:
        lines = textwrap.wrap(caption, int(size.whole_width / 5.7))
        spec = {**spec, "title": {"text": title, "subtitle": lines}}
    return Figure(title=title, caption=caption, chart=Chart(spec))
