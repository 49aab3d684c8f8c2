"""How measurements are shown to people: one definition serves terminal, text and page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whichpeft.analysis import Comparison, Row
from whichpeft.analysis.pscp import GIGABYTES, PARAMETERS, PSCP_KEYS, TFLOP
from whichpeft.report.text import UNKNOWN, named, plain
from whichpeft.report.verdicts import proves, verdict
from whichpeft.units import points, show_bytes, show_count, show_percent, show_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A measurement as shown.

    title: short heading, with its unit; meaning: the definition in a sentence.
    show: turns a row into text. keep: columns with a low number stay longest on a narrow screen;
    None is for the page alone.
    """

    title: str
    meaning: str
    show: Callable[[Row], str]
    keep: int | None = None
    words: bool = False


def with_interval(row: Row, key: str, *, sign: bool = False) -> str:
    """Show a mean in points with half the width of its interval: ``87.1 ± 0.9``."""
    mean, high = row[f"{key}_mean"], row[f"{key}_high"]
    if mean is None:
        return UNKNOWN
    text = f"{points(mean):+.1f}" if sign else f"{points(mean):.1f}"
    return text if high is None else f"{text} ± {points(high - mean):.1f}"


def with_bounds(row: Row, key: str, *, sign: bool = False) -> str:
    """Show a mean in points with its interval: ``87.1 [86.2, 88.0]``."""
    mean, low, high = (row[f"{key}_{part}"] for part in ("mean", "low", "high"))
    if mean is None:
        return UNKNOWN
    plus = "+" if sign else ""
    text = f"{points(mean):{plus}.1f}"
    return text if low is None else f"{text} [{points(low):{plus}.1f}, {points(high):{plus}.1f}]"


def about(comparison: Comparison) -> str:
    """Name what was compared: ``minilm on sst2: accuracy, chance 50.9, seeds 0, 1, 2``."""
    return f"{plain(comparison.backbone)} on {plain(comparison.task)}: {details(comparison)}"


def details(comparison: Comparison) -> str:
    """Name metric, chance level and seeds: ``accuracy, chance 50.9, seeds 0, 1, 2``."""
    parts = [comparison.metric or "no score yet"]
    if comparison.chance is not None:
        parts.append(f"chance {points(comparison.chance):.1f}")
    seeds = sorted({seed for row in comparison.rows for seed in row["seeds"]})
    if seeds:
        parts.append(f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}")
    return plain(", ".join(parts))


def interval_note(comparison: Comparison) -> str:
    """Say what the intervals are, or why there are none."""
    counts = sorted({len(row["seeds"]) for row in comparison.rows if row["seeds"]})
    if not counts:
        return "no score yet"
    unit = "score and gap in points"
    baseline = plain(comparison.baseline)
    if comparison.baseline_row is None:
        gap = f"no gap: the baseline {baseline} is not in the study"
    else:
        gap = f"gap: against {baseline}, paired by seed"
    if counts[-1] < 2 and not comparison.over_examples:
        return f"{unit}; one seed: no interval can be given; {gap}"
    return f"{unit}; intervals: 95 % over {interval_over(comparison)}; {gap}"


def interval_over(comparison: Comparison) -> str:
    """Say what intervals account for: ``3 seeds and 872 test examples``."""
    scored = [row for row in comparison.rows if row["seeds"]]
    counts = sorted({len(row["seeds"]) for row in scored})
    seeds = (
        "one seed" if counts == [1] else " to ".join(map(str, counts[:1] + counts[1:][-1:])) + " seeds"
    )
    alone = [row for row in scored if (row["method"], row["variant"]) not in comparison.over_examples]
    if len(alone) == len(scored):
        return f"{seeds}, for this test set only"
    test = comparison.examples.get("test")
    examples = "the test examples" if test is None else f"{show_count(test)} test examples"
    text = f"{examples} of one seed" if counts == [1] else f"{seeds} and {examples}"
    if not alone:
        return text
    names = ", ".join(map(named, alone))
    gaps = " and of all gaps" if any(row["verdict"] == "baseline" for row in alone) else ""
    return f"{text} (of {names}{gaps} over seeds alone, for this test set only)"


def problems(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Return method, status and reason of every row that is not completed."""
    return [
        (named(row), row["status"], plain(row["error"] or "no reason was given"))
        for row in comparison.rows
        if row["status"] != "completed"
    ]


def _value(key: str, show: Callable[[Any], str]) -> Callable[[Row], str]:
    return lambda row: UNKNOWN if row[key] is None else show(row[key])


def _gap(show: Callable[..., str]) -> Callable[[Row], str]:
    return lambda row: "baseline" if row["verdict"] == "baseline" else show(row, "gap", sign=True)


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _factor(factor: float) -> str:
    return f"{factor:.2f}x"


def _step(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"


def _pscp(row: Row) -> str:
    low, high = (row[key] for key in PSCP_KEYS)
    if high is None:
        return UNKNOWN
    shown = f"{points(high):.1f}"
    if low is None:
        return f"at most {shown}"
    return shown if f"{points(low):.1f}" == shown else f"{points(low):.1f} to {shown}"


METHOD = Column(
    title="method",
    meaning="as typed in the study; tuned: with the hyperparameters that its search found",
    show=named,
    keep=0,
    words=True,
)
STATUS = Column(
    title="status",
    meaning="whether all seeds were completed",
    show=lambda row: str(row["status"]),
    keep=6,
    words=True,
)
VERDICT = Column(
    title="verdict",
    meaning="against the baseline: equivalent, better, worse or undecided, the first that is shown; "
    "untuned where it is about default hyperparameters",
    show=verdict,
    keep=3,
    words=True,
)
PROVES = Column(
    title="proves",
    meaning="the smallest margin, in points, within which equivalence to the baseline is shown",
    show=proves,
    keep=5,
)
_SCORE = "the task's metric on the test split at the best checkpoint, higher is better"
_GAP = "score minus the baseline's, paired by seed"

BRIEF = (
    METHOD,
    Column(title="score", meaning=_SCORE, show=lambda row: with_interval(row, "score"), keep=1),
    Column(title="gap", meaning=_GAP, show=_gap(with_interval), keep=2),
    VERDICT,
    PROVES,
    Column(
        title="trainable",
        meaning="parameters that get a gradient, adapter and head",
        show=_value("trainable_parameters", show_count),
        keep=9,
    ),
    Column(
        title="share",
        meaning="trainable of all parameters of the adapted model",
        show=_value("trainable_percent", show_percent),
        keep=4,
    ),
    Column(
        title="train time",
        meaning="optimisation of one trial: profiled step time x steps",
        show=_value("train_seconds", show_seconds),
        keep=7,
    ),
    Column(
        title="step ms",
        meaning="median time of one optimiser step",
        show=_value("step_milliseconds", _step),
        keep=11,
    ),
    Column(
        title="peak memory",
        meaning="peak of the training phase",
        show=_value("peak_memory_bytes", show_bytes),
        keep=8,
    ),
    Column(
        title="adapter",
        meaning="size of what is saved beside the backbone",
        show=_value("adapter_bytes", show_bytes),
        keep=10,
    ),
    STATUS,
)

PSCP = Column(
    title="PSCP",
    meaning="PEFT-Bench's composite of score and costs, in points",
    show=_pscp,
    keep=2,
)


def brief(comparison: Comparison) -> tuple[Column, ...]:
    """Return the columns of a comparison's table: PSCP after the gap, where it was asked for."""
    return (*BRIEF[:3], PSCP, *BRIEF[3:]) if _has_pscp(comparison) else BRIEF


def pscp_note(comparison: Comparison) -> list[str]:
    """Say what PSCP is, where the table shows it."""
    if not _has_pscp(comparison):
        return []
    return [
        f"PSCP: score x 1/(1 + trainable/{PARAMETERS / 1e6:g} million) x 1/(1 + extra inference "
        f"TFLOP/{TFLOP:g}) x 1/(1 + peak memory in GB/{GIGABYTES:g}), after PEFT-Bench; its constants "
        "are a choice made for large models, under which the costs of small ones hardly count"
    ]


def _has_pscp(comparison: Comparison) -> bool:
    return any(PSCP_KEYS[1] in row for row in comparison.rows)


_BY_TITLE = {column.title: column for column in BRIEF}

FULL = (
    METHOD,
    Column(title="score, points", meaning=_SCORE, show=lambda row: with_bounds(row, "score")),
    Column(title="gap, points", meaning=_GAP, show=_gap(with_bounds)),
    VERDICT,
    PROVES,
    STATUS,
    Column(
        title="retention",
        meaning="100 x score / baseline's score, mean over seeds",
        show=_value("retention_percent", lambda value: f"{value:.1f} %"),
    ),
    _BY_TITLE["trainable"],
    Column(
        title="of these adapter",
        meaning="trainable parameters outside the head",
        show=_value("adapter_parameters", show_count),
    ),
    Column(
        title="of these head",
        meaning="the task's head, the same for all methods",
        show=_value("head_parameters", show_count),
    ),
    Column(
        title="share of model",
        meaning="trainable of all parameters of the adapted model",
        show=_value("trainable_percent", show_percent),
    ),
    Column(
        title="share of full",
        meaning="trainable of what full fine-tuning trains",
        show=_value("percent_of_full", show_percent),
    ),
    _BY_TITLE["train time"],
    Column(
        title="train time saved",
        meaning="1 - train time / baseline's",
        show=_value("train_seconds_reduction", _share),
    ),
    Column(
        title="total time",
        meaning="everything in one final trial, loading and evaluation too, mean over seeds",
        show=_value("total_seconds", show_seconds),
    ),
    Column(
        title="speed-up",
        meaning="samples per second / baseline's",
        show=_value("speedup", _factor),
    ),
    _BY_TITLE["step ms"],
    Column(
        title="samples/s",
        meaning="training examples per second, after warm-up",
        show=_value("samples_per_second", _rate),
    ),
    Column(
        title="tokens/s",
        meaning="tokens per second without padding, after warm-up",
        show=_value("tokens_per_second", _rate),
    ),
    _BY_TITLE["peak memory"],
    Column(
        title="memory saved",
        meaning="1 - peak memory / baseline's",
        show=_value("memory_reduction", _share),
    ),
    _BY_TITLE["adapter"],
    Column(
        title="of best score",
        meaning="score / the best method's score",
        show=_value("normalised_score", _share),
    ),
    Column(
        title="time efficiency",
        meaning="1 - train time / the slowest method's",
        show=_value("time_efficiency", _share),
    ),
)
