"""Reads CoNLL files: one word per line, its tag in the last column, an empty line after a sentence."""

from __future__ import annotations

from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.tables.encodings import read_text
from whichpeft.tasks.tables.table import Table

SUFFIXES = (".conll", ".conll2003", ".bio", ".iob", ".iob2")
_DOCUMENT = "-DOCSTART-"


def read_conll(path: Path, *, tagged: bool = True) -> Table:
    """Read a file in columns between blanks or tabs: the first is the word and the last its tag.

    Lines that begin with ``# `` between sentences are comments, and ``-DOCSTART-`` begins a document.
    Unless `tagged`, a file in which no line has a tag has one column. Raises DataError if a line has no
    tag.
    """
    read = read_text(path)
    lines = read.text.splitlines()
    tagged = tagged or any(len(line.split()) > 1 for line in lines if not line.startswith("# "))
    sentences: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(lines, start=1):
        fields = line.split("\t") if "\t" in line else line.split()
        fields = [field.strip() for field in fields]
        if not any(fields):
            sentences.append([])
        elif fields[0] == _DOCUMENT or (not sentences[-1] and line.startswith("# ")):
            continue
        elif not tagged:
            sentences[-1].append((fields[0], ""))
        elif len(fields) < 2 or not fields[0] or not fields[-1]:
            raise DataError(
                f"{path}: line {number} ({line.strip()[:40]!r}) has no tag; each line needs a word and, "
                "in its last column, a tag"
            )
        else:
            sentences[-1].append((fields[0], fields[-1]))
    found = [sentence for sentence in sentences if sentence]
    columns = tuple([[pair[side] for pair in sentence] for sentence in found] for side in (0, 1))
    names, columns = ("tokens", "tags")[: 1 + tagged], columns[: 1 + tagged]
    return Table(str(path), names, columns, encoding=read.encoding, notes=read.notes)
