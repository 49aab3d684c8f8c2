"""`whichpeft predict` reads code as the study did: with its indentation and line breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whichpeft.study import TaskSource
from whichpeft.takeaway.predict import predict
from whichpeft.tasks import text_encoding

from .conftest import Take

CODE = [f"    if n > {i}:\n\n        return  n\n    \n" for i in range(40)]


def test_lines_stay(
    take_away: Take, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"func": code, "target": i % 2} for i, code in enumerate(CODE)]
    path = tmp_path / "study.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    taken = take_away("head", TaskSource(name=str(path)), str(tiny_backbone), epochs=1)
    new = tmp_path / "new.jsonl"
    new.write_text("\n".join(json.dumps({"func": code}) for code in CODE[:3]))
    read: list[str] = []
    load = text_encoding.load_tokenizer

    class Recording:
        def __init__(self, tokenizer: Any) -> None:
            self._tokenizer = tokenizer

        def __call__(self, *columns: list[str], **options: Any) -> Any:
            read.extend(text for column in columns for text in column)
            return self._tokenizer(*columns, **options)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._tokenizer, name)

    monkeypatch.setattr(text_encoding, "load_tokenizer", lambda backbone: Recording(load(backbone)))
    found = predict(taken.folder, new)
    assert set(CODE[:3]) <= set(read)
    assert len(found.answers) == 3
