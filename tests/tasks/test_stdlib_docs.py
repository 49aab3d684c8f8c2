"""The bundled text task: what it reads, how it is split, and that it loads quickly."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from whichpeft.errors import DataError
from whichpeft.tasks.stdlib_docs import (
    MOST_PER_PACKAGE,
    PACKAGES,
    first_sentence,
    first_sentences,
    stdlib_docs,
)


def test_it_loads_quickly() -> None:
    start = time.perf_counter()
    task = stdlib_docs()
    assert time.perf_counter() - start < 10  # under a second on an idle machine
    assert task.name == "stdlib-docs"
    assert task.classes == PACKAGES
    assert len(PACKAGES) == 12
    assert 1300 <= sum(task.counts.values()) <= 12 * MOST_PER_PACKAGE
    assert task.counts["test"] > 1.5 * task.counts["validation"] > 100
    assert 0 < task.chance < 0.15


def test_no_text_occurs_twice() -> None:
    splits = stdlib_docs().splits
    texts = [text.casefold() for split in splits.values() for (text,) in split.inputs]
    assert len(set(texts)) == len(texts)
    assert all(len(text.split()) >= 3 for text in texts)


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("Return the value.  More follows.", "Return the value."),
        ("Open a file\nby name\n\nMore follows.", "Open a file by name"),
        ("Wrap, e.g. a socket, in TLS. Then go.", "Wrap, e.g. a socket, in TLS."),
        ("join(self, other) -> str\n\nJoin two of them.", "Join two of them."),
        ("Do it.", None),
        ("", None),
        ("f(x) -> y", None),
    ],
)
def test_first_sentences(docstring: str, sentence: str | None) -> None:
    assert first_sentence(docstring) == sentence


def library(folder: Path) -> Path:
    for package in PACKAGES:
        (folder / package / "tests").mkdir(parents=True)
        lines = [f'def f{i}():\n    """In {package} this is function {i}."""\n' for i in range(200)]
        lines.append('def g():\n    """This stands in every package."""\n')
        (folder / package / "__init__.py").write_text("\n".join(lines))
        (folder / package / "tests" / "test_it.py").write_text('"""This is only a test of it."""\n')
        (folder / package / "broken.py").write_text("def broken(:\n")
    return folder


def test_packages_are_capped_and_shared_texts_dropped(tmp_path: Path) -> None:
    found = first_sentences(library(tmp_path))
    assert {len(texts) for texts in found.values()} == {MOST_PER_PACKAGE}
    texts = {text for package in found.values() for text in package}
    assert "This stands in every package." not in texts
    assert "This is only a test of it." not in texts


def test_a_library_without_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"asyncio does not exist.*--task"):
        first_sentences(tmp_path)


def test_loading_needs_no_torch() -> None:
    code = (
        "import sys; from whichpeft.study import TaskSource; from whichpeft.tasks import load_task\n"
        "load_task(TaskSource(name='stdlib-docs'))\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
