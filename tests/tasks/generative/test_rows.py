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
from whichpeft.tasks.tables.table import ColumnUse

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


@pytest.mark.parametrize("words", [("True", "False"), ("true", "false"), ("TRUE", "FALSE")])
def test_a_verbaliser_names_truth_values_in_any_case(write: Write, words: tuple[str, str]) -> None:
    rows = [{"text": f"text {i}", "label": i % 2 == 0} for i in range(20)]
    task = load_task(
        TaskSource(
            name=str(write(rows)),
            prompt="{text} It was",
            verbaliser={words[0]: "good", words[1]: "bad"},
        )
    )
    answers = {one.prompt: one.completion for one in every(task)}
    assert answers["text 4 It was"].strip() == "good"
    assert answers["text 5 It was"].strip() == "bad"


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


def asked(task: object) -> Prompted:
    return every(task)[0]


def test_the_context_of_an_instruction_is_in_its_prompt(write: Write) -> None:
    rows = [
        {"instruction": f"{i}?", "context": f"It is {i}.", "response": f"Yes, {i}.", "category": "qa"}
        for i in range(20)
    ]
    task = load_task(TaskSource(name=str(write(rows))))
    assert isinstance(task, GenerativeTask)
    first = asked(task)
    assert first.prompt == "0?\nIt is 0.\n\n### Answer:\n"
    assert first.completion == "Yes, 0."
    assert getattr(task, "columns", None) == ColumnUse(
        text=("instruction", "context"), label="response", unused=("category",)
    )


@pytest.mark.parametrize("name", ["context", "passage"])
def test_the_context_of_a_question_is_in_its_prompt(write: Write, name: str) -> None:
    rows = [{name: f"It is {i}.", "question": f"{i}?", "answer": f"yes {i}"} for i in range(20)]
    task = load_task(TaskSource(name=str(write(rows)), problem="generation"))
    assert asked(task).prompt == "It is 0.\n0?"
    assert getattr(task, "columns", None) == ColumnUse(
        text=(name, "question"), label="answer", unused=()
    )


def test_answers_that_only_a_language_model_can_write(write: Write) -> None:
    worked = [{"question": f"{i} and 2?", "answer": f"Add. #### {i % 5}"} for i in range(20)]
    assert isinstance(load_task(TaskSource(name=str(write(worked)))), GenerativeTask)
    long = [{"question": f"who is {i}?", "answer": f"this is number {i} here"} for i in range(40)]
    assert isinstance(load_task(TaskSource(name=str(write(long)))), GenerativeTask)
    short = [{"question": f"where is {i}?", "answer": f"place{i}"} for i in range(40)]
    assert isinstance(load_task(TaskSource(name=str(write(short)))), GenerativeTask)
    labels = [{"question": f"is {i} even?", "answer": "yes" if i % 2 else "no"} for i in range(40)]
    assert isinstance(load_task(TaskSource(name=str(write(labels)))), TextTask)


@pytest.mark.parametrize(
    "names", [("document", "summary"), ("article", "highlights"), ("dialogue", "summary")]
)
def test_summaries_are_completions(write: Write, names: tuple[str, str]) -> None:
    rows = [{names[0]: f"a story of {i}", names[1]: f"it is {i}"} for i in range(40)]
    for problem in (None, "generation"):
        task = load_task(TaskSource(name=str(write(rows)), problem=problem))
        assert asked(task) == Prompted(prompt="a story of 0", completion="it is 0")


def test_columns_that_nothing_reads_are_listed(write: Write) -> None:
    rows = [
        {
            "instruction": f"Say {i}",
            "input": None,
            "output": str(i),
            "text": f"### Say {i}\n{i}",
            "id": i,
        }
        for i in range(20)
    ]
    task = load_task(TaskSource(name=str(write(rows))))
    assert getattr(task, "columns", None) == ColumnUse(
        text=("instruction", "input"), label="output", unused=("text", "id")
    )
    texts = load_task(TaskSource(name=str(write(rows)), text_columns=("text",), problem="generation"))
    assert getattr(texts, "columns", None) == ColumnUse(
        text=("text",), label=None, unused=("instruction", "input", "output", "id")
    )
    filled = load_task(TaskSource(name=str(write(rows)), prompt="{id}: {text}", label_column="output"))
    assert getattr(filled, "columns", None) == ColumnUse(
        text=("id", "text"), label="output", unused=("instruction", "input")
    )


def test_a_named_label_is_the_completion(write: Write) -> None:
    rows = [{"text": f"film {i}", "label": "good", "question": f"{i}?", "note": "x"} for i in range(20)]
    source = TaskSource(name=str(write(rows)), label_column="note", problem="generation")
    assert asked(load_task(source)) == Prompted(prompt="0?", completion="x")
    plain = [{"text": f"film {i}", "label": i % 2} for i in range(20)]
    words = {"0": "bad", "1": "good"}
    source = TaskSource(name=str(write(plain)), verbaliser=words, problem="generation")
    assert asked(load_task(source)).completion == "bad"
    assert asked(load_task(source)).prompt == "film 0"


def test_rows_without_a_prompt_or_a_completion_are_counted(write: Write) -> None:
    rows: list[dict[str, Any]] = [{"prompt": f"say {i}", "completion": str(i)} for i in range(20)]
    rows += [{"prompt": "say 1", "completion": value} for value in (None, " ", "")]
    rows += [{"prompt": value, "completion": "one"} for value in (None, " ")]
    task = load_task(TaskSource(name=str(write(rows))))
    assert sum(task.counts.values()) == 20
    assert task.notes[0].endswith("data.jsonl: 3 rows without a completion were skipped")
    assert task.notes[1].endswith("data.jsonl: 2 rows without a prompt were skipped")
    never = [{"prompt": "", "completion": f"story {i}"} for i in range(20)]
    assert sum(load_task(TaskSource(name=str(write(never)))).counts.values()) == 20


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"instruction": "a", "input": ["b"], "output": "c"}, "input"),
        ({"instruction": "a", "input": "b", "output": ["c"]}, "output"),
        ({"instruction": "a", "input": "b", "output": {"answer": "c"}}, "output"),
        ({"question": "a", "answer": {"value": "c", "aliases": ["d"]}}, "answer"),
        ({"prompt": {"text": "a"}, "completion": "c"}, "prompt"),
        ({"text": ["a", "b"]}, "text"),
    ],
)
def test_lists_and_objects_are_refused_by_column(
    write: Write, row: Mapping[str, Any], column: str
) -> None:
    with pytest.raises(DataError, match=rf"column '{column}' holds (lists|objects) \(row 1: "):
        load_task(TaskSource(name=str(write([row] * 20)), problem="generation"))


def test_a_template_takes_texts_only(write: Write) -> None:
    rows = [{"words": ["a", "b"], "my-text": f"film {i}", "label": "good"} for i in range(20)]
    path = str(write(rows))
    with pytest.raises(DataError, match="column 'words' holds lists"):
        load_task(TaskSource(name=path, prompt="Say {words}"))
    task = load_task(TaskSource(name=path, prompt='{"text": "{my-text}", "x": {1}}'))
    assert asked(task).prompt == '{"text": "film 0", "x": film 0}'


def test_conversations_written_as_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    talk = """"[{'role': 'user', 'content': 'Say it'}]\""""
    path.write_text("prompt,completion\n" + "\n".join(f"{talk},it {i}" for i in range(20)))
    with pytest.raises(DataError, match="column 'prompt', row 1: holds a conversation written as text"):
        load_task(TaskSource(name=str(path)))


def test_splits_are_read_from_the_same_columns(tmp_path: Path) -> None:
    rows = {
        "train": [{"instruction": f"say {i}", "output": str(i)} for i in range(20)],
        "test": [{"question": f"say {i}", "answer": str(i)} for i in range(20)],
    }
    for split, found in rows.items():
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, found)))
    with pytest.raises(DataError, match="would be read from answer, question, but"):
        load_task(TaskSource(name=str(tmp_path)))
    (tmp_path / "test.jsonl").write_text(
        "\n".join(json.dumps({"instruction": f"ask {i}", "output": ""}) for i in range(20))
    )
    task = load_task(TaskSource(name=str(tmp_path)))
    assert any("test.jsonl is not used, because it has no completions" in note for note in task.notes)
