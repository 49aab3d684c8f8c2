"""Families: every built-in method has one, so that figures show it next to similar methods."""

from __future__ import annotations

import pytest

from whichpeft.methods.catalogue import methods
from whichpeft.study.families import FAMILIES, family_of


def test_every_built_in_method_has_one_family():
    named = [name for names in FAMILIES.values() for name in names]
    assert len(named) == len(set(named))
    own = {name for name, method in methods().items() if method.__module__.startswith("whichpeft.")}
    assert own == set(named)


@pytest.mark.parametrize(
    ("method", "family"),
    [
        ("lora:r=8", "low rank"),
        ("LoRA", "low rank"),
        ("lora@1f3a", "low rank"),
        ("lora+bitfit", "low rank"),
        ("bitfit", "chosen weights"),
        ("a-plug-in:k=2", "a-plug-in"),
        ("lora:r=[", "lora:r=["),
    ],
)
def test_options_and_parts_do_not_change_the_family(method, family):
    assert family_of(method) == family
