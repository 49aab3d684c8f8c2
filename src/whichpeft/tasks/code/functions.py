"""Functions of the running Python's standard library, each apart from its docstring.

A function's own name would tell which docstring belongs to it, so it is replaced in both. Everything
else stays as its authors wrote it: indentation, line breaks and comments.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.protocol import SPLITS
from whichpeft.tasks.splits import content_hash
from whichpeft.tasks.stdlib_docs import first_sentence, library_folder, parsed
from whichpeft.tasks.stdlib_kinds import sources

HIDDEN = "function"
"""What stands for a function's own name."""

FEWEST_CHARACTERS, MOST_CHARACTERS = 60, 240
FEWEST_LINES = 3
MOST_WORDS = 20
VALIDATION_SHARE, TEST_SHARE = 0.15, 0.35

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Function:
    """A documented function."""

    file: Path
    """Its file, relative to the library."""
    summary: str
    """The first sentence of its docstring."""
    code: str
    """Its source without the docstring, indented as if it were not in a class."""


def documented_functions(task: str) -> list[Function]:
    """Return short functions of the library with their docstrings' first sentences, by file.

    Of functions with the same sentence or the same source only one is kept. Stubs are left out, since
    their source says nothing.

    Raises DataError, which begins with the name of the task, if the library's sources are missing, as in
    an embedded or frozen Python.
    """
    library = library_folder()
    found = [own for path in sources(library) for own in functions_of(path, library)]
    found.sort(key=_order)
    summaries: set[str] = set()
    codes: set[str] = set()
    kept = []
    for function in found:
        summary = function.summary.casefold()
        if summary not in summaries and function.code not in codes:
            kept.append(function)
        summaries.add(summary)
        codes.add(function.code)
    if not kept:
        raise DataError(
            f"{task}: {library} has no documented functions; this Python has no sources of its standard "
            "library, so name another data set with --task"
        )
    return kept


def functions_by_split(task: str) -> dict[str, list[Function]]:
    """Return the functions of each split, by file. All functions of a module are in one split.

    Raises DataError as `documented_functions` does.
    """
    splits: dict[str, list[Function]] = {key: [] for key in SPLITS}
    for function in documented_functions(task):
        splits[_split_of(function.file)].append(function)
    return splits


def fewest(functions: list[Function], most: int) -> list[Function]:
    """Keep the functions with the lowest hash, so that another Python version changes few of them."""
    return sorted(sorted(functions, key=lambda one: _order(one)[1])[:most], key=_order)


def _split_of(file: Path) -> str:
    """Return the split of a file: that of its top module or package, by the hash of its name."""
    share = content_hash((Path(file.parts[0]).stem,), "code") / 2**64
    if share < TEST_SHARE:
        return "test"
    return "validation" if share < TEST_SHARE + VALIDATION_SHARE else "train"


def functions_of(path: Path, library: Path) -> Iterator[Function]:
    """Yield the functions of a file that have a docstring and say something without it."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for node in ast.walk(parsed(path)):
        if not isinstance(node, _Function) or len(node.body) < 2:
            continue
        if not (docstring := ast.get_docstring(node)):
            continue
        summary = first_sentence(docstring, most_words=MOST_WORDS)
        code = hide(_without_docstring(node, lines), node.name)
        if summary is None or not FEWEST_CHARACTERS <= len(code) <= MOST_CHARACTERS:
            continue
        if len(code.splitlines()) >= FEWEST_LINES and "NotImplementedError" not in code:
            yield Function(path.relative_to(library), hide(summary, node.name), code)


def hide(text: str, name: str) -> str:
    """Replace a function's name by ``function``, as a whole word."""
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", HIDDEN, text)


def _without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> str:
    docstring = node.body[0]
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    own = lines[first - 1 : docstring.lineno - 1] + lines[docstring.end_lineno : node.end_lineno]
    margin = " " * node.col_offset  # lines of a long string may begin before it
    return "\n".join(line.removeprefix(margin) for line in own)


def _order(function: Function) -> tuple[str, int]:
    return str(function.file), content_hash((function.summary, function.code), "code")
