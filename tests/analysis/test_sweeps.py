"""Sweeps over a size: the options that set the size of a method, and those that do not."""

from __future__ import annotations

import pytest

from whichpeft.analysis import comparisons
from whichpeft.analysis.sweeps import sweeps

from .. import builders


def found(counts, scores=None):
    """Return the sweeps of methods with these numbers of trained parameters."""
    records = [
        builders.final(method, 0, (scores or {}).get(method, 0.8), adapter=count)
        for method, count in counts.items()
    ]
    (comparison,) = comparisons(builders.study(list(counts), seeds=[0]), records)
    return [(one.name, one.hyperparameter, one.sizes) for one in sweeps(comparison)]


def test_each_method_has_its_own_sweep():
    counts = {"lora:r=16": 16, "lora:r=4": 4, "dora:r=4": 5, "dora:r=8": 10, "bitfit": 3}
    assert found(counts) == [("lora", "r", (4, 16)), ("dora", "r", (4, 8))]


@pytest.mark.parametrize(
    "counts",
    [
        {"lora:learning_rate=0.1": 4, "lora:learning_rate=0.2": 4},  # trains no more
        {"lora:r=4": 4, "bitfit": 3},
        {"lora:r=4": 4, "lora:r=8+bitfit": 8},  # another method
        {"lora:init=a": 4, "lora:init=b": 8},
    ],
)
def test_other_options_are_not_sizes(counts):
    assert found(counts) == []


def test_other_options_split_a_sweep():
    counts = {
        "lora:r=4": 4, "lora:r=8": 8, "lora:r=4,target_modules=[a]": 2, "lora:r=8,target_modules=[a]": 5,
    }  # fmt: skip
    assert found(counts) == [
        ("lora", "r", (4, 8)),
        ("lora:target_modules=[a]", "r", (4, 8)),
    ]


def test_an_option_that_follows_the_size_does_not_split_a_sweep():
    counts = {"lora:r=4,lora_alpha=8": 4, "lora:r=8,lora_alpha=16": 8}
    assert found(counts) == [("lora", "r", (4, 8))]


def test_enough_is_the_smallest_size_within_the_margin():
    scores = {"lora:r=2": 0.5, "lora:r=4": 0.79, "lora:r=8": 0.8}
    records = [
        builders.final(method, 0, score, adapter=i + 1)
        for i, (method, score) in enumerate(scores.items())
    ]
    (one,) = sweeps(comparisons(builders.study(list(scores), seeds=[0]), records)[0])
    assert one.sizes[one.enough(0.02)] == 4
    assert one.sizes[one.enough(0.0)] == 8
