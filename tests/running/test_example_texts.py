"""Excerpts of test examples: what is kept of texts, pairs, images and prompts."""

from __future__ import annotations

import json
from pathlib import Path

from whichpeft.records import ExampleTexts, Store
from whichpeft.running.reading import add_example_texts, texts_of
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task, text_task
from whichpeft.tasks.images.digits import digits


def kept(task: object) -> ExampleTexts:
    found = texts_of(task)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_long_texts_are_cut_and_control_characters_become_spaces():
    rows = [(f"{n} " + "word\n\tword " * 100, n % 2) for n in range(20)]
    texts = kept(text_task("notes", train=rows[:10], test=rows[10:]))
    assert texts.places == tuple(range(10))
    assert texts.answers == ()
    for n, (text,) in enumerate(texts.inputs, 10):
        assert text.startswith(f"{n} word word word")
        assert len(text) == 200
        assert text.endswith("…")


def test_a_pair_keeps_half_as_much_of_each_text():
    rows = [((f"{n}" * 150, "short"), n % 2) for n in range(20)]
    texts = kept(text_task("pairs", train=rows[:10], test=rows[10:]))
    first, second = texts.inputs[0]
    assert (len(first), second) == (100, "short")


def test_of_a_large_test_set_examples_are_spread_over_all_of_it():
    rows = [(f"text {n}", n % 2) for n in range(5000)]
    texts = kept(text_task("many", train=rows[:10], test=rows))
    assert len(texts.places) == 2000
    assert (texts.places[0], texts.places[-1]) == (0, 4999)
    assert texts.inputs[1000] == (f"text {texts.places[1000]}",)


def test_images_keep_the_names_of_their_files(shapes: Path):
    texts = kept(load_task(TaskSource(name=str(shapes))))
    assert texts.inputs[0] == ("lying/0.png",)
    assert texts.inputs[-1][0].startswith("standing/")
    assert texts_of(digits()) is None  # pixels have no names


def test_prompts_keep_their_answers_and_shared_choices(tmp_path):
    rows = [
        {"instruction": f"is {n} even?", "output": ("yes", "no")[n % 2], "answer": ("yes", "no")[n % 2]}
        for n in range(40)
    ]
    path = tmp_path / "even.json"
    path.write_text(json.dumps(rows))
    task = load_task(TaskSource(name=str(path), problem="generation"))
    texts = kept(task)
    assert texts.answers[0] in ("yes", "no")
    assert "even?" in texts.inputs[0][0]


def test_a_newer_run_replaces_the_excerpts_of_its_task_alone(tmp_path):
    store = Store(tmp_path)
    rows = [(f"text {n}", n % 2) for n in range(20)]
    first = text_task("a", train=rows, test=rows[:4])
    other = text_task("b", train=rows, test=rows[:4])
    again = text_task("a", train=rows, test=rows[4:8])
    add_example_texts(store, (first, other))
    add_example_texts(store, (again,))
    assert {one.task: one.inputs[0] for one in store.example_texts()} == {
        "a": ("text 4",),
        "b": ("text 0",),
    }
