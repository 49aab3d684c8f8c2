"""Further test results of language models: scores by set, answers found, and forgetting."""

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
class ExtraScore:
    """A test result other than the score."""

    title: str
    """The heading."""

    meaning: str
    """The definition, in a phrase."""

    values: list[float | None]
    """One value per method, in the order of the comparison."""

    show: Callable[[float], str]
    """Formats a value."""

    def text(self, place: int) -> str:
        """Format the value of the method at this place."""
        value = self.values[place]
        return UNKNOWN if value is None else self.show(value)


def extra_scores(comparison: Comparison) -> list[ExtraScore]:
    """Return the further test results, as means over the seeds; empty for other tasks."""
    records = [result.records for result in comparison.results]
    names = dict.fromkeys(
        measured.name
        for kept in records
        for record in kept.completed
        for measured in record.measurements
        if measured.phase == "test"
    )
    found = [
        ExtraScore(
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
            ExtraScore(
                "answers found",
                "share of the generated texts in which an answer was found, right or wrong",
                [_mean(kept, "parsed") for kept in records],
                lambda value: f"{100 * value:.1f} %",
            )
        )
    if _PERPLEXITY in names:
        found += _forgotten([_mean(kept, _PERPLEXITY) for kept in records], records)
    return found


def extra_score_lines(comparison: Comparison) -> list[str]:
    """Return the further test results as lines, one per result, for narrow outputs."""
    return [
        f"{score.title}: "
        + ", ".join(
            f"{named(result)} {score.text(place)}"
            for place, result in enumerate(comparison.results)
            if score.values[place] is not None
        )
        for score in extra_scores(comparison)
    ]


def _forgotten(values: list[float | None], records: Sequence[MethodRecords]) -> list[ExtraScore]:
    """Return the perplexity of held-out text, and each method's loss relative to the bare backbone."""
    untrained = next(
        (
            value
            for value, kept in zip(values, records, strict=True)
            if value is not None and kept.value("trainable_parameters") == 0
        ),
        None,
    )
    found = [
        ExtraScore(
            "held-out perplexity",
            "perplexity of text like the pretraining data, with the adapter applied",
            values,
            lambda value: f"{value:.4g}",
        )
    ]
    if untrained is None:
        return found
    lost = [None if value is None else math.log(value / untrained) for value in values]
    meaning = "log-likelihood lost on that text relative to the unchanged backbone, in nats per token"
    return [*found, ExtraScore("forgetting", meaning, lost, lambda value: f"{value:+.3f}")]


def _mean(kept: MethodRecords, name: str) -> float | None:
    known = [value for record in kept.completed if (value := record.value(name, "test")) is not None]
    return statistics.fmean(known) if known else None
