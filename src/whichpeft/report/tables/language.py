"""What tests of language models measure beside the score: by set, answers found, what was forgotten."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whichpeft.analysis import Comparison
from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.report.text import UNKNOWN, named, plain
from whichpeft.units import points

_SET = "score["
_PERPLEXITY = "held_out_perplexity"


@dataclass(frozen=True, slots=True)
class Beside:
    """A measurement of the tests: title, meaning, a value for each row in order, how it is shown."""

    title: str
    meaning: str
    values: list[float | None]
    show: Callable[[float], str]

    def text(self, place: int) -> str:
        value = self.values[place]
        return UNKNOWN if value is None else self.show(value)


def beside_scores(comparison: Comparison) -> list[Beside]:
    """Return what was measured beside the score, means over the seeds; empty for other tasks."""
    records = [result.records for result in comparison.results]
    names = dict.fromkeys(
        measured.name
        for kept in records
        for record in kept.completed
        for measured in record.measurements
        if measured.phase == "test"
    )
    found = [
        Beside(
            plain(name.removeprefix(_SET).removesuffix("]")),
            f"{comparison.metric} on this set alone, points",
            [_mean(kept, name) for kept in records],
            lambda value: f"{points(value):.1f}",
        )
        for name in names
        if name.startswith(_SET)
    ]
    if "parsed" in names:
        found.append(
            Beside(
                "answers found",
                "share of the texts that were written in which an answer was found, right or wrong",
                [_mean(kept, "parsed") for kept in records],
                lambda value: f"{100 * value:.1f} %",
            )
        )
    if _PERPLEXITY in names:
        found += _forgotten([_mean(kept, _PERPLEXITY) for kept in records], records)
    return found


def beside_lines(comparison: Comparison) -> list[str]:
    """Say the same in lines, one a measurement, for where there is no room for columns."""
    return [
        f"{beside.title}: "
        + ", ".join(
            f"{named(result)} {beside.text(place)}"
            for place, result in enumerate(comparison.results)
            if beside.values[place] is not None
        )
        for beside in beside_scores(comparison)
    ]


def _forgotten(values: list[float | None], records: Sequence[MethodRecords]) -> list[Beside]:
    """Return the perplexity of held-out text, and what each method lost against the bare backbone."""
    untrained = next(
        (
            value
            for value, kept in zip(values, records, strict=True)
            if value is not None and kept.value("trainable_parameters") == 0
        ),
        None,
    )
    found = [
        Beside(
            "held-out perplexity",
            "of text of the kind that the backbone was pretrained on, with the adapter on",
            values,
            lambda value: f"{value:.4g}",
        )
    ]
    if untrained is None:
        return found
    lost = [None if value is None else math.log(value / untrained) for value in values]
    meaning = "what that text lost in log-likelihood against the backbone as it comes, nats a token"
    return [*found, Beside("forgetting", meaning, lost, lambda value: f"{value:+.3f}")]


def _mean(kept: MethodRecords, name: str) -> float | None:
    known = [value for record in kept.completed if (value := record.value(name, "test")) is not None]
    return statistics.fmean(known) if known else None
