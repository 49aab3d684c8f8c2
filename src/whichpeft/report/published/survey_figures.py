"""Figures of the survey's tables: commonsense and arithmetic on LLaMA, and retention by domain."""

from __future__ import annotations

import pandas as pd

from whichpeft import reference
from whichpeft.report.figures.figure import Figure, Size
from whichpeft.report.figures.scales import Axes, Point
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.style import PALETTE
from whichpeft.report.figures.vega import FigureRow
from whichpeft.report.published.marks import Bar, bars, grid, panel_width, published, side_by_side

_SHARE = "params_percent_as_first_published"
_KEPT_WELL = 90  # per cent of performance retained
_MODELS = ("LLaMA-7B", "LLaMA-13B")


def commonsense_by_method(size: Size) -> Figure:
    """Draw accuracy by method, one panel per model size, with the trainable share on each bar."""
    frame, chatgpt = _commonsense()
    panels = [
        bars(
            [
                Bar(name=row["method"], height=row["average"], text=f"{row[_SHARE]:.3f}")
                for row in _of_model(frame, model, "average")
            ],
            title=model,
            y_title="mean accuracy on eight tasks, %",
            line=chatgpt,
            domain=(60, 86),
            width=panel_width(size),
            height=size.height,
        )
        for model in _MODELS
    ]
    return published(
        "Commonsense reasoning by method",
        "On each bar: trainable parameters in % as first published. "
        f"Dashed: ChatGPT, {chatgpt:.1f} %. The axis starts at 60",
        "commonsense",
        side_by_side(panels, size),
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
    return published(
        "Commonsense reasoning against trainable share",
        "Blue circles: LLaMA-7B. Red squares: LLaMA-13B. Dashed: ChatGPT. Shares as first published",
        "commonsense",
        scatter(points, axes, line=(chatgpt, f"ChatGPT {chatgpt:.1f}")),
    )


def arithmetic_by_method(size: Size) -> Figure:
    """Draw the mean accuracy on the arithmetic tasks by method, one panel per model size."""
    frame = reference.load("arithmetic")
    panels = [
        bars(
            [
                Bar(name=row["method"], height=row["Avg"], text=f"{row['Avg']:.1f}")
                for row in _of_model(frame, model, "Avg")
            ],
            title=model,
            y_title="mean accuracy on four tasks, %",
            domain=(0, 60),
            width=panel_width(size),
            height=size.height,
        )
        for model in _MODELS
    ]
    return published(
        "Arithmetic reasoning by method",
        "On each bar: mean accuracy in %",
        "arithmetic",
        side_by_side(panels, size),
    )


def arithmetic_by_task(size: Size) -> Figure:
    """Draw accuracy by task and method as a grid of numbers, one panel per model size."""
    frame = reference.load("arithmetic")
    tasks = ("AQuA", "GSM8K", "MAWPS", "SVAMP")
    panels = [
        grid(
            [
                (row["method"], task, row[task])
                for row in _of_model(frame, model, "Avg")
                for task in tasks
            ],
            rows=[row["method"] for row in reversed(_of_model(frame, model, "Avg"))],
            columns=tasks,
            title=model,
            width=panel_width(size, axis=20),
        )
        for model in _MODELS
    ]
    return published(
        "Arithmetic reasoning by task",
        "Accuracy in %, best mean at the top",
        "arithmetic",
        side_by_side(panels, size),
    )


def retention_by_domain(size: Size) -> Figure:
    """Draw the performance retained in each application domain, with a line at 90 %."""
    kept = "performance_retention_percent"
    rows = reference.load("domains").to_dict(orient="records")
    chart = bars(
        [Bar(name=row["application"], height=row[kept], text=f"{row[kept]:g} %") for row in rows],
        y_title="performance retained, %",
        line=_KEPT_WELL,
        domain=(80, 102),
        width=size.width,
        height=size.height,
    )
    return published(
        "Performance retained by application domain",
        f"LoRA, alone or with another method. Dashed: {_KEPT_WELL} %. The axis starts at 80",
        "domains",
        chart,
    )


def retention_against_share(size: Size) -> Figure:
    """Draw the performance retained against the trainable share, one point per domain."""
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
    return published(
        "Performance retained against trainable share",
        "One point per application domain",
        "domains",
        scatter(points, axes, line=(_KEPT_WELL, f"{_KEPT_WELL} %")),
    )


def _commonsense() -> tuple[pd.DataFrame, float]:
    """Return the methods compared by the survey, and the mean accuracy of ChatGPT."""
    frame = reference.load("commonsense")
    chatgpt = float(frame.loc[frame["model"] == "ChatGPT", "average"].iloc[0])
    methods = frame[frame[_SHARE].notna()].copy()
    methods["method"] = methods["method"].str.replace("_half", " (half)")
    return methods, chatgpt


def _of_model(frame: pd.DataFrame, model: str, by: str) -> list[FigureRow]:
    """Return the rows of one model size, the lowest first."""
    rows = frame[frame["model"] == model].sort_values(by)
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict(orient="records")]
