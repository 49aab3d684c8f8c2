"""The mixtures of commonsense and arithmetic, from files and from the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource, load_study
from whichpeft.study.load import dump_study
from whichpeft.tasks import GenerativeTask, list_tasks, load_task, load_task_for_planning

from ...hub_stub import hub, parquet

Shared = Callable[[str], Path]


def load(name: str, **keys: Any) -> GenerativeTask:
    task = load_task(
        TaskSource(name=name, **{key: v if key == "sets" else str(v) for key, v in keys.items()})
    )
    assert isinstance(task, GenerativeTask)
    return task


def question(i: int, choices: int = 4) -> dict[str, str]:
    listed = "/".join(f"answer{c}" for c in range(1, choices + 1))
    return {
        "instruction": f"Choose. Question {i} of {choices}?\n\nAnswer format: {listed}",
        "input": "",
        "output": f"the correct answer is answer{1 + i % 2}",
        "answer": f"answer{1 + i % 2}",
    }


def write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """ARC-Easy with training data, and PIQA without."""
    write(tmp_path / "ARC-Easy" / "train.json", [question(i) for i in range(40)])
    write(tmp_path / "ARC-Easy" / "test.json", [question(i) for i in range(100, 110)])
    write(tmp_path / "piqa" / "test.json", [question(i, 2) for i in range(200, 206)])
    return tmp_path


def test_real_sets_share_training_data_but_not_tests(shared: Shared) -> None:
    task = load("commonsense", folder=shared("llm_adapters"), sets=("arc-easy", "boolq"))
    assert task.groups == ("arc-easy", "boolq")
    assert task.counts == {"train": 10_508, "validation": 1_168, "test": 5_646}
    assert task.metrics[0].name == "exact_match"
    assert "skipped 2 training examples that are also in a test set" in task.notes
    # The mean of two chance levels: a quarter, and the share of the more frequent truth value.
    easy, hard = (
        load(f"commonsense/{name}", folder=shared("llm_adapters")) for name in ("arc-easy", "boolq")
    )
    assert easy.groups == ("",)
    assert (easy.counts["test"], hard.counts["test"]) == (2_376, 3_270)
    assert hard.chance is not None
    assert 0.5 < hard.chance < 0.7
    by_likelihood = load("commonsense/arc-easy", folder=shared("llm_adapters"), metric="acc")
    assert by_likelihood.evaluation == "choices"


def test_gsm8k_trains_for_all_arithmetic(shared: Shared) -> None:
    task = load("arithmetic", folder=shared("llm_adapters"), train=shared("gsm8k") / "train.jsonl")
    assert task.counts["test"] == 254 + 1_319 + 238 + 1_000 + 395 + 600 + 508
    prompts = {e.prompt.rpartition("\n\n")[2] for split in task.splits.values() for e in split}
    assert len(prompts) == 1  # training and tests use the same prompt
    assert all(e.completion.endswith(f"#### {e.answer}") for e in task.splits["train"])
    # An explanation before the letter would give it away.
    choices = [e for e in task.splits["test"] if e.group == "aqua"]
    assert {e.completions[0] for e in choices} == {"The answer is A"}


def test_the_mixtures_file_precedes_those_of_its_sets(layout: Path) -> None:
    sets = ("arc-easy", "piqa")
    alone = load("commonsense", folder=layout, sets=sets)
    assert alone.counts["train"] + alone.counts["validation"] == 40
    assert "no training data for piqa: trained on arc-easy" in alone.notes
    mixed = [question(i, 2 + 2 * (i % 2)) for i in range(300, 360)]
    write(layout / "ft-training_set" / "commonsense_15k.json", mixed[:50])
    small = load("commonsense", folder=layout, sets=sets)
    assert small.counts["train"] + small.counts["validation"] == 50
    assert "trained on commonsense_15k.json, which covers all sets" in small.notes
    # The file does not name the set of an example; its choices identify it.
    assert small.chance == pytest.approx(0.5)
    write(layout / "commonsense_170k.json", mixed)
    large = load("commonsense", folder=layout, sets=sets)
    assert large.counts["train"] + large.counts["validation"] == 60
    # A set with its own training data uses them.
    own = load("commonsense/arc-easy", folder=layout)
    assert own.counts["train"] + own.counts["validation"] == 40


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("commonsense", {"sets": ("arc-eazy",)}, "did you mean 'arc-easy'?"),
        ("commonsense", {}, "leave out the set with sets: [piqa, arc-easy]"),
        ("commonsense/piqa", {}, "give a file with --train"),
        ("commonsense/arc-easy", {"sets": ("piqa",)}, "is a single set"),
        ("commonsense", {"label_column": "x"}, "label_column cannot be given"),
        ("commonsense", {"metric": "acuracy"}, "unknown metric"),
        ("arithmetic/gsm8k", {"metric": "acc"}, "gsm8k has none; use exact_match"),
        ("arithmetic/gsm", {}, "did you mean 'arithmetic/gsm8k'?"),
        ("digits", {}, "folder is only for the mixtures commonsense and arithmetic"),
    ],
)
def test_impossible_requests_are_refused(
    layout: Path, name: str, keys: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(DataError) as refused:
        load(name, folder=layout, **keys)
    assert words in str(refused.value)


def test_missing_data_are_reported_and_can_be_planned_for() -> None:
    with pytest.raises(DataError, match=r"or give --folder, a folder in the LLM-Adapters layout"):
        load("commonsense")
    with pytest.raises(
        DataError, match=r"the hub has no loadable copy of addsub, singleeq; give --folder"
    ):
        load("arithmetic")
    plan = load_task_for_planning(TaskSource(name="commonsense", sets=("arc-easy", "boolq")))
    assert isinstance(plan, GenerativeTask)
    assert plan.counts["train"] == 2_251 + 9_427
    assert "are not available here" in plan.notes[0]
    with pytest.raises(DataError, match=r"folder /nowhere does not exist"):
        load_task_for_planning(TaskSource(name="commonsense", folder="/nowhere"))


def test_lists_show_the_mixtures_and_know_their_sets() -> None:
    known = list_tasks()
    assert known["commonsense"].listed
    assert not known["commonsense/arc-easy"].listed
    assert sum(name.startswith(("commonsense/", "arithmetic/")) for name in known) == 15


def test_a_study_gives_folder_and_sets(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        "backbones: [tiny]\nmethods: [lora]\n"
        "tasks: [{name: commonsense, folder: data, sets: [boolq, piqa]}]\n"
    )
    study = load_study(path)
    assert study.tasks[0].sets == ("boolq", "piqa")
    assert study.tasks[0].folder == str(tmp_path / "data")
    path.write_text(dump_study(study))
    assert load_study(path) == study


LOAD = """
import json, sys
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task
some = ("gsm8k", "aqua", "mawps", "svamp", "multiarith")
for name, sets in (("commonsense", ()), ("arithmetic", some)):
    task = load_task(TaskSource(name=name, sets=sets))
    tests = {e.group: [e.prompt, e.completion, e.answer, e.choices] for e in task.splits["test"]}
    print("ANSWERS" + json.dumps([dict(task.counts), tests]))
"""
LETTERS = ["A", "B", "C", "D"]


def rows_of_the_hub() -> dict[str, dict[str, Callable[[int], dict[str, Any]]]]:
    """Return functions that make row i of each data set, with the columns of the hub."""

    def science(question: str) -> Callable[[int], dict[str, Any]]:
        return lambda i: {
            question: f"{question} {i}?",
            "choices": {"text": [f"it is {i}", "no", "yes", "both"], "label": LETTERS},
            "answerKey": LETTERS[i % 4],
        }

    return {
        "google/boolq": {
            "": lambda i: {"question": f"is {i} even", "answer": i % 2 == 0, "passage": "-"}
        },
        "baber/piqa": {
            "": lambda i: {"goal": f"count to {i}", "sol1": "up", "sol2": "down", "label": i % 2}
        },
        "lighteval/siqa": {
            "": lambda i: {
                "context": f"Ann saw {i} dogs.", "question": "Why?", "answerA": "a", "answerB": "b",
                "answerC": "c", "label": str(1 + i % 3),
            }
        },
        "Rowan/hellaswag": {
            "": lambda i: {
                "activity_label": "Rowing", "ctx": f"{i} rowers", "endings": ["a", "b", "c", "d"],
                "label": str(i % 4),
            }
        },
        "allenai/winogrande": {
            "winogrande_xl": lambda i: {
                "sentence": f"Jo gave Di {i} of _ .", "option1": "cats", "option2": "dogs",
                "answer": str(1 + i % 2),
            }
        },
        "allenai/ai2_arc": {"ARC-Easy": science("question"), "ARC-Challenge": science("question")},
        "allenai/openbookqa": {"main": science("question_stem")},
        "openai/gsm8k": {
            "main": lambda i: {
                "question": f"{i} and 1?", "answer": f"{i}+1=<<{i}+1={i + 1}>>{i + 1}\n#### {i + 1}",
            }
        },
        "deepmind/aqua_rat": {
            "raw": lambda i: {
                "question": f"half of {i}?", "options": [f"{x}){i}" for x in "ABCDE"],
                "rationale": "by two", "correct": "ABCDE"[i % 5],
            }
        },
        "MU-NLPC/Calc-mawps": {"": lambda i: {"question": f"{i} apples?", "result": str(i)}},
        "ChilleD/SVAMP": {"": lambda i: {"question_concat": f"{i} pears?", "Answer": f"{i}.0"}},
        "ChilleD/MultiArith": {"": lambda i: {"question": f"{i} plums?", "final_ans": str(i)}},
    }  # fmt: skip


def repository(folders: Mapping[str, Callable[[int], dict[str, Any]]]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    lines = ["---", "configs:"]
    for folder, row in folders.items():
        lines += [f"- config_name: {folder or 'default'}", "  data_files:"]
        for split, start, count in (("train", 0, 20), ("validation", 100, 3), ("test", 200, 3)):
            name = f"{folder or 'data'}/{split}.parquet"
            rows = [row(i) for i in range(start, start + count)]
            files[name] = parquet({key: [r[key] for r in rows] for key in rows[0]})
            lines += [f"  - split: {split}", f"    path: {name}"]
    files["README.md"] = "\n".join([*lines, "---", ""]).encode()
    return files


def test_sets_come_from_the_hub(tmp_path: Path) -> None:
    repositories = {name: repository(folders) for name, folders in rows_of_the_hub().items()}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    with hub(repositories) as address:
        done = subprocess.run(
            [sys.executable, "-c", LOAD],
            env={
                **inherited, "HF_HOME": str(tmp_path), "HF_UPDATE_DOWNLOAD_COUNTS": "0",
                "HF_ENDPOINT": address,
            },
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    commonsense, arithmetic = (
        json.loads(line.removeprefix("ANSWERS"))
        for line in done.stdout.splitlines()
        if line.startswith("ANSWERS")
    )
    assert commonsense[0]["train"] + commonsense[0]["validation"] == 160
    assert (commonsense[0]["test"], arithmetic[0]["test"]) == (24, 15)
    # The last test row: 102 from a validation set, 202 from a test set.
    found = {**commonsense[1], **arithmetic[1]}
    assert {name: answer for name, (_, _, answer, _) in found.items()} == {
        "boolq": "true", "piqa": "solution1", "social_i_qa": "answer1", "hellaswag": "ending3",
        "winogrande": "option1", "arc-easy": "answer3", "arc-challenge": "answer3",
        "openbookqa": "answer3", "gsm8k": "203", "aqua": "C", "mawps": "202", "svamp": "202.0",
        "multiarith": "202",
    }  # fmt: skip
    for name, (prompt, completion, answer, choices) in found.items():
        assert prompt.endswith("\n\n### Answer:\n")
        assert completion.endswith(answer)
        assert all(choice in prompt or name in ("boolq", "aqua") for choice in choices)
    assert found["gsm8k"][1].endswith("#### 203")
    assert "answer3: yes" in found["arc-easy"][0]
