"""Every method keeps the contract of methods, on every model family that it does not refuse."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from functools import lru_cache

import pytest

from whichpeft.backbones import Backbone
from whichpeft.methods import methods
from whichpeft.testing import MethodContract
from whichpeft.testing.small_tasks import (
    small_image_task,
    small_protein_task,
    small_tagging_task,
    small_task,
)

# Options that methods need on such small models.
OPTIONS = {"trainable-tokens": "trainable-tokens:token_indices=[101,102]"}
VARIANTS = (
    "series-adapter:placement=pfeiffer",
    "series-adapter:placement=modules",
    "loreft:share_weights=false",
    "prompt:init_text='which is it, this or that?'",
)
COMPOSITIONS = (
    "lora+bitfit",
    "adaption-prompt+lora",
    "lora+series-adapter",
    "loreft+lora",
    "prefix+lora",
    "vera+ln-tuning",
    "adalora+ia3",
)
NAMES = [OPTIONS.get(name, name) for name in methods()] + [*VARIANTS, *COMPOSITIONS]

QUICK = ("full", "lora", "prefix")

READ = ("_task", "_examples", "_loaded", "_head", "_head_size")

Contract = Callable[[str, str], MethodContract]


@pytest.fixture(scope="module")
def contract(families: dict[str, Backbone]) -> Contract:
    """Return a function that gives the contract of a method on a model family.

    Files are read once per family, since the contract works on copies.
    """
    read: dict[str, dict[str, object]] = {}

    @lru_cache(maxsize=1)
    def made(text: str, family: str) -> MethodContract:
        tasks = {
            "vit": small_image_task,
            "esm": small_protein_task,
            "bert of words": small_tagging_task,
        }
        one = MethodContract(
            text, families[family.removesuffix(" of words")], tasks.get(family, small_task)
        )
        if family not in read:
            read[family] = {name: getattr(one, name) for name in READ}
        vars(one).update(read[family])
        return one

    return made


@pytest.mark.parametrize("rule", MethodContract.rules)
@pytest.mark.parametrize("text", NAMES)
def test_every_rule_on_an_encoder(text: str, rule: str, contract: Contract) -> None:
    one = contract(text, "bert")
    if rule != "merging_agrees" or not claims_to_merge(text):
        one.check_rule(rule)
        return
    try:
        one.check_rule(rule)
    except unittest.SkipTest as reason:
        if " refuses " in str(reason):
            raise
        pytest.fail(f"{text} claims to merge, but {reason}")


def claims_to_merge(text: str) -> bool:
    """Whether a text names a method, with no options but needed ones, that says that it merges."""
    name = text.partition(":")[0]
    return text == OPTIONS.get(name, name) and name in methods() and methods()[name].info.merges


@pytest.mark.slow
@pytest.mark.parametrize("rule", MethodContract.rules)
@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("family", ["llama", "vit"])
def test_every_rule_on_other_families(family: str, text: str, rule: str, contract: Contract) -> None:
    contract(text, family).check_rule(rule)


ON_WORDS = ("full", "lora", "prefix", "prompt")
ON_PROTEINS = ("lora", "ia3", "bitfit")
WHERE_FAMILIES_DIFFER = (
    "gradients_reach_the_adapter",
    "counts_without_weights_agree",
    "save_and_load_agree",
    "detaching_restores_the_backbone",
)
"""The rules for which it matters what a method is attached to; the others are checked on BERT."""


@pytest.mark.parametrize("rule", MethodContract.rules)
@pytest.mark.parametrize("text", ON_WORDS)
def test_rules_on_a_token_classifier(text: str, rule: str, contract: Contract) -> None:
    """Virtual tokens come before the words, and have no tag."""
    contract(text, "bert of words").check_rule(rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", WHERE_FAMILIES_DIFFER)
@pytest.mark.parametrize("text", [name for name in NAMES if name not in ON_WORDS])
def test_every_method_on_a_token_classifier(text: str, rule: str, contract: Contract) -> None:
    contract(text, "bert of words").check_rule(rule)


@pytest.mark.parametrize("rule", MethodContract.rules)
@pytest.mark.parametrize("text", ON_PROTEINS)
def test_rules_on_a_protein_model(text: str, rule: str, contract: Contract) -> None:
    contract(text, "esm").check_rule(rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", WHERE_FAMILIES_DIFFER)
@pytest.mark.parametrize(
    "text", [name for name in NAMES if name not in (*OPTIONS.values(), *ON_PROTEINS)]
)
def test_every_method_on_a_protein_model(text: str, rule: str, contract: Contract) -> None:
    contract(text, "esm").check_rule(rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["gradients_reach_the_adapter", "counts_without_weights_agree"])
@pytest.mark.parametrize("text", NAMES)
def test_names_are_found_on_an_encoder_of_the_same_design(
    text: str, rule: str, contract: Contract
) -> None:
    """RoBERTa is BERT with other names, so methods have to find their modules by these."""
    contract(text, "roberta").check_rule(rule)
