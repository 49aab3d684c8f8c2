"""Short excerpts of test examples, so that a report can show which ones were answered wrong.

A run writes them to ``test-examples.json`` in its folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import TypeAdapter


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleTexts:
    """Excerpts of one task's test examples."""

    task: str
    """Name of the task."""

    data: str
    """Fingerprint of the task's data."""

    places: tuple[int, ...]
    """Numbers of the examples in the test set, from 0; not all of a large set."""

    inputs: tuple[tuple[str, ...], ...]
    """What a model reads of each: one text, two for a pair, or the name of an image's file."""

    answers: tuple[str, ...] = ()
    """The right answer of each, if it is a text; empty for classes and values."""

    choices: tuple[str, ...] = ()
    """Names of the choices by number, if all examples have the same; else empty."""


def extended(kept: Iterable[ExampleTexts], newer: Iterable[ExampleTexts]) -> tuple[ExampleTexts, ...]:
    """Return the excerpts of all tasks; of the same name, the newer ones count."""
    return tuple({one.task: one for one in (*kept, *newer)}.values())


EXAMPLE_TEXTS: TypeAdapter[tuple[ExampleTexts, ...]] = TypeAdapter(tuple[ExampleTexts, ...])
"""Reads and writes the excerpts of a run folder as JSON."""
