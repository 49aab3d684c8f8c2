"""The embedded word problems: the same each time, right, and apart from one another and the corpus."""

from __future__ import annotations

import re

from whichpeft.backbones.tiny_corpus import held_out_texts, training_texts
from whichpeft.tasks.catalogue import suited_backbone
from whichpeft.tasks.generative.sums import SIZES, sums


def test_it_is_the_same_each_time_and_its_splits_are_apart() -> None:
    task = sums()
    assert task.fingerprint == sums().fingerprint
    assert task.counts == SIZES
    prompts = [example.prompt for split in task.splits.values() for example in split]
    assert len(set(prompts)) == len(prompts)
    assert task.held_out == held_out_texts()
    assert suited_backbone("sums") == "tiny-llama"


def test_each_answer_is_the_sum_or_the_difference_of_the_numbers_asked_about() -> None:
    for split in sums().splits.values():
        for example in split:
            first, second = (int(number) for number in re.findall(r"\d+", example.prompt))
            away = re.search(r"left|How many more", example.prompt)
            assert int(example.right) == (first - second if away else first + second)


def test_the_corpus_asks_nothing() -> None:
    assert not any("?" in text for text in (*training_texts(), *held_out_texts()))


def test_no_constant_answer_gets_far() -> None:
    chance = sums().chance
    assert chance is not None
    assert chance < 0.2
