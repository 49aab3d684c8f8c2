"""Examples of test and validation that are also in train, and training examples that disagree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from whichpeft.running.reading import read_of_task
from whichpeft.study import TaskSource
from whichpeft.tasks import image_task, load_task, text_task
from whichpeft.tasks.generative import Prompted, generative_task


def texts(name, count):
    return [(f"{name} text number {i}", "ab"[i % 2]) for i in range(count)]


def test_leaks_are_counted_and_said(tmp_path):
    train, validation, test = texts("train", 60), texts("validation", 20), texts("test", 40)
    test[:5] = train[:5]
    test[5] = ("  TRAIN text\u00a0number 5 ", "b")
    validation[:2] = [(train[1][0], "a"), test[30]]
    for name, rows in {"train": train, "validation": validation, "test": test}.items():
        pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / f"{name}.csv", index=False)
    found = load_task(TaskSource(name=str(tmp_path)))
    assert read_of_task(found).leaked == {"validation": 1, "test": 6}
    said = [note for note in found.notes if "are also in" in note]
    assert len(said) == 3
    assert said[0].startswith("1 of 20 validation examples (5.00 %)")
    assert said[1].startswith("6 of 40 test examples (15.0 %) are also in the training set")
    # The second text of train is in all three sets.
    assert said[2].startswith("2 of 40 test examples (5.00 %) are also in the validation set")


def test_a_single_file_with_duplicates_does_not_leak():
    found = text_task("twice", train=texts("same", 60) * 2)
    assert found.leaked == {"validation": 0, "test": 0}
    assert not [note for note in found.notes if "also in" in note]


def test_a_few_leaks_in_a_large_set_are_counted_without_a_note():
    train, test = texts("train", 60), texts("test", 300)
    test[0] = train[0]
    found = text_task("large", train=train, validation=texts("validation", 20), test=test)
    assert found.leaked["test"] == 1
    assert found.notes == ()


def test_a_pair_is_leaked_only_as_a_whole():
    train = [((f"first {i}", f"second {i}"), "ab"[i % 2]) for i in range(40)]
    test = [((f"first {i}", f"other {i}"), "ab"[i % 2]) for i in range(19)] + train[:1]
    validation = [((f"one {i}", f"two {i}"), "ab"[i % 2]) for i in range(10)]
    found = text_task("pairs", train=train, validation=validation, test=test)
    assert found.leaked == {"validation": 0, "test": 1}


def test_contradictions_in_train_are_said():
    train = [*texts("train", 60), ("train text number 0", "b"), ("train text number 2", "b")]
    found = text_task("torn", train=train, validation=texts("v", 20), test=texts("t", 20))
    assert found.notes == ("2 texts in the training set occur with different labels (4 examples)",)
    values = [(text, i / 7) for i, (text, _) in enumerate([*train, *train])]
    other = [(f"v {i}", i / 7) for i in range(30)]
    assert text_task("v", train=values, validation=other, test=other[:20]).problem == "regression"


def test_leaked_images_and_prompts_are_counted():
    rng = np.random.default_rng(0)
    images = [(rng.integers(0, 255, (8, 8), dtype=np.uint8), "ab"[i % 2]) for i in range(60)]
    found = image_task(
        "pictures", train=images[:40], validation=images[40:50], test=[*images[50:], images[0]]
    )
    assert found.leaked == {"validation": 0, "test": 1}
    assert any("1 of 11 test examples (9.09 %) are also in the training set" in n for n in found.notes)
    prompts = [Prompted(prompt=f"how much is {i} and 1?", completion=str(i + 1)) for i in range(60)]
    asked = generative_task(
        "sums", train=prompts[:40], validation=prompts[40:50], test=[*prompts[50:], *prompts[:3]]
    )
    assert asked.leaked == {"validation": 0, "test": 3}
    assert any("3 of 13 test examples (23.1 %)" in note for note in asked.notes)


@pytest.mark.parametrize("name", ["stdlib-docs", "stdlib-kinds", "digits", "sums"])
def test_bundled_tasks_have_no_leaks_and_no_notes(name):
    found = load_task(TaskSource(name=name))
    assert found.leaked == {"validation": 0, "test": 0}
    assert found.notes == ()
