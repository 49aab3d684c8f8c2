"""Tables for papers: LaTeX with booktabs, narrow enough for one column of two."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.tables.columns import METHOD, VERDICT, Column, brief
from whichpeft.report.tables.layout import Layout, column_name, hidden_methods
from whichpeft.report.tables.notes import details, problems, pscp_note
from whichpeft.report.tables.statistics_text import statistics_sentences
from whichpeft.report.text import UNKNOWN, named, plain
from whichpeft.report.verdict_text import undecided
from whichpeft.units import join_words, show_percent, size_unit

DEFAULT_COLUMNS = ("method", "score", "gap", "share", "train-time", "peak-memory")
"""The columns of a table for a paper, by their names."""

_HEADINGS = {"share": "trained", "train-time": "time", "peak-memory": "mem."}
_MARKS = {"equivalent": r"\approx", "better": r"\uparrow", "worse": r"\downarrow"}
_LONGEST_NAME = 12  # letters of a method's name on one line; a longer one is broken
_NAME_WIDTH = "5.7em"
_MOST_IN_A_COLUMN = 6
_UNEVEN = re.compile(r"(?P<value>[-+]?[\d.]+) \[(?P<low>[-+]?[\d.]+), (?P<high>[-+]?[\d.]+)\]")

Cells = dict[MethodResult, str]


def as_latex(comparisons: Sequence[Comparison], layout: Layout | None = None) -> str:
    """Write one booktabs table per backbone and task (``\\usepackage{booktabs}``)."""
    layout = layout or Layout()
    layout.check(comparisons)
    return "\n".join(_table(comparison, layout) for comparison in comparisons)


def booktabs(
    *,
    caption: str,
    label: str,
    headings: Sequence[Sequence[str]],
    rows: Sequence[Sequence[str]],
    words: Sequence[bool],
    notes: Sequence[str] = (),
    wide: bool = True,
) -> str:
    """Write a table, its caption above and its notes beneath.

    Parameters
    ----------
    caption
        The caption, as text.
    label
        What to refer to it by, after ``tab:``; other characters than letters and digits become hyphens.
    headings
        Rows of headings, as LaTeX.
    rows
        Rows of cells, as LaTeX.
    words
        Whether each column holds words, which are aligned to the left.
    notes
        Sentences to print beneath the table, as LaTeX.
    wide
        Whether the table spans both columns of a page with two.

    Returns
    -------
    str
        The table. It needs the package booktabs and no other.
    """
    environment = "table*" if wide else "table"
    spec = "".join("l" if column else "r" for column in words)
    beneath = [
        r"\par\vspace{3pt}",
        r"\parbox{\linewidth}{\scriptsize\raggedright",
        *notes,
        "}",
    ]
    lines = [
        rf"\begin{{{environment}}}",
        r"\centering",
        rf"\caption{{{latex(caption)}.}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9]+', '-', label).strip('-')}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{2.5pt}",
        rf"\begin{{tabular}}{{@{{}}{spec}@{{}}}}",
        r"\toprule",
        *(" & ".join(cells) + r" \\" for cells in headings),
        r"\midrule",
        *(" & ".join(cells) + r" \\" for cells in rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(beneath if notes else []),
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _table(comparison: Comparison, layout: Layout) -> str:
    by_name = {column_name(column): column for column in brief(comparison)}
    columns = layout.columns_of(comparison, [by_name[name] for name in DEFAULT_COLUMNS])
    results = layout.results_of(comparison)
    marked = VERDICT not in columns
    written = [_written(column, results, marked=marked) for column in columns]
    units = [unit for _, unit, _ in written]
    headings = [[latex(title) for title, _, _ in written]]
    if any(units):
        headings.append([f"({latex(unit)})" if unit else "" for unit in units])
    return booktabs(
        caption=f"{plain(comparison.backbone)} on {plain(comparison.task)}: {details(comparison)}",
        label=f"{comparison.backbone}-{comparison.task}",
        headings=headings,
        rows=[[cells[result] for _, _, cells in written] for result in results],
        words=[column.words for column in columns],
        notes=[latex(note) for note in statistics_sentences(comparison)]
        + [*_marks(comparison, results, columns), *map(latex, _further_notes(comparison, results))],
        wide=len(columns) > _MOST_IN_A_COLUMN,
    )


def _written(column: Column, results: Sequence[MethodResult], *, marked: bool) -> tuple[str, str, Cells]:
    """Return a column's heading, its unit, and its cells as LaTeX, the best in bold."""
    name = column_name(column)
    number, unit = _number(column, results)
    best = _best(column, results)
    all_tuned = all(result.variant == "tuned" for result in results)
    cells = {}
    for result in results:
        text = column.show(result)
        if number is not None and column.read is not None:
            value = column.read(result)
            text = UNKNOWN if value is None else number(value)
        elif column is METHOD and all_tuned:
            text = plain(result.method)
        cell = _name_cell(text) if column is METHOD else _measured_cell(text, bold=result in best)
        if name == "gap" and marked and result.verdict in _MARKS:
            cell += f"$^{{{_MARKS[result.verdict]}}}$"
        cells[result] = cell
    return _HEADINGS.get(name, column.title), unit, cells


def _number(
    column: Column, results: Sequence[MethodResult]
) -> tuple[Callable[[float], str] | None, str]:
    """Return how a column with one unit shows its numbers, and that unit."""
    values = [v for r in results if column.read is not None and (v := column.read(r)) is not None]
    largest = max(values, default=0.0)
    if column.quantity == "percent":
        return lambda value: show_percent(value).removesuffix(" %"), "%"
    if column.quantity == "bytes":
        unit, factor = size_unit(largest)
    elif column.quantity == "seconds":
        unit, factor = next(
            (unit, factor) for unit, factor in _TIMES if largest >= 2 * factor or factor == 1
        )
    else:
        return None, ""
    return lambda value: _three_digits(value / factor), unit


_TIMES = (("h", 3600.0), ("min", 60.0), ("s", 1.0))


def _three_digits(value: float) -> str:
    """Show a number with three digits and never with an exponent: ``1,234``, ``12.3``, ``0.02``."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _best(column: Column, results: Sequence[MethodResult]) -> set[MethodResult]:
    """Return the results with the highest score or the lowest cost, among methods with a score."""
    name = column_name(column)
    if column.read is None or name not in ("score", *_COSTS):
        return set()
    scored = [result for result in results if result.score_mean is not None]
    allowed = [result for result in scored if name == "score" or not result.trains_nothing]
    values = {r: v for r in allowed if (v := column.read(r)) is not None}
    if len(values) < 2:
        return set()
    best = max(values.values()) if name == "score" else min(values.values())
    # What reads the same is the same to a reader; if all are the same, none is the best.
    shown = {column.show(result) for result, value in values.items() if value == best}
    found = {result for result in values if column.show(result) in shown}
    return found if len(found) < len(values) else set()


_COSTS = ("trainable", "share", "train-time", "step-ms", "peak-memory", "adapter", "total-time")


def _name_cell(name: str) -> str:
    """Write a method's name; a long one is broken after its punctuation."""
    text = latex(name)
    if len(name) <= _LONGEST_NAME:
        return text
    broken = re.sub(r"([:,+=]|\\_)", r"\1\\allowbreak{}", text)
    return rf"\parbox[t]{{{_NAME_WIDTH}}}{{\raggedright\hangindent=0.3em {broken}\strut}}"


def _measured_cell(text: str, *, bold: bool) -> str:
    """Write a measured value; its interval is smaller, as ``±0.9`` or, if uneven, as ``+0.3 -0.9``."""
    value, plus_minus, half = text.partition(" ± ")
    uneven = _UNEVEN.fullmatch(text)
    if uneven is not None:
        value = uneven["value"]
    cell = latex_cell(value)
    if bold:
        cell = rf"\textbf{{{cell}}}"
    if uneven is not None:
        mean, low, high = (float(uneven[name]) for name in ("value", "low", "high"))
        return f"{cell}$^{{+{high - mean:.1f}}}_{{-{mean - low:.1f}}}$"
    return rf"{cell}{{\scriptsize$\pm${latex(half)}}}" if plus_minus else cell


def _marks(
    comparison: Comparison, results: Sequence[MethodResult], columns: Sequence[Column]
) -> list[str]:
    """Explain the marks of the gaps, and what bold means."""
    sentences = []
    used = {result.verdict for result in results}
    shows_gap = any(column_name(column) == "gap" for column in columns)
    if shows_gap and VERDICT not in columns and used & {*_MARKS, "undecided"}:
        baseline = latex(plain(comparison.baseline))
        meanings = [f"${mark}$~{name}" for name, mark in _MARKS.items() if name in used]
        none = ["no mark: undecided"] if "undecided" in used else []
        sentences.append(f"Verdicts relative to {baseline}: {', '.join([*meanings, *none])}.")
    if any(column_name(column) in ("score", *_COSTS) for column in columns):
        sentences.append("Bold: the highest score and, of the methods that train, the lowest cost.")
    return sentences


def _further_notes(comparison: Comparison, results: Sequence[MethodResult]) -> list[str]:
    """Return what would decide, what failed and why, and which methods are not shown."""
    shown = {named(result) for result in results}
    open_still = [f"{m}: {needed}" for m, needed in undecided(comparison) if m in shown]
    notes = [f"Undecided {'; '.join(open_still)}"] if open_still else []
    notes += [f"{m}: {status}, {why}" for m, status, why in problems(comparison) if m in shown]
    notes += [_sentence(plain(note)) for note in (*pscp_note(comparison), *comparison.notes)]
    hidden = hidden_methods(comparison, results)
    if hidden:
        notes.append(f"Compared and not shown: {join_words(hidden)}")
    return [note.rstrip(".") + "." for note in notes]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    # LaTeX reads a bracket right after the end of a row as an optional argument.
    "[": "{[}",
    "]": "{]}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': "''",  # the default fonts have no straight quotation mark
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "→": r"$\to$",
    UNKNOWN: r"\textendash{}",
}


def latex(text: str) -> str:
    """Escape text for LaTeX."""
    # LaTeX would set two hyphens as a dash.
    return "".join(_LATEX.get(char, char) for char in text).replace("--", "-{}-")


def latex_cell(text: str) -> str:
    """Escape a cell for LaTeX; the hyphen before a number becomes a minus sign."""
    negative = len(text) > 1 and text[0] == "-" and text[1].isdigit()
    return rf"$-${latex(text[1:])}" if negative else latex(text)
