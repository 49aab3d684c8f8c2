"""What whichpeft knows about the methods of HF PEFT, read from the table `peft_facts.toml`."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from whichpeft.methods.info import MethodInfo, PeftInfo

_SWEEP = "docs/defaults.md: a sweep with minilm on stdlib-docs"


@dataclass(frozen=True, kw_only=True, slots=True)
class PeftFacts:
    """What is known about one method of HF PEFT before its config class is read."""

    info: MethodInfo
    """All of it except `may_be_zero`, which the config class decides."""

    peft: PeftInfo
    """All of it except `config` and `further_options`, which the config class decides."""

    options: Mapping[str, object] = field(default_factory=dict)
    """Curated defaults of the options that matter."""


@cache
def peft_facts() -> Mapping[str, PeftFacts]:
    """Return the facts by method name, in the table's order."""
    text = (files("whichpeft.methods") / "peft_facts.toml").read_text(encoding="utf-8")
    return {name: _facts(name, row) for name, row in tomllib.loads(text).items()}


def unknown_facts(name: str, peft_type: str) -> PeftFacts:
    """Return what is assumed about a method that PEFT has and the table does not."""
    return _facts(
        name,
        {
            "type": peft_type,
            "description": "new in the installed peft; whichpeft has no curated defaults for it",
            "learning_rate_source": "none: a guess for a method that whichpeft does not know",
        },
    )


def _facts(name: str, row: dict[str, Any]) -> PeftFacts:
    """Turn one table into facts. Raises TypeError for a key that is not a fact."""
    given = dict(row)
    peft_type = given.pop("type", name.upper())
    options = given.pop("options", {})
    about_peft = {f.name: given.pop(f.name) for f in dataclasses.fields(PeftInfo) if f.name in given}
    info: dict[str, Any] = {"learning_rate_source": _SWEEP, "several_adapters": True, **given}
    peft: dict[str, Any] = {"targets_modules": True, **about_peft}
    # TOML has lists; facts hold tuples.
    info["choices"] = {option: tuple(values) for option, values in info.get("choices", {}).items()}
    peft["fitted"] = {option: tuple(rule) for option, rule in peft.get("fitted", {}).items()}
    peft["claims"] = tuple(peft.get("claims", ()))
    return PeftFacts(
        info=MethodInfo(name=name, **info),
        peft=PeftInfo(config="", peft_type=peft_type, **peft),
        options=options,
    )
