"""Which methods of a run were taken away, and where to, so that a report names what comes next.

``--write`` notes it in ``taken.json`` in the run folder.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A folder that ``--write`` wrote."""

    backbone: str
    """Name of the backbone."""

    task: str
    """Name of the task."""

    method: str
    """The method as written by the user."""

    variant: str
    """``default`` or ``tuned``."""

    folder: str
    """The folder, from the root."""


TAKEN: TypeAdapter[tuple[Taken, ...]] = TypeAdapter(tuple[Taken, ...])
"""Reads and writes ``taken.json``."""
