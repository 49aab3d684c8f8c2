"""Two studies side by side in words and numbers: one definition serves terminal, text and page."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from typing import Any

from whichpeft.analysis import MethodChange, MethodResult, TwoStudies
from whichpeft.analysis.method_result import Row
from whichpeft.report.tables.columns import with_interval
from whichpeft.report.tables.export import cell, strict
from whichpeft.report.text import UNKNOWN, plain
from whichpeft.units import points, show_bytes, show_percent, show_seconds

# What both studies say of a method, as a report's rows have it.
_SIDE = (
    "score_mean",
    "score_low",
    "score_high",
    "gap_mean",
    "gap_low",
    "gap_high",
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
    """A column of the table. keep: those with a low number stay longest on a narrow terminal."""

    title: str
    meaning: str
    show: Callable[[MethodChange], str]
    keep: int
    words: bool = False


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
    return "baseline" if result.verdict == "baseline" else with_interval(result.gap, sign=True)


def _difference(method: MethodChange) -> str:
    if method.difference is None:
        return UNKNOWN
    text = f"{points(method.difference):+.1f}"
    if method.high is None:
        return text
    return f"{text} ± {points(method.high - method.difference):.1f}"


def _verdicts(method: MethodChange) -> str:
    sides = (method.first, method.second)
    found = [result.verdict or UNKNOWN if result else UNKNOWN for result in sides]
    return found[0] if found[0] == found[1] else " → ".join(found)


COLUMNS = (
    Column(
        "method",
        "as typed in the study",
        lambda m: plain(m.method) + (" (tuned)" if m.variant == "tuned" else ""),
        0,
        True,
    ),
    Column("score", "in points", _both(lambda result: with_interval(result.score)), 2),
    Column(
        "difference",
        "score in the second minus that in the first, in points, on common seeds",
        _difference,
        1,
    ),
    Column("it is", "verdict on the difference", lambda m: m.verdict or UNKNOWN, 4, True),
    Column("gap", "to the baseline of each, in points", _both(_gap), 6),
    Column("verdict", "on the gap to the baseline of each", _verdicts, 3, True),
    Column(
        "train time",
        "profiled step time x steps",
        _both(_value(lambda result: result.train_seconds, show_seconds), cost=True),
        5,
    ),
    Column(
        "peak memory",
        "of training",
        _both(_value(lambda result: result.peak_memory_bytes, show_bytes), cost=True),
        7,
    ),
    Column(
        "share", "trainable", _both(_value(lambda result: result.trainable_percent, show_percent)), 8
    ),
    Column("adapter", "on disk", _both(_value(lambda result: result.adapter_bytes, show_bytes)), 9),
)


def headline(two: TwoStudies) -> str:
    """Say in a sentence what the second study did to the verdicts of the first."""
    first, second = map(plain, two.names)
    counted = [method for method in two.methods if method.first and method.second]
    if not counted:
        return f"{first} and {second} have no method in common."
    flipped = two.flipped
    if not flipped:
        return f"{first}, then {second}: every verdict is the same in the second."
    several = len(groups(two)) > 1
    where = [
        f"{COLUMNS[0].show(method)}{f' on {plain(method.task)}' if several else ''} {_verdicts(method)}"
        for method in flipped[:_MOST_NAMED]
    ]
    more = len(flipped) - len(where)
    named = ", ".join(where) + (f" and {more} more" if more else "")
    are = "is" if len(flipped) == 1 else "are"
    return (
        f"{first}, then {second}: {len(flipped)} of {len(counted)} verdicts {are} another one in the "
        f"second ({named})."
    )


def notes(two: TwoStudies) -> list[str]:
    """Say what the numbers rest on, what cannot be compared, and what is in one of the two only."""
    lines = []
    for pairing, methods in _gathered(two, lambda method: method.pairing).items():
        lines.append(f"{plain(pairing)}: {_which(two, methods)}")
    found = _gathered(two, lambda m: m.cost_difference if m.first and m.second else None)
    for why, methods in found.items():
        lines.append(f"* costs are not comparable ({plain(why)}): {_which(two, methods)}")
    for method in two.methods:
        if method.hyperparameters_differ:
            keys = plain(", ".join(method.hyperparameters_differ))
            lines.append(f"other hyperparameters ({keys}): {COLUMNS[0].show(method)}")
    if any(method.verdict for method in two.methods):
        margin = f"{points(two.margin):.3g}"
        lines.append(
            f"it is: equivalent within {margin} points (two one-sided tests at 5 %), else better or "
            "worse (5 % for all methods together, Holm), else undecided; intervals: 95 %"
        )
    return list(dict.fromkeys(lines))


def _which(two: TwoStudies, methods: list[MethodChange]) -> str:
    """Name methods: all, all of a backbone and task, or one by one."""
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


def as_object(two: TwoStudies) -> dict[str, Any]:
    """Return JSON values: scores and differences as fractions, unknown as None."""
    return {
        "first": two.names[0],
        "second": two.names[1],
        "changes": [dataclasses.asdict(change) for change in two.changes],
        "methods": [{key: strict(value) for key, value in row.items()} for row in rows(two)],
        "notes": notes(two),
    }


def rows(two: TwoStudies) -> list[Row]:
    """Return a flat row for each method: its own keys, then ``first_`` and ``second_`` ones."""
    found = []
    for method in two.methods:
        row: Row = {key: getattr(method, key) for key in _OWN}
        for name, side in (("first", method.first), ("second", method.second)):
            values = {} if side is None else side.as_row()
            row |= {f"{name}_{key}": values.get(key) for key in _SIDE}
        found.append(row)
    return found


def as_json(two: TwoStudies) -> str:
    """Write both studies as one JSON object."""
    return json.dumps(as_object(two), indent=1, allow_nan=False)


def as_csv(two: TwoStudies) -> str:
    """Write a row for each method as CSV; unknown is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [f"{side}_{key}" for side in ("first", "second") for key in _SIDE]
    writer.writerow([*_OWN, *names])
    writer.writerows([cell(value) for value in row.values()] for row in rows(two))
    return buffer.getvalue()
