"""Code reaches the tokenizer as it stands in the file: its indentation and line breaks stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from whichpeft.backbones import Backbone
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task, text_encoding
from whichpeft.tasks.generative.instructions import instructed
from whichpeft.tasks.tables.values import trimmed

CODE = [
    f"    def add(self, n):\n\tif n > {i}:\n\n        return  n + {i}   # two  spaces\n    \n"
    for i in range(24)
]
LABELS = [i % 2 for i in range(24)]


class Recording:
    """A tokenizer that remembers what it read."""

    def __init__(self, tokenizer: Any, texts: set[str]) -> None:
        self._tokenizer, self._texts = tokenizer, texts

    def __call__(self, *columns: list[str], **options: Any) -> Any:
        self._texts.update(text for column in columns for text in column)
        return self._tokenizer(*columns, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return what tokenizers read from now on."""
    found: set[str] = set()
    load = text_encoding.load_tokenizer
    monkeypatch.setattr(
        text_encoding, "load_tokenizer", lambda backbone: Recording(load(backbone), found)
    )
    return found


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
def test_from_the_file_to_the_tokenizer(
    suffix: str, tmp_path: Path, minilm: Backbone, texts: set[str]
) -> None:
    path = tmp_path / f"data{suffix}"
    frame = pd.DataFrame({"func": CODE, "target": LABELS})
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix in (".json", ".jsonl"):
        frame.to_json(path, orient="records", lines=suffix == ".jsonl")
    else:
        frame.to_csv(path, sep="\t" if suffix == ".tsv" else ",", index=False)
    load_task(TaskSource(name=str(path))).encode(minilm, max_train=None)
    assert set(CODE) <= texts


def test_with_several_labels(tmp_path: Path, minilm: Backbone, texts: set[str]) -> None:
    path = tmp_path / "data.jsonl"
    rows = [{"code": code, "labels": ["a", "b"][: i % 3]} for i, code in enumerate(CODE)]
    path.write_text("\n".join(map(json.dumps, rows)))
    task = load_task(TaskSource(name=str(path), problem="multilabel", text_columns=("code",)))
    task.encode(minilm, max_train=None)
    assert set(CODE) <= texts


def test_in_prompts_and_completions(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    rows = [{"old": code, "new": code.replace("n", "m")} for code in CODE]
    path.write_text("\n".join(map(json.dumps, rows)))
    source = TaskSource(name=str(path), problem="generation", text_columns=("old",), label_column="new")
    for example in load_task(source).splits["train"]:  # type: ignore[attr-defined]
        assert any(code in example.prompt for code in CODE)
        assert any(code.replace("n", "m") in example.completion for code in CODE)


def test_in_instructions() -> None:
    example = instructed([CODE[0]], [CODE[1], ""])
    assert example.prompt.startswith(CODE[0])
    assert example.completion == CODE[1]


def test_one_line_has_no_spaces_around_it() -> None:
    assert trimmed("  A great film. \n") == "A great film."
    assert trimmed(CODE[0]) == CODE[0]
