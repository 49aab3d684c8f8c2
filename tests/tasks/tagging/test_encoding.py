"""Tags land on the first token of their word, and predictions return to their words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from whichpeft.backbones import Backbone
from whichpeft.errors import DataError
from whichpeft.metrics.loss import mean_loss
from whichpeft.tasks import Task
from whichpeft.tasks.encoded_data import load_examples, save_examples
from whichpeft.tasks.tagging import TaggingTask
from whichpeft.tasks.tagging.assemble import tagging_task
from whichpeft.tasks.tagging.encoding import CUT, IGNORED, TaggedExamples
from whichpeft.tasks.text_encoding import load_tokenizer

SENTENCES = [
    (["Schwarzenegger", "met", "unputdownable", "Ada", "."], ["B-PER", "O", "O", "B-PER", "O"]),
    (["ok"], ["O"]),
]


def small(sentences=SENTENCES) -> TaggingTask:
    return tagging_task("small", train=sentences, validation=sentences, test=sentences)


def encoded(task: Task, backbone: Backbone) -> TaggedExamples:
    found = task.encode(backbone, max_train=None)["test"]
    assert isinstance(found, TaggedExamples)
    return found


def test_each_word_has_the_place_of_its_first_token(minilm: Backbone) -> None:
    examples = encoded(small(), minilm)
    tokenizer = load_tokenizer(minilm)
    batch = examples.batch(np.array([0, 1]))
    pieces = tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist())
    firsts = [pieces[place] for place in batch["words"][0].tolist()]
    assert firsts == ["schwarz", "met", "un", "ada", "."]
    assert batch["words"][1].tolist() == [1, CUT, CUT, CUT, CUT]
    labels = batch["labels"][0].tolist()
    assert [labels[place] for place in batch["words"][0].tolist()] == [1, 0, 0, 1, 0]
    assert sum(label != IGNORED for label in labels) == 5
    assert list(examples.weights) == [5, 1]


def test_predictions_return_to_their_words(minilm: Backbone) -> None:
    """A model that knows the right answer of each token scores 1."""
    task = small()
    examples = encoded(task, minilm)

    class Knows(torch.nn.Module):
        def forward(self, input_ids, **others):
            logits = torch.zeros(*input_ids.shape, 2)
            for row, index in enumerate((1, 0)):
                own = examples.batch(np.array([index]))["labels"][0]
                logits[row, : len(own)][own == 1] = torch.tensor([0.0, 9.0])
            return type("Output", (), {"logits": logits})

    outputs = task.outputs(Knows(), examples.batch(np.array([1, 0]))).numpy()
    assert outputs[..., 0].tolist() == [[0, -1, -1, -1, -1], [1, 0, 0, 1, 0]]
    sure = 1 / (1 + np.exp(-9))
    assert outputs[1, :, 1] == pytest.approx([sure, 0.5, 0.5, sure, 0.5])
    found = task.predictions(outputs[::-1], examples, None)
    assert [metric.compute(examples.labels, found["outputs"]) for metric in task.metrics] == [1, 1]
    assert found["right"].tolist() == found["tags"].tolist() == [[1, 0, 0, 1, 0], [0, -1, -1, -1, -1]]
    assert found["chances"][1].tolist() == [0.5, 0, 0, 0, 0]
    loss = mean_loss("tagging", "entity_f1", examples.labels, found["outputs"])
    assert loss == pytest.approx((4 * np.log(2) - 2 * np.log(sure)) / 6)
    constant = task.predictions(task.constant_baseline(2), examples, None)
    assert task.metrics[0].compute(examples.labels, constant["outputs"]) == task.chance == 0
    assert task.metrics[1].compute(examples.labels, constant["outputs"]) == pytest.approx(4 / 6)
    assert constant["tags"].tolist() == [[0] * 5, [0, -1, -1, -1, -1]]
    expected = np.log(np.e + 1) - 4 / 6
    found_loss = mean_loss("tagging", "entity_f1", examples.labels, constant["outputs"])
    assert found_loss == pytest.approx(expected)


def test_words_beyond_the_cap_are_missed(minilm: Backbone) -> None:
    long = (["word"] * 600, ["O"] * 599 + ["B-PER"])
    short = (["Ada"], ["B-PER"])
    task = small([long, short])
    examples = encoded(task, minilm)
    assert examples.truncated == 0.5
    batch = examples.batch(np.array([0]))
    assert batch["input_ids"].shape[1] == examples.cap
    assert batch["input_ids"][0, -1] == load_tokenizer(minilm).sep_token_id
    assert batch["words"][0, -1] == CUT
    assert examples.weights[0] == examples.cap - 2
    guess = np.full((2, 600, 3), [-1.0, 0.0, 0.0])
    guess[0, : examples.cap - 2] = [0, 1, 0]
    guess[1, 0] = [1, 1, 0]
    found = task.predictions(guess, examples, None)["outputs"]
    assert task.metrics[0].compute(examples.labels, found) == pytest.approx(2 / 3)  # one of two found
    loss = mean_loss("tagging", "entity_f1", examples.labels, found)
    assert loss == pytest.approx((602 - examples.cap) * np.log(2) / 601)


def test_parts_of_a_split_and_its_files_are_equal(minilm: Backbone, tmp_path) -> None:
    examples = encoded(small(), minilm)
    part = examples.take(np.array([1]))
    assert part.batch(np.array([0]))["labels"].tolist() == [[IGNORED, 0, IGNORED]]
    save_examples({"test": examples}, tmp_path)
    again = load_examples(tmp_path)["test"]
    for key, value in examples.batch(np.array([1, 0])).items():
        assert torch.equal(value, again.batch(np.array([1, 0]))[key])


def test_a_special_string_as_a_word_is_refused(minilm: Backbone) -> None:
    with pytest.raises(DataError, match=r"example 0 contains \[SEP\], which this"):
        encoded(small([(["a", "[SEP]"], ["O", "O"])]), minilm)
