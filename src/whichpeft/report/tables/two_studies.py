"""Two studies side by side: one definition for the terminal, text formats and the page."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable

from whichpeft.analysis import MethodChange, MethodResult, TwoStudies
from whichpeft.analysis.method_result import Row
from whichpeft.report.tables.export import cell, strict
from whichpeft.report.text import UNKNOWN, plain, with_interval
from whichpeft.units import counted, join_words, points, show_bytes, show_percent, show_seconds

# The keys of a report's rows that are listed for both studies.
_SIDE = (
    "score_mean",
    "score_low",
    "score_high",
    "gap_mean",
    "gap_low",
    "gap_high",
    "verdict_low",
    "verdict_high",
    "verdict",
    "status",
    "seeds",
    "trainable_parameters",
    "train_seconds",
    "peak_memory_bytes",
    "adapter_bytes",
    "inference_milliseconds",
)
_OWN = (
    "backbone",
    "task",
    "method",
    "variant",
    "difference",
    "low",
    "high",
    "verdict_low",
    "verdict_high",
    "p_value",
    "p_adjusted",
    "verdict",
    "pairing",
    "cost_difference",
    "hyperparameters_differ",
    "flipped",
)


_MOST_NAMED = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    title: str
    """The heading."""

    meaning: str
    """The definition, in a phrase."""

    show: Callable[[MethodChange], str]
    """Formats a method."""

    keep: int
    """Priority on a narrow terminal: the highest number is hidden first."""

    words: bool = False
    """Whether the column holds words, which are aligned to the left."""


def _both(show: Callable[[MethodResult], str], *, cost: bool = False) -> Callable[[MethodChange], str]:
    def shown(method: MethodChange) -> str:
        sides = (method.first, method.second)
        texts = [UNKNOWN if result is None else show(result) for result in sides]
        if texts == [UNKNOWN, UNKNOWN]:
            return UNKNOWN
        mark = "*" if cost and method.cost_difference and UNKNOWN not in texts else ""
        return f"{texts[0]} → {texts[1]}{mark}"

    return shown


def _value(
    read: Callable[[MethodResult], float | None], show: Callable[[float], str]
) -> Callable[[MethodResult], str]:
    def shown(result: MethodResult) -> str:
        value = read(result)
        return UNKNOWN if value is None else show(value)

    return shown


def _gap(result: MethodResult) -> str:
    return "baseline" if result.verdict == "baseline" else with_interval(result.verdict_gap, sign=True)


def _difference(method: MethodChange) -> str:
    return with_interval(method.verdict_difference, sign=True)


def _verdicts(method: MethodChange) -> str:
    sides = (method.first, method.second)
    found = [result.verdict or UNKNOWN if result else UNKNOWN for result in sides]
    return found[0] if found[0] == found[1] else " → ".join(found)


COLUMNS = (
    Column(
        "method",
        "as written in the study",
        lambda m: plain(m.method) + (" (tuned)" if m.variant == "tuned" else ""),
        0,
        True,
    ),
    Column("score", "in points", _both(lambda result: with_interval(result.score)), 2),
    Column(
        "difference",
        "score in the second study minus score in the first, in points, on common seeds",
        _difference,
        1,
    ),
    Column(
        "it is", "verdict on the difference between the studies", lambda m: m.verdict or UNKNOWN, 4, True
    ),
    Column("gap", "score minus that of each study's baseline, in points", _both(_gap), 6),
    Column("verdict", "verdict on each study's gap to its baseline", _verdicts, 3, True),
    Column(
        "train time",
        "profiled step time x steps",
        _both(_value(lambda result: result.train_seconds, show_seconds), cost=True),
        5,
    ),
    Column(
        "peak memory",
        "peak training memory",
        _both(_value(lambda result: result.peak_memory_bytes, show_bytes), cost=True),
        7,
    ),
    Column(
        "share",
        "trainable share of all parameters",
        _both(_value(lambda result: result.trainable_percent, show_percent)),
        8,
    ),
    Column("adapter", "size on disk", _both(_value(lambda result: result.adapter_bytes, show_bytes)), 9),
)


def headline(two: TwoStudies) -> str:
    """Summarise in one sentence how the verdicts differ between the studies."""
    first, second = map(plain, two.names)
    common = [method for method in two.methods if method.first and method.second]
    if not common:
        return f"{first} and {second} have no method in common."
    flipped = two.flipped
    if not flipped:
        return f"From {first} to {second}, no verdict changed."
    several = len(groups(two)) > 1
    changed = join_words(
        (
            f"{COLUMNS[0].show(method)}{f' on {plain(method.task)}' if several else ''} "
            f"{_verdicts(method)}"
            for method in flipped
        ),
        most=_MOST_NAMED,
    )
    share = f"{len(flipped)} of {counted(len(common), 'verdict')}"
    return f"From {first} to {second}, {share} changed ({changed})."


def notes(two: TwoStudies) -> list[str]:
    """Explain the numbers, and list what cannot be compared or is in one study only."""
    lines = []
    for pairing, methods in _gathered(two, lambda method: method.pairing).items():
        lines.append(f"{plain(pairing)}: {_which(two, methods)}")
    found = _gathered(two, lambda m: m.cost_difference if m.first and m.second else None)
    for why, methods in found.items():
        lines.append(f"* costs are not comparable ({plain(why)}): {_which(two, methods)}")
    for method in two.methods:
        if method.hyperparameters_differ:
            keys = plain(", ".join(method.hyperparameters_differ))
            lines.append(f"different hyperparameters ({keys}): {COLUMNS[0].show(method)}")
    if any(method.verdict for method in two.methods):
        margin = f"{points(two.margin):.3g}"
        lines.append(
            f"it is: equivalent within {margin} points (two one-sided tests at 5 %), otherwise better "
            "or worse (5 % for all methods together, Holm), otherwise undecided; differences and gaps "
            "have the intervals that verdicts rest on, scores 95 %"
        )
    return list(dict.fromkeys(lines))


def _which(two: TwoStudies, methods: list[MethodChange]) -> str:
    """Name methods: all of them, all of a backbone and task, or one by one."""
    if len(methods) == len(two.methods):
        return "all"
    named = []
    for group, every in groups(two).items():
        here = [method for method in every if method in methods]
        if here:
            all_of = len(here) == len(every)
            named.append(f"all of {group}" if all_of else ", ".join(map(COLUMNS[0].show, here)))
    return ", ".join(dict.fromkeys(named))


def _gathered(
    two: TwoStudies, key: Callable[[MethodChange], str | None]
) -> dict[str, list[MethodChange]]:
    found: dict[str, list[MethodChange]] = {}
    for method in two.methods:
        text = key(method)
        if text:
            found.setdefault(text, []).append(method)
    return found


def groups(two: TwoStudies) -> dict[str, list[MethodChange]]:
    """Return the methods by backbone and task: ``minilm on sst2``."""
    found: dict[str, list[MethodChange]] = {}
    for method in two.methods:
        found.setdefault(plain(f"{method.backbone} on {method.task}"), []).append(method)
    return found


def as_object(two: TwoStudies) -> dict[str, object]:
    """Return both studies as JSON values: scores and differences as fractions, unknown as None."""
    return {
        "first": two.names[0],
        "second": two.names[1],
        "changes": [dataclasses.asdict(change) for change in two.changes],
        "methods": [{key: strict(value) for key, value in row.items()} for row in rows(two)],
        "notes": notes(two),
    }


def rows(two: TwoStudies) -> list[Row]:
    """Return one flat row per method: its own keys, then the ``first_`` and ``second_`` keys."""
    found = []
    for method in two.methods:
        row: Row = {key: getattr(method, key) for key in _OWN}
        for name, side in (("first", method.first), ("second", method.second)):
            values = None if side is None else side.as_row()
            row |= {f"{name}_{key}": None if values is None else values[key] for key in _SIDE}
        found.append(row)
    return found


def as_json(two: TwoStudies) -> str:
    """Write both studies as one JSON object."""
    return json.dumps(as_object(two), indent=1, allow_nan=False)


def as_csv(two: TwoStudies) -> str:
    """Write one row per method as CSV; unknown is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [f"{side}_{key}" for side in ("first", "second") for key in _SIDE]
    writer.writerow([*_OWN, *names])
    writer.writerows([cell(value) for value in row.values()] for row in rows(two))
    return buffer.getvalue()
