"""Examples shown before a prompt."""

from __future__ import annotations

import numpy as np

from whichpeft.backbones import Backbone
from whichpeft.methods import resolve_method
from whichpeft.tasks import Examples, Prompted, generative_task
from whichpeft.tasks.text_encoding import load_tokenizer


def shown(method: str, backbone: Backbone, *, words: int = 3) -> list[str]:
    """Return the test prompts as the backbone reads them."""
    asked = generative_task(
        "sums",
        train=[
            Prompted(prompt=f"{i} and {i} {'is ' * words}".strip(), completion=str(2 * i))
            for i in range(9)
        ],
        validation=[Prompted(prompt="5 and 6 is", completion="11")],
        test=[Prompted(prompt="7 and 8 is", completion="15")],
    )
    splits = asked.encode(backbone, max_train=None)
    examples: Examples = resolve_method(method).examples(splits)["test"]
    batch = examples.batch(np.array([0]))
    return load_tokenizer(backbone).batch_decode(batch["input_ids"])


def test_examples_precede_the_prompt_with_their_answers(tiny_writer: Backbone) -> None:
    found = shown("few-shot:shots=3", tiny_writer, words=1)
    assert found == ["0 and 0 is 0\n\n4 and 4 is 8\n\n8 and 8 is 16\n\n7 and 8 is"]
    assert shown("zero-shot", tiny_writer) == ["7 and 8 is"]


def test_examples_that_do_not_fit_are_dropped_from_the_front(tiny_writer: Backbone) -> None:
    (found,) = shown("few-shot:shots=9", tiny_writer, words=30)
    assert found.endswith(" 16\n\n7 and 8 is")
    assert not found.startswith("0 and 0")
    assert found[0].isdigit()  # whole examples only
