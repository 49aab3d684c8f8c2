"""Conversations: read in every usual shape, and rendered by the tokenizer's chat template."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import GenerativeTask, Prompted, generative_task, load_task
from whichpeft.tasks.text_encoding import load_tokenizer

CHATML = (
    "{% for turn in messages %}<|{{ turn.role }}|>\n{{ turn.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
SPACED = (
    "{% for turn in messages %}"
    "{% if turn.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{% if turn.role == 'user' %}[INST] {{ turn.content }} [/INST]{% else %} {{ turn.content }}</s>"
    "{% endif %}{% endfor %}"
)
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "What is 1 and 2?"},
    {"role": "assistant", "content": "3"},
]
BEFORE = (("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi."))


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    path = folder / "data.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def load(folder: Path, rows: Sequence[Mapping[str, Any]], **fields: Any) -> GenerativeTask:
    task = load_task(TaskSource(name=write(folder, rows), **fields))
    assert isinstance(task, GenerativeTask)
    return task


def every(task: GenerativeTask) -> list[Prompted]:
    return sorted(
        (example for split in task.splits.values() for example in split), key=lambda e: e.prompt
    )


def sharegpt(turns: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    return [{"from": names[turn["role"]], "value": turn["content"]} for turn in turns]


def numbered(i: int) -> list[dict[str, Any]]:
    return [
        *TALK[:3],
        {"role": "user", "content": f"What is {i} and 2?"},
        TALK[4] | {"content": str(i + 2)},
    ]


@pytest.mark.parametrize("column", ["messages", "conversations", "conversation", "dialogue"])
@pytest.mark.parametrize("shape", ["role", "from", "parts", "columns"])
def test_all_turns_before_the_last_answer_are_its_prompt(
    tmp_path: Path, column: str, shape: str
) -> None:
    rows: list[dict[str, Any]] = []
    for i in range(20):
        turns: Any = numbered(i)
        if shape == "from":
            turns = sharegpt(turns)
        elif shape == "parts":
            turns = [t | {"content": [{"type": "text", "text": t["content"]}]} for t in turns]
        elif shape == "columns":
            turns = {key: [turn[key] for turn in turns] for key in ("role", "content")}
        rows.append({"id": i, column: turns})
    task = load(tmp_path, rows)
    assert len(every(task)) == 20
    for example in every(task):
        i = int(example.prompt.split()[2])
        assert example == Prompted(prompt=f"What is {i} and 2?", completion=str(i + 2), before=BEFORE)
    assert task.columns is not None
    assert task.columns.text == (column,)
    assert task.columns.unused == ("id",)
    assert (
        "20 conversations with several answers, of which only the last one is trained on"
        in task.notes[0]
    )
    assert "20 prompts after other turns; a backbone without a chat template" in task.notes[1]


@pytest.mark.parametrize("as_text", [(), ("prompt",), ("completion",), ("prompt", "completion")])
def test_prompts_and_completions_may_be_conversations(tmp_path: Path, as_text: Sequence[str]) -> None:
    rows = []
    for i in range(20):
        *asked, answer = numbered(i)
        row: dict[str, Any] = {"prompt": asked, "completion": [answer]}
        rows.append(row | {key: row[key][-1]["content"] for key in as_text})
    task = load(tmp_path, rows)
    first = every(task)[0]
    assert (first.prompt, first.completion) == ("What is 0 and 2?", "2")
    assert first.before == (() if "prompt" in as_text else BEFORE)
    assert task.columns is not None
    assert (task.columns.text, task.columns.label) == (("prompt",), "completion")


def test_a_single_turn_is_a_plain_prompt(tmp_path: Path) -> None:
    """The same examples in the shapes of conversations and of columns are the same task."""
    talks = [{"messages": numbered(i)[-2:]} for i in range(20)]
    plain = [{"prompt": row["messages"][0]["content"], "completion": row["messages"][1]["content"]}
             for row in talks]  # fmt: skip
    assert load(tmp_path, talks).fingerprint == load(tmp_path, plain).fingerprint


def test_conversations_without_an_answer_are_skipped_and_counted(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"messages": numbered(i)} for i in range(20)]
    calls = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}
    bad = [[], None, TALK[:2], TALK[2:3], [TALK[0], TALK[2]], [*TALK, TALK[1]],
           [TALK[1], calls, TALK[2]],
           [TALK[1], {"role": "tool", "content": "3"}, TALK[2]],
           [TALK[1], {"role": "assistant", "content": " "}]]  # fmt: skip
    task = load(tmp_path, [*rows, *({"messages": value} for value in bad)])
    assert sum(task.counts.values()) == 20
    assert task.notes[0].endswith(
        "9 conversations skipped (2 empty, 5 without a question and its answer at the end, "
        "2 with calls of tools)"
    )
    with pytest.raises(DataError, match="column 'messages': no conversation can be used"):
        load(tmp_path, [{"messages": value} for value in bad[2:]])


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (
            {
                "role": "user",
                "content": [{"type": "text", "text": "See"}, {"type": "image", "url": "x"}],
            },
            "column 'messages', row 2: a turn holds image",
        ),
        ({"role": "user", "content": {"a": 1}}, "column 'messages', row 2: a turn holds objects"),
        ({"role": "narrator", "content": "x"}, "row 2: unknown role 'narrator'"),
    ],
)
def test_turns_that_cannot_be_read_are_refused(
    tmp_path: Path, turn: dict[str, Any], message: str
) -> None:
    rows = [{"messages": numbered(1)}, {"messages": [turn, TALK[4]]}]
    with pytest.raises(DataError) as caught:
        load(tmp_path, rows)
    assert message in str(caught.value)


def test_the_first_conversation_may_be_empty_or_call_tools(tmp_path: Path) -> None:
    calls = [TALK[1], {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]
    for first in ([], calls, None):
        rows: list[dict[str, Any]] = [
            {"messages": first},
            *({"messages": numbered(i)} for i in range(20)),
        ]
        task = load(tmp_path, rows)
        assert sum(task.counts.values()) == 20
        assert "1 conversation skipped" in task.notes[0]


def test_conversations_on_images_are_refused(tmp_path: Path) -> None:
    rows = [{"image": f"{i}.jpg", "conversations": sharegpt(numbered(i))} for i in range(20)]
    with pytest.raises(DataError, match="column 'image' holds images, which are not read next to text"):
        load(tmp_path, rows)
    assert load(tmp_path, rows, text_columns=("conversations",)).counts["train"] == 16
    assert load(tmp_path, [row | {"image": None} for row in rows]).counts["train"] == 16


def test_other_fields_of_turns_are_named(tmp_path: Path) -> None:
    rows = [{"messages": [*numbered(i)[:-1], numbered(i)[-1] | {"thinking": "1 + 2", "weight": None}]}
            for i in range(20)]  # fmt: skip
    assert any("'thinking' of the turns is not read" in note for note in load(tmp_path, rows).notes)


def test_two_conversations_in_a_row_are_a_question(tmp_path: Path) -> None:
    rows = [{"messages": numbered(i), "other": numbered(i + 1)} for i in range(20)]
    with pytest.raises(DataError, match="columns messages and other hold conversations; choose one"):
        load(tmp_path, rows)
    task = load(tmp_path, rows, text_columns=("other",))
    assert every(task)[0].prompt == "What is 1 and 2?"


def test_chosen_conversations_can_be_trained_on(tmp_path: Path) -> None:
    rows = [{"chosen": numbered(i), "rejected": numbered(i + 1)} for i in range(20)]
    task = load(tmp_path, rows, text_columns=("chosen",), problem="generation")
    assert every(task)[0].completion == "2"


def test_system_and_history_of_instructions_come_before_them(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "instruction": f"What is {i} and 2?",
            "input": "",
            "output": str(i + 2),
            "system": "Be brief.",
            "history": [["Hello", "Hi."]],
        }
        for i in range(20)
    ]
    task = load(tmp_path, rows)
    assert {example.before for example in every(task)} == {BEFORE}
    assert task.columns is not None
    assert task.columns.text == ("system", "history", "instruction", "input")
    for row in rows[:5]:
        row |= {"system": None, "history": []}
    without = every(load(tmp_path, rows))
    assert sum(not example.before for example in without) == 5
    rows[7] |= {"history": ["Hello"]}
    with pytest.raises(DataError, match="column 'history', row 8: Hello is not a question"):
        load(tmp_path, rows)
    talks = [{"system": "Be kind.", "conversations": sharegpt(numbered(i)[1:])} for i in range(20)]
    assert {e.before[0] for e in every(load(tmp_path, talks))} == {("system", "Be kind.")}


def test_conversations_reach_the_fingerprint(tmp_path: Path) -> None:
    one = load(tmp_path, [{"messages": numbered(i)} for i in range(20)])
    other = load(tmp_path, [{"messages": numbered(i)[1:]} for i in range(20)])
    assert one.fingerprint != other.fingerprint


def with_template(backbone: Backbone, template: str, folder: Path) -> Backbone:
    shutil.copytree(backbone.files, folder)
    tokenizer = load_tokenizer(backbone)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return resolve_backbone(str(folder))


def encoded(task: GenerativeTask, backbone: Backbone) -> list[tuple[str, str]]:
    tokenizer = load_tokenizer(backbone)
    own: Any = task.encode(backbone, max_train=None)["train"]
    pairs = []
    for i in range(len(own)):
        ids = own.ids[own.offsets[i] : own.offsets[i + 1]]
        pairs.append(tuple(tokenizer.decode(part) for part in np.split(ids, [own.prompts[i]])))
    return pairs


def made(talks: Sequence[Sequence[Mapping[str, str]]]) -> GenerativeTask:
    examples = [
        Prompted(
            prompt=talk[-2]["content"],
            completion=talk[-1]["content"],
            before=tuple((turn["role"], turn["content"]) for turn in talk[:-2]),
        )
        for talk in talks
    ]
    return generative_task("talks", train=examples, validation=examples[:2], test=examples[2:4])


@pytest.mark.parametrize("template", [CHATML, SPACED])
def test_the_template_renders_whole_conversations(
    template: str, tiny_writer: Backbone, tmp_path: Path
) -> None:
    backbone = with_template(tiny_writer, template, tmp_path / "chatting")
    tokenizer = load_tokenizer(backbone)
    talks = [numbered(i)[1 if template == SPACED else 0 :] for i in range(6)]
    task = made(talks)
    for (prompt, completion), example in zip(encoded(task, backbone), task.splits["train"], strict=True):
        talk = next(talk for talk in talks if talk[-2]["content"] == example.prompt)
        whole = tokenizer.apply_chat_template(talk, tokenize=False)
        asked = tokenizer.apply_chat_template(talk[:-1], tokenize=False, add_generation_prompt=True)
        assert prompt == tokenizer.decode(tokenizer(asked, add_special_tokens=False)["input_ids"])
        ids = tokenizer(whole.rstrip("\n"), add_special_tokens=False)["input_ids"]
        assert prompt + completion == tokenizer.decode(ids)


def test_a_template_that_refuses_a_conversation_is_named(tiny_writer: Backbone, tmp_path: Path) -> None:
    backbone = with_template(tiny_writer, SPACED, tmp_path / "chatting")
    with pytest.raises(
        DataError, match=r"chat template refuses a conversation of system, user, .*no system"
    ):
        made([numbered(i) for i in range(6)]).encode(backbone, max_train=None)


def test_without_a_template_turns_are_lines(tiny_writer: Backbone) -> None:
    for prompt, completion in encoded(made([numbered(i) for i in range(6)]), tiny_writer):
        assert "System: Be brief.\nUser: Hello\nAssistant: Hi.\nUser: What is " in prompt
        assert prompt.endswith(" and 2?\nAssistant:")
        assert completion.startswith(" ")
