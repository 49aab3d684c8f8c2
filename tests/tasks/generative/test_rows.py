"""Reading tables: instruction data, prompts, templates, verbalisers, plain text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from whichpeft.errors import DataError, StudyError
from whichpeft.study import TaskSource
from whichpeft.tasks import GenerativeTask, Prompted, TextTask, load_task

Write = Callable[[Sequence[Mapping[str, Any]]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(rows: Sequence[Mapping[str, Any]]) -> Path:
        path = tmp_path / "data.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return path

    return write


def every(task: object) -> list[Prompted]:
    assert isinstance(task, GenerativeTask)
    return sorted(
        (example for split in task.splits.values() for example in split), key=lambda e: e.prompt
    )


def test_instruction_data_are_found_by_their_columns(write: Write) -> None:
    rows = [
        {
            "instruction": f"Which is it, {i}?\n\nAnswer format: left/right",
            "input": "",
            "output": "the correct answer is right",
            "answer": "right",
        }
        for i in range(20)
    ]
    task = load_task(TaskSource(name=str(write(rows))))
    first = every(task)[0]
    assert first.answer == "right"
    assert first.choices == ("left", "right")
    assert first.completions == ("the correct answer is left", "the correct answer is right")
    assert task.metrics[0].name == "acc"


def test_choices_by_letter_and_the_input_of_an_instruction(write: Write) -> None:
    rows = [
        {
            "instruction": f"What is {i} plus 1? Answer Choices: (A) {i} (B) {i + 1} (C) 0",
            "input": "Think first.",
            "output": "It grows by one. The answer is (B).",
            "answer": "B",
        }
        for i in range(20)
    ]
    first = every(load_task(TaskSource(name=str(write(rows)))))[0]
    assert "Think first." in first.prompt
    assert first.choices == ("A", "B", "C")
    # The output does not end with the letter, so only the letters are compared.
    assert first.completions == ("A", "B", "C")


def test_worked_answers_keep_their_number(write: Write) -> None:
    rows = [{"question": f"{i} and 2?", "answer": f"{i}+2={i + 2}\n#### {i + 2}"} for i in range(20)]
    task = load_task(TaskSource(name=str(write(rows)), problem="generation"))
    assert {e.answer for e in every(task)} == {str(i + 2) for i in range(20)}
    assert task.metrics[0].name == "exact_match"


def test_a_template_and_a_verbaliser_turn_classes_into_text(write: Write) -> None:
    rows = [{"text": f"film {i}", "label": i % 2} for i in range(20)]
    source = TaskSource(
        name=str(write(rows)),
        prompt="Review: {text}\nIt was",
        verbaliser={"0": "bad", "1": "good"},
    )
    task = load_task(source)
    first = every(task)[0]
    assert first.prompt == "Review: film 0\nIt was"
    assert first.joined(first.completion) == " bad"
    assert first.choices == ("bad", "good")
    assert task.metrics[0].name == "acc"
    assert isinstance(load_task(TaskSource(name=source.name)), TextTask)


def test_plain_texts_are_scored_by_their_likelihood(write: Write, tmp_path: Path) -> None:
    held = tmp_path / "held.txt"
    held.write_text("One day.\nIt rained.\n\n\nThe end.\n")
    source = TaskSource(
        name=str(write([{"text": f"Story {i} begins."} for i in range(20)])),
        problem="generation",
        held_out=str(held),
    )
    task = load_task(source)
    assert isinstance(task, GenerativeTask)
    assert every(task)[0].prompt == ""
    assert task.metrics[0].name == "log_likelihood"
    assert task.chance is None
    assert task.held_out == ("One day.\nIt rained.", "The end.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": "Say {txt}"}, "no column 'txt'; did you mean 'text'?"),
        ({"prompt": "Say it"}, "contains no column name"),
        ({"prompt": "{text}", "verbaliser": {"0": "bad"}}, "no word for the label '1'"),
        ({"prompt": "{text}", "metric": "acc"}, "add the choices, or use exact_match"),
        ({"prompt": "{text}", "metric": "exact_mach"}, "did you mean 'exact_match'?"),
        ({"prompt": "{text}", "held_out": "nowhere.txt"}, "held_out: nowhere.txt: cannot be read"),
    ],
)
def test_unreadable_sources_are_refused(write: Write, changes: Mapping[str, Any], message: str) -> None:
    path = write([{"text": f"film {i}", "label": i % 2} for i in range(20)])
    with pytest.raises(DataError) as raised:
        load_task(TaskSource(name=str(path), **changes))
    assert message in str(raised.value)


def test_a_prompt_is_for_language_models_only() -> None:
    with pytest.raises(StudyError, match="leave out one of the two"):
        TaskSource(name="x", prompt="{text}", problem="classification")
