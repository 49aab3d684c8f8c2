"""Reads FASTA files: a line with ``>`` before each sequence, which may say more than its name."""

from __future__ import annotations

import re
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.residues.alphabet import are_residues
from whichpeft.tasks.tables.encodings import read_text
from whichpeft.tasks.tables.table import Table

SUFFIXES = (".fasta", ".fa", ".faa", ".fas")
_KEY = re.compile(r"(?:^|\s)([A-Za-z_]\w*)=")


def read_fasta(path: Path) -> Table:
    """Read sequences and their header lines into columns.

    The columns are ``id`` (the first word of the header), ``sequence``, one per key of ``KEY=value`` in
    the headers, and the rest: ``description``, or ``field 2`` and so on for what stands between ``|``.
    If each sequence has a second line with a letter per residue, these are the column ``tags``.
    Raises DataError if a sequence lacks a header, or a header its sequence.
    """
    read = read_text(path)
    headers: list[str] = []
    parts: list[list[str]] = []
    for number, line in enumerate(read.text.splitlines(), start=1):
        if line.startswith(">"):
            headers.append(line[1:].strip())
            parts.append([])
        elif line.strip() and not line.startswith(";"):
            if not headers:
                raise DataError(
                    f"{path}: line {number} ({line.strip()[:40]!r}) is before any header; put a line "
                    "that begins with > above each sequence"
                )
            parts[-1].append("".join(line.split()))
    empty = next((i for i, own in enumerate(parts) if not own), None)
    if empty is not None:
        raise DataError(f"{path}: sequence {empty + 1} ({headers[empty][:40]!r}) is empty; leave it out")
    tagged = _are_tagged(parts)
    columns: dict[str, list[str | None]] = {
        "id": [header.split(maxsplit=1)[0] if header else "" for header in headers],
        "sequence": [own[0] if tagged else "".join(own) for own in parts],
    }
    if tagged:
        columns["tags"] = [own[1] for own in parts]
    columns |= _from_headers(headers)
    return Table(
        str(path),
        tuple(columns),
        tuple(columns.values()),
        encoding=read.encoding,
        plain=False,
        notes=read.notes,
    )


def _are_tagged(parts: list[list[str]]) -> bool:
    """Whether each sequence has two lines, the second of which is not its end but has its tags."""
    return (
        bool(parts)
        and all(len(own) == 2 for own in parts)
        and not are_residues(own[1] for own in parts)
        and sum(len(own[0]) == len(own[1]) for own in parts) > len(parts) / 2
    )


def _from_headers(headers: list[str]) -> dict[str, list[str | None]]:
    """Return what the headers say in addition to the names of sequences, by column."""
    counts = {header.count("|") for header in headers}
    if len(counts) == 1 and counts != {0} and not any(" " in header for header in headers):
        fields = zip(*(header.split("|") for header in headers), strict=True)
        return {f"field {i}": [*own] for i, own in enumerate(fields, start=1) if i > 1}
    found: dict[str, list[str | None]] = {}
    for row, header in enumerate(headers):
        rest = "".join(header.split(maxsplit=1)[1:])
        # What comes before the first key describes the sequence; a value ends before the next key.
        description, *pairs = _KEY.split(rest)
        values = {"description": description, **dict(zip(pairs[::2], pairs[1::2], strict=True))}
        for key, value in values.items():
            if value.strip():
                found.setdefault(key, [None] * len(headers))[row] = value.strip()
    return found
