"""Figures of published benchmark suites: PEFT's method comparison and PEFT-Bench."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft import reference
from whichpeft.report.figures.figure import Figure, Size
from whichpeft.report.figures.scales import Axes, Point
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.style import PALETTE
from whichpeft.report.figures.vega import chart, linear, mark, number, word
from whichpeft.report.published.marks import grid, published

# Column, title of the axis, divisor for its unit, and whether the axis is logarithmic.
COSTS = {
    "memory": ("peak_reserved_bytes", "peak memory reserved, GB", 1e9, False),
    "trainable": ("trainable_parameters", "trainable parameters, millions", 1e6, True),
    "time": ("step_seconds", "training steps, minutes", 60.0, True),
}
_FULL = "FULL"
_TRAINED = 30  # per cent of accuracy below which the model has hardly learned the task


def metamathqa_against(cost: str, size: Size) -> Figure:
    """Draw accuracy against a cost, one point per experiment, and name those on the frontier."""
    key, title, unit, log = COSTS[cost]
    frame = reference.load("hf-metamathqa")
    rows = frame[100 * frame["test_accuracy"] >= _TRAINED].to_dict(orient="records")
    costs = [float(row[key]) / unit for row in rows]
    scores = [100 * float(row["test_accuracy"]) for row in rows]
    best = _frontier(costs, scores)
    points = [
        Point(
            name=_experiment(str(row["experiment"])),
            x=x,
            y=y,
            colour=PALETTE[1] if row["peft_type"] == _FULL else PALETTE[0],
            shape="square" if row["peft_type"] == _FULL else "circle",
            named=i in best or row["peft_type"] == _FULL,
            opacity=0.9 if i in best or row["peft_type"] == _FULL else 0.4,
            facts=(("accuracy, %", f"{y:.1f}"), (title, f"{x:.3g}")),
        )
        for i, (row, x, y) in enumerate(zip(rows, costs, scores, strict=True))
    ]
    axes = Axes(
        x_title=title, y_title="GSM8K accuracy, %", width=size.width, height=size.height + 60, log_x=log
    )
    return published(
        f"Llama-3.2-3B on MetaMathQA: accuracy against {cost}",
        "Named: experiments that no other one beats in both accuracy and cost. Red square: full "
        f"fine-tuning. Left out: {len(frame) - len(rows)} experiments below {_TRAINED} %",
        "hf-metamathqa",
        scatter(points, axes),
    )


def peft_bench_by_data_set(size: Size) -> Figure:
    """Draw the score by data set and method as a grid of numbers."""
    frame = reference.load("peft-bench").set_index("method").drop(columns="params")
    methods = [str(method) for method in frame.mean(axis=1).sort_values(ascending=False).index]
    sets = [str(name) for name in frame.columns]
    chart = grid(
        [
            (name, str(method), float(values[name]))
            for method, values in frame.to_dict(orient="index").items()
            for name in sets
        ],
        rows=sets,
        columns=methods,
        width=size.width,
    )
    return published(
        "PEFT-Bench: score by data set",
        "Score in %, methods sorted by unweighted mean from the left. Base: the untrained model",
        "peft-bench",
        chart,
    )


def peft_bench_against_trainable(size: Size) -> Figure:
    """Draw the mean score against trainable parameters."""
    points = [
        Point(
            name=str(row["method"]),
            x=float(row["trainable_parameters"]) / 1e6,
            y=float(row["score_percent"]),
            colour=PALETTE[0],
            facts=(("peak memory, GB", f"{row['peak_memory_gb']:g}"),),
        )
        for row in reference.load("peft-bench-cost").to_dict(orient="records")
    ]
    axes = Axes(
        x_title="trainable parameters, millions",
        y_title="mean score, %",
        width=size.width,
        height=size.height,
        log_x=True,
    )
    return published(
        "PEFT-Bench: mean score against trainable parameters",
        "One point per method",
        "peft-bench-cost",
        scatter(points, axes),
    )


def peft_bench_pscp(size: Size) -> Figure:
    """Draw the mean score and the PSCP of each method."""
    frame = reference.load("peft-bench-cost").dropna(subset=["published_pscp"])
    data = [
        {"method": row["method"], "score": row["score_percent"], "pscp": row["published_pscp"]}
        for row in frame.sort_values("published_pscp", ascending=False).to_dict(orient="records")
    ]
    y = word("method", sort=[row["method"] for row in data], title=None)
    x = number("score", title="%", scale=linear(0, 100))
    other = {"x": number("pscp"), "y": y}
    layers = [
        mark("rule", {"x": x, "x2": {"field": "pscp"}, "y": y}, strokeWidth=1.5),
        mark("point", {"x": x, "y": y}, filled=False, size=70, strokeWidth=1.8, color=PALETTE[0],
             opacity=1),
        mark("point", other, filled=True, size=70, color=PALETTE[1], shape="square", opacity=1),
        mark("text", {"x": x, "y": y, "text": number("score", format=".1f")}, align="left", dx=8),
        mark("text", other | {"text": number("pscp", format=".1f")}, align="right", dx=-8),
    ]  # fmt: skip
    spec = chart(layers, values=data, width=size.width - 40, height=34 * len(data))
    return published(
        "PEFT-Bench: mean score and PSCP",
        "Hollow circle: mean score. Red square: PSCP. No PSCP is published for BitFit",
        "peft-bench-cost",
        spec,
    )


def _experiment(name: str) -> str:
    """Shorten an experiment's name: ``lora/llama-3.2-3B-rank32`` to ``lora rank32``."""
    return name.replace("/llama-3.2-3B-", " ")


def _frontier(costs: Sequence[float], scores: Sequence[float]) -> set[int]:
    """Return the experiments that no other one beats in both score and cost."""
    return {
        i
        for i in range(len(costs))
        if not any(
            costs[j] <= costs[i]
            and scores[j] >= scores[i]
            and (costs[j], scores[j]) != (costs[i], scores[i])
            for j in range(len(costs))
        )
    }
