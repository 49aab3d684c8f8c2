"""The columns of a report's tables: one definition for the terminal, text formats and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.text import UNKNOWN, named, with_bounds, with_interval
from whichpeft.report.verdict_text import decided, proves, verdict
from whichpeft.units import points, show_bytes, show_count, show_percent, show_seconds

Quantity = Literal["bytes", "seconds", "percent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    """A short heading, with the unit."""

    meaning: str
    """The definition in a sentence."""

    show: Callable[[MethodResult], str]
    """Returns the text of a result's cell."""

    read: Callable[[MethodResult], float | None] | None = None
    """Returns the number that a result is sorted by; None to sort by the text."""

    keep: int | None = None
    """Priority on a narrow terminal: the highest number is hidden first. None is for the page alone."""

    words: bool = False
    """Whether the column holds words, which are aligned to the left."""

    quantity: Quantity | None = None
    """What it measures, if one unit can stand in the heading for all of its cells."""

    def value(self, result: MethodResult) -> float | str | None:
        """Return the value that a result is sorted by; None if it is unknown."""
        if self.read is not None:
            value = self.read(result)
            return None if value is None else float(value)
        text = self.show(result)
        return None if text == UNKNOWN else text


_QUANTITIES: dict[Callable[[float], str], Quantity] = {
    show_bytes: "bytes",
    show_seconds: "seconds",
    show_percent: "percent",
}


def _measured(
    title: str,
    meaning: str,
    read: Callable[[MethodResult], float | None],
    show: Callable[[float], str],
    keep: int | None = None,
) -> Column:
    """Return the column of one measurement."""

    def text(result: MethodResult) -> str:
        value = read(result)
        return UNKNOWN if value is None else show(value)

    return Column(
        title=title, meaning=meaning, show=text, read=read, keep=keep, quantity=_QUANTITIES.get(show)
    )


def _gap(show: Callable[..., str]) -> Callable[[MethodResult], str]:
    return lambda result: (
        "baseline" if result.verdict == "baseline" else show(result.verdict_gap, sign=True)
    )


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _factor(factor: float) -> str:
    return f"{factor:.2f}x"


def _step(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"


def _pscp(result: MethodResult) -> str:
    low, high = result.pscp or (None, None)
    if high is None:
        return UNKNOWN
    shown = f"{points(high):.1f}"
    if low is None:
        return f"at most {shown}"
    return shown if f"{points(low):.1f}" == shown else f"{points(low):.1f} to {shown}"


METHOD = Column(
    title="method",
    meaning="as written in the study; tuned: with the hyperparameters found by its search",
    show=named,
    keep=0,
    words=True,
)
STATUS = Column(
    title="status",
    meaning="whether all seeds are completed",
    show=lambda result: str(result.status),
    keep=6,
    words=True,
)
VERDICT = Column(
    title="verdict",
    meaning="compared with the baseline: equivalent, better, worse or undecided, the first proved one; "
    "untuned if the method ran with default hyperparameters",
    show=verdict,
    keep=3,
    words=True,
)
PROVES = Column(
    title="proves",
    meaning="the smallest margin, in points, within which equivalence to the baseline is proved",
    show=proves,
    read=lambda result: result.proved_margin,
    keep=5,
)
DECIDED = Column(
    title="decided",
    meaning="the number of seeds that the verdict rests on; methods get seeds until they are decided",
    show=decided,
    read=lambda result: result.decided_with_seeds,
    keep=4,
)
_SCORE = "the task's metric on the test split at the best checkpoint; higher is better"
_GAP = "score minus the baseline's, paired by seed"

STEP = _measured(
    "step ms", "median time of one optimiser step", lambda result: result.step_milliseconds, _step, 11
)

BRIEF = (
    METHOD,
    Column(
        title="score",
        meaning=_SCORE,
        show=lambda result: with_interval(result.score),
        read=lambda result: result.score_mean,
        keep=1,
    ),
    Column(
        title="gap", meaning=_GAP, show=_gap(with_interval), read=lambda result: result.gap_mean, keep=2
    ),
    VERDICT,
    PROVES,
    _measured(
        "trainable",
        "parameters that receive gradients, in adapter and head",
        lambda result: result.trainable_parameters,
        show_count,
        9,
    ),
    _measured(
        "share",
        "trainable share of all parameters of the adapted model",
        lambda result: result.trainable_percent,
        show_percent,
        4,
    ),
    _measured(
        "train time",
        "optimisation time of one trial: profiled step time x steps",
        lambda result: result.train_seconds,
        show_seconds,
        7,
    ),
    STEP,
    _measured(
        "peak memory",
        "peak memory of the training phase",
        lambda result: result.peak_memory_bytes,
        show_bytes,
        8,
    ),
    _measured(
        "adapter",
        "size on disk of what is saved in addition to the backbone",
        lambda result: result.adapter_bytes,
        show_bytes,
        10,
    ),
    STATUS,
)

PSCP = Column(
    title="PSCP",
    meaning="PEFT-Bench's composite of score and costs, in points",
    show=_pscp,
    read=lambda result: None if result.pscp is None else result.pscp.high,
    keep=2,
)


def brief(comparison: Comparison) -> tuple[Column, ...]:
    """Return the columns of a comparison's table, with those that only some studies have."""
    return _with_optional(BRIEF, comparison)


def full(comparison: Comparison) -> tuple[Column, ...]:
    """Return the columns of the page's table, with those that only some studies have."""
    # Proteins have residues and no tokens.
    residues = any(result.residues_per_second is not None for result in comparison.results)
    other = "tokens/s" if residues else "residues/s"
    return tuple(one for one in _with_optional(FULL, comparison) if one.title != other)


def listed(comparison: Comparison) -> tuple[Column, ...]:
    """Return the page's columns that a table can show too if its reader asks for them."""
    own = {column.title for column in BRIEF} | {column.title for column in FULL[:3]}
    return tuple(column for column in full(comparison) if column.title not in own)


def _with_optional(columns: tuple[Column, ...], comparison: Comparison) -> tuple[Column, ...]:
    """Add PSCP after the gap if it was requested, and after the verdict the seeds that it took."""
    after = columns.index(VERDICT) + 1
    taken = (DECIDED,) if comparison.looks else ()
    pscp = (PSCP,) if has_pscp(comparison) else ()
    return (*columns[:3], *pscp, *columns[3:after], *taken, *columns[after:])


def has_pscp(comparison: Comparison) -> bool:
    """Whether the tables show PSCP."""
    return any(result.pscp is not None for result in comparison.results)


_BY_TITLE = {column.title: column for column in BRIEF}

FULL = (
    METHOD,
    Column(
        title="score, points",
        meaning=_SCORE,
        show=lambda result: with_bounds(result.score),
        read=lambda result: result.score_mean,
    ),
    Column(
        title="gap, points", meaning=_GAP, show=_gap(with_bounds), read=lambda result: result.gap_mean
    ),
    VERDICT,
    PROVES,
    STATUS,
    _measured(
        "retention",
        "100 x score / the baseline's score, mean over seeds",
        lambda result: result.retention_percent,
        lambda value: f"{value:.1f} %",
    ),
    _BY_TITLE["trainable"],
    _measured(
        "of these, adapter",
        "trainable parameters outside the head",
        lambda result: result.adapter_parameters,
        show_count,
    ),
    _measured(
        "of these, head",
        "parameters of the task's head, the same for all methods",
        lambda result: result.head_parameters,
        show_count,
    ),
    _measured(
        "share of model",
        "trainable share of all parameters of the adapted model",
        lambda result: result.trainable_percent,
        show_percent,
    ),
    _measured(
        "share of full",
        "trainable share of what full fine-tuning trains",
        lambda result: result.percent_of_full,
        show_percent,
    ),
    _BY_TITLE["train time"],
    _measured(
        "train time saved",
        "1 - train time / the baseline's",
        lambda result: result.train_seconds_reduction,
        _share,
    ),
    _measured(
        "total time",
        "duration of one final trial including loading and evaluation, mean over seeds",
        lambda result: result.total_seconds,
        show_seconds,
    ),
    _measured("speed-up", "samples per second / the baseline's", lambda result: result.speedup, _factor),
    _BY_TITLE["step ms"],
    _measured(
        "samples/s",
        "training examples per second, after warm-up",
        lambda result: result.samples_per_second,
        _rate,
    ),
    _measured(
        "tokens/s",
        "tokens per second without padding, after warm-up",
        lambda result: result.tokens_per_second,
        _rate,
    ),
    _measured(
        "residues/s",
        "residues per second without padding, after warm-up",
        lambda result: result.residues_per_second,
        _rate,
    ),
    _BY_TITLE["peak memory"],
    _measured(
        "memory saved",
        "1 - peak memory / the baseline's",
        lambda result: result.memory_reduction,
        _share,
    ),
    _BY_TITLE["adapter"],
    _measured(
        "of best score",
        "score / the best method's score",
        lambda result: result.normalised_score,
        _share,
    ),
    _measured(
        "time efficiency",
        "1 - train time / the slowest method's",
        lambda result: result.time_efficiency,
        _share,
    ),
)
