"""Training and generation see the same model, with every method, batch and padding."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from whichpeft.backbones import Backbone
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.study import Budget
from whichpeft.tasks import Batch, GenerativeTask, Prompted, generative_task
from whichpeft.tasks.generative.examples import IGNORED, GenerativeExamples
from whichpeft.tasks.generative.model_outputs import completion_logits
from whichpeft.tasks.text_encoding import load_tokenizer

METHODS = (
    "zero-shot",
    "full",
    "lora:r=4",
    "dora:r=4",
    "ia3",
    "series-adapter:bottleneck=8",
    "parallel-adapter:bottleneck=8,target_modules=[up_proj,down_proj]",
    "prefix:num_virtual_tokens=3",
    "prompt:num_virtual_tokens=3",
    "p-tuning:num_virtual_tokens=3",
    "cpt:num_virtual_tokens=3",
    "adaption-prompt:adapter_len=3",
    "loreft:rank=2,positions=2",
    "lora:r=4+prompt:num_virtual_tokens=3",
    "loreft:rank=2,positions=2+prefix:num_virtual_tokens=3",
)
END = 1  # the token that ends a text
LENGTHS = (1, 3, 4, 9, 2, 30, 17, 5, 8, 1, 12, 26, 3, 7, 21, 6)


def prompted(lengths: Sequence[int] = LENGTHS) -> list[Prompted]:
    """Prompts with the given numbers of words."""
    rng = np.random.default_rng(0)
    words = ["three", "plus", "four", "is", "seven", "what", "answer"]
    return [
        Prompted(prompt=" ".join(rng.choice(words, length)), completion="seven plus one is eight")
        for length in lengths
    ]


def task(examples: Sequence[Prompted], metric: str) -> GenerativeTask:
    return generative_task(
        "words", train=prompted([5, 6, 7]), validation=examples, test=examples, metric=metric
    )


def adapted(method: str, asked: GenerativeTask, backbone: Backbone) -> torch.nn.Module:
    """Return a model in which every trained parameter has an effect."""
    torch.manual_seed(1)
    model = asked.build(backbone)
    chosen = resolve_method(method).resolved_for(backbone)
    assert chosen.refuses(backbone, asked, Budget()) is None
    adapter = chosen.apply(model, MethodContext(task_type=asked.task_type, head=frozenset(), steps=10))
    with torch.no_grad():
        for parameter in adapter.model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return adapter.model.eval()


@pytest.mark.parametrize("method", METHODS)
def test_generated_text_is_the_likeliest_in_training_too(method: str, tiny_writer: Backbone) -> None:
    """If a model's own text is the completion, each of its tokens is the likeliest one."""
    asked = task(prompted(), "exact_match")
    model = adapted(method, asked, tiny_writer)
    test = asked.encode(tiny_writer, max_train=None)["test"]
    every = np.arange(len(test))
    with torch.inference_mode():
        together = asked.outputs(model, test.batch(every)).numpy()
        alone = np.concatenate([asked.outputs(model, test.batch(every[i : i + 1])) for i in every])
    assert np.array_equal(together, alone)  # neither batch nor padding changes an answer
    assert (
        len({tuple(row) for row in together.tolist()}) > len(every) // 2
    )  # not all answers are the same
    taught = _as_training(asked, test, together)
    with torch.inference_mode():
        likeliest, wanted = _likeliest(model, taught.batch(every))
    assert np.array_equal(likeliest[wanted != IGNORED], wanted[wanted != IGNORED])


@pytest.mark.parametrize("method", METHODS)
def test_likelihoods_do_not_depend_on_batch_or_padding(method: str, tiny_writer: Backbone) -> None:
    examples = [
        Prompted(
            prompt=e.prompt,
            completion="seven one",
            choices=("seven one", "one and eight", "is", "seven two"),
        )
        for e in prompted()
    ]
    asked = task(examples, "acc")
    model = adapted(method, asked, tiny_writer)
    test = asked.encode(tiny_writer, max_train=None)["test"]
    every = np.arange(len(test))
    with torch.inference_mode():
        together = asked.outputs(model, test.batch(every)).numpy()
        alone = np.concatenate([asked.outputs(model, test.batch(every[i : i + 1])) for i in every])
    assert together.shape == (len(every), 4, 2)
    assert np.allclose(together, alone, rtol=1e-4)
    assert np.array_equal(together[..., 0].argmax(1), alone[..., 0].argmax(1))
    assert np.array_equal(together[..., 1].argmax(1), alone[..., 1].argmax(1))


def test_the_likelihood_of_a_choice_is_that_of_its_tokens(tiny_writer: Backbone) -> None:
    """The end-of-text token does not count, whether or not choices share a row."""
    choices = ("seven one", "one and eight", "is", "seven two")
    asked = task(
        [Prompted(prompt=e.prompt, completion="is", choices=choices) for e in prompted()], "acc"
    )
    model = asked.build(tiny_writer).eval()
    tokenizer = load_tokenizer(tiny_writer)
    test = asked.encode(tiny_writer, max_train=None)["test"]
    with torch.inference_mode():
        found = asked.outputs(model, test.batch(np.arange(len(test)))).numpy()
    for i, example in enumerate(prompted()[:4]):
        before = len(tokenizer(example.prompt)["input_ids"])
        for c, choice in enumerate(choices):
            ids = torch.tensor(tokenizer(f"{example.prompt} {choice}")["input_ids"])[None]
            with torch.inference_mode():
                logs = model(ids).logits[0].log_softmax(-1)
            expected = sum(float(logs[t - 1, ids[0, t]]) for t in range(before, ids.shape[1]))
            assert found[i, c, 0] == pytest.approx(expected, rel=1e-4)
            assert found[i, c, 1] == pytest.approx(expected / len(choice), rel=1e-4)


def test_a_likelihood_sums_the_log_probabilities_of_tokens(tiny_writer: Backbone) -> None:
    asked = task(prompted(), "log_likelihood")
    model = asked.build(tiny_writer).eval()
    test = asked.encode(tiny_writer, max_train=None)["test"]
    with torch.inference_mode():
        found = asked.outputs(model, test.batch(np.arange(len(test)))).numpy()
    for i in (0, 5):
        ids = torch.tensor(test.ids[test.offsets[i] : test.offsets[i + 1]])[None].long()
        first = int(test.prompts[i])
        with torch.inference_mode():
            logs = model(ids).logits[0].log_softmax(-1)
        expected = sum(float(logs[t - 1, ids[0, t]]) for t in range(first, ids.shape[1]))
        assert found[i, 0] == pytest.approx(expected, rel=1e-4)
        assert found[i, 1] == ids.shape[1] - first


def _as_training(
    asked: GenerativeTask, test: GenerativeExamples, written: np.ndarray
) -> GenerativeExamples:
    """Return the same prompts with the generated texts as completions."""
    rows = []
    for i, tokens in enumerate(written.tolist()):
        prompt = test.ids[test.offsets[i] : test.offsets[i] + test.prompts[i]].tolist()
        ended = tokens.index(END) + 1 if END in tokens else len(tokens)
        rows.append(prompt + tokens[:ended])
    return dataclasses.replace(
        test,
        ids=np.array([token for row in rows for token in row]),
        offsets=np.concatenate([[0], np.cumsum([len(row) for row in rows])]),
        evaluation=None,
    )


def _likeliest(model: torch.nn.Module, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = completion_logits(model, batch)
    return logits.argmax(-1).numpy(), labels.numpy()
