"""Prompts are put into the tokenizer's chat template, in training and in evaluation."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.tasks import Prompted, generative_task
from whichpeft.tasks.text_encoding import load_tokenizer

TEMPLATE = (
    "{% for turn in messages %}<s>{{ turn.role }}: {{ turn.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant:{% endif %}"
)
EXAMPLES = [Prompted(prompt=f"What is {i}?", completion=f"It is {i}.") for i in range(12)]


@pytest.fixture
def chatting(tiny_writer: Backbone, tmp_path: Path) -> Backbone:
    folder = tmp_path / "chatting"
    shutil.copytree(tiny_writer.files, folder)
    tokenizer = load_tokenizer(tiny_writer)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return resolve_backbone(str(folder))


@pytest.mark.parametrize("metric", ["exact_match", "log_likelihood"])
def test_the_prompt_is_the_user_s_turn(metric: str, chatting: Backbone) -> None:
    asked = generative_task(
        "chat", train=EXAMPLES[:6], validation=EXAMPLES[6:9], test=EXAMPLES[9:], metric=metric
    )
    tokenizer = load_tokenizer(chatting)
    for split, own in asked.encode(chatting, max_train=None).items():
        if split not in asked.splits:
            continue
        for i, example in enumerate(asked.splits[split]):
            ids = own.ids[own.offsets[i] : own.offsets[i + 1]]
            prompt, completion = np.split(ids, [own.prompts[i]])
            turn = f"<s>user: {example.prompt}</s><s>assistant:"
            assert tokenizer.decode(prompt) == turn
            assert prompt.tolist().count(tokenizer.bos_token_id) == 2  # no third one before the template
            if len(completion):
                assert tokenizer.decode(completion) == f" {example.completion}</s>"


def test_plain_texts_are_not_in_a_turn(chatting: Backbone) -> None:
    texts = [dataclasses.replace(example, prompt="") for example in EXAMPLES]
    asked = generative_task(
        "texts", train=texts[:6], validation=texts[6:9], test=texts[9:], metric="log_likelihood"
    )
    own = asked.encode(chatting, max_train=None)["train"]
    assert "user" not in load_tokenizer(chatting).decode(own.ids)
