"""The task of the bundled study: its kinds, its splits, and that stdlib-docs stays what it was."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from whichpeft.api import DEFAULT
from whichpeft.errors import DataError
from whichpeft.tasks.stdlib_kinds import (
    KINDS,
    MOST_CHARACTERS,
    MOST_PER_KIND,
    MOST_WORDS,
    sentences_by_kind,
    stdlib_kinds,
)


def test_it_loads_quickly_and_holds_out_enough() -> None:
    start = time.perf_counter()
    task = stdlib_kinds()
    assert time.perf_counter() - start < 15  # under two seconds on an idle machine
    assert task.classes == KINDS
    assert 900 <= task.counts["test"] <= 1500
    assert task.counts["validation"] >= 300
    assert DEFAULT.budget.max_train is not None
    assert task.counts["train"] > 1.3 * DEFAULT.budget.max_train  # enough, in any Python
    assert task.chance < 0.6


def test_texts_are_short_and_occur_once() -> None:
    texts = [text for split in stdlib_kinds().splits.values() for (text,) in split.inputs]
    assert len({text.casefold() for text in texts}) == len(texts)
    assert all(len(text) <= MOST_CHARACTERS and len(text.split()) >= 3 for text in texts)


def library(folder: Path) -> Path:
    lines = ['"""This module is documented."""', 'class A:\n    """This class is documented."""']
    lines += [f'def f{i}():\n    """This is function {i}."""' for i in range(MOST_PER_KIND + 50)]
    lines.append('class B:\n    def m(self):\n        """This method is documented."""')
    lines.append('def long():\n    """' + "word " * (MOST_WORDS + 1) + '."""')
    lines.append('def wide():\n    """Two words ' + "x" * MOST_CHARACTERS + '."""')
    lines.append('class C:\n    """This stands in two kinds."""')
    lines.append('def c():\n    """this stands IN two kinds."""')
    (folder / "ast.py").write_text("\n".join(lines))
    for skipped in ("email/test/here.py", "site-packages/here.py", "encodings/here.py", "mine.py"):
        (folder / skipped).parent.mkdir(parents=True, exist_ok=True)
        (folder / skipped).write_text('"""This is not of the library."""')
    (folder / "cmd.py").write_text("def broken(:\n")
    return folder


def test_kinds_are_capped_and_shared_sentences_dropped(tmp_path: Path) -> None:
    found = sentences_by_kind(library(tmp_path))
    assert found["module"] == ["This module is documented."]
    assert found["class"] == ["This class is documented."]
    assert len(found["function"]) == MOST_PER_KIND
    assert all(text.startswith(("This is function", "This method")) for text in found["function"])


def test_a_library_without_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no documented class.*--task"):
        sentences_by_kind(tmp_path)
