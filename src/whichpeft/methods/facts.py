"""What whichpeft knows of the methods of HF PEFT, as a table: `peft_facts.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class PeftFacts:
    """One method of HF PEFT; the fields are explained at the head of the table."""

    type: str
    description: str
    paper: str
    rate: float
    source: str = "docs/defaults.md: a sweep with minilm on stdlib-docs"
    scales: bool = False
    targets: str = "shared"
    merges: bool = True
    several: bool = True
    set: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    space: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    weightless: Mapping[str, Any] = field(default_factory=dict)


@cache
def peft_facts() -> Mapping[str, PeftFacts]:
    """Return the facts by the methods' names, in the table's order."""
    text = (files("whichpeft.methods") / "peft_facts.toml").read_text(encoding="utf-8")
    return {name: _facts(name, row) for name, row in tomllib.loads(text).items()}


def unknown_facts(peft_type: str) -> PeftFacts:
    """Return what is assumed of a method that PEFT has and the table has not."""
    return PeftFacts(
        type=peft_type,
        description="new in the installed peft; whichpeft knows no curated defaults for it",
        paper="",
        rate=1e-3,
        source="none: a guess for a method that whichpeft does not know",
    )


def _facts(name: str, row: dict[str, Any]) -> PeftFacts:
    space = {option: tuple(values) for option, values in row.get("space", {}).items()}
    fit = {option: (rule, limit) for option, (rule, limit) in row.get("fit", {}).items()}
    return PeftFacts(**{"type": name.upper()} | row | {"space": space, "fit": fit})
