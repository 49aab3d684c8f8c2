"""What a table shows when its reader decides: which columns, which methods, and in what order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.errors import StudyError, unknown
from whichpeft.report.tables.columns import METHOD, Column, brief, listed
from whichpeft.report.text import named, plain

_BEST_IS_HIGH = ("score", "gap", "retention", "speed-up", "samples-s", "tokens-s", "residues-s", "pscp")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The columns and methods of a table, as its reader asked for them. By default, the table decides.

    Methods are chosen after they were compared. The verdicts on those that are shown do not change.
    """

    columns: tuple[str, ...] = ()
    """Names of columns in order: headings, with hyphens for blanks. The method always comes first."""

    sort: str | None = None
    """The column to sort by, the best first; the order of the study or of `methods` by default."""

    methods: tuple[str, ...] = ()
    """The methods to show, as written in the study, in order."""

    def columns_of(self, comparison: Comparison, default: Sequence[Column]) -> list[Column]:
        """Return the columns for a comparison. Raises StudyError if one is unknown."""
        if not self.columns:
            return list(default)
        chosen = [_column(name, comparison, "--columns") for name in self.columns]
        return [METHOD, *(column for column in chosen if column is not METHOD)]

    def results_of(self, comparison: Comparison) -> list[MethodResult]:
        """Return the results to show. Raises StudyError if the column to sort by is unknown."""
        results = list(comparison.results)
        if self.methods:
            place = {name: i for i, name in enumerate(self.methods)}
            results = sorted(
                (result for result in results if result.method in place),
                key=lambda result: place[result.method],
            )
        if self.sort is None:
            return results
        column = _column(self.sort, comparison, "--sort")
        values = {result: column.value(result) for result in results}
        known = [result for result in results if values[result] is not None]
        # A sort keeps the order of equals, so words and numbers need no second key.
        known.sort(key=values.__getitem__, reverse=column_name(column) in _BEST_IS_HIGH)  # type: ignore[arg-type]
        return known + [result for result in results if values[result] is None]

    def check(self, comparisons: Iterable[Comparison]) -> None:
        """Raise StudyError if a method is in none of the comparisons."""
        known = list(dict.fromkeys(result.method for c in comparisons for result in c.results))
        for name in self.methods:
            if name not in known:
                raise StudyError(f"--methods: {unknown('method of this study', name, known)}")


def make_layout(
    columns: Iterable[str] | None = None, sort: str | None = None, methods: Iterable[str] | None = None
) -> Layout:
    """Return the layout for what a user wrote; each text may hold several names after commas."""
    return Layout(
        columns=tuple(name for text in columns or () for name in _split(text)),
        sort=sort,
        methods=tuple(name for text in methods or () for name in split_methods(text)),
    )


def split_methods(text: str) -> list[str]:
    """Split ``lora:r=8,lora_dropout=0.1,full`` into methods; an option belongs to the name before it."""
    found: list[str] = []
    depth = 0
    for part in text.split(","):
        option = re.match(r"\s*[\w.]+=", part) is not None
        if found and (depth or option):
            found[-1] += f",{part}"
        elif part.strip():
            found.append(part)
        depth += part.count("[") - part.count("]")
    return [name.strip() for name in found]


def column_name(column: Column) -> str:
    """Return the name by which a reader asks for a column: ``train-time``."""
    return _name(column.title)


def hidden_methods(comparison: Comparison, shown: Sequence[MethodResult]) -> list[str]:
    """Return the methods that a comparison has and a table does not show."""
    return [plain(named(result)) for result in comparison.results if result not in shown]


def _column(name: str, comparison: Comparison, option: str) -> Column:
    known = {column_name(column): column for column in (*brief(comparison), *listed(comparison))}
    if _name(name) not in known:
        raise StudyError(f"{option}: {unknown('column', name, known)}")
    return known[_name(name)]


def _name(title: str) -> str:
    return re.sub(r"[\W_]+", "-", title.casefold()).strip("-")


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
