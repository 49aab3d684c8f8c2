"""Folders as CodeXGLUE and CodeReviewer give their data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from whichpeft.study import TaskSource
from whichpeft.tasks import load_task
from whichpeft.tasks.generative import GenerativeTask
from whichpeft.tasks.text import TextTask

PATCH = "@@ -1,3 +1,3 @@\n def read(path):\n-    return open(path)\n+    return open(path, {i})\n"


def write(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def defects(first: int, count: int) -> list[dict[str, object]]:
    return [
        {
            "project": ["FFmpeg", "qemu"][i % 2],
            "commit_id": f"{i:040x}",
            "target": i % 2,
            "func": f"static int parse_{i}(int *p)\n{{\n    return p[{i}];\n}}\n",
            "idx": i,
        }
        for i in range(first, first + count)
    ]


def test_defects_of_codexglue(tmp_path: Path) -> None:
    for name, first, count in (("train", 0, 30), ("valid", 30, 10), ("test", 40, 12)):
        write(tmp_path / f"{name}.jsonl", defects(first, count))
    task = load_task(TaskSource(name=str(tmp_path)))
    assert isinstance(task, TextTask)
    assert dict(task.counts) == {"train": 30, "validation": 10, "test": 12}
    assert task.classes == ("0", "1")
    assert task.columns is not None
    assert (task.columns.text, task.columns.label) == (("func",), "target")
    assert task.splits["test"].inputs[0] == (defects(40, 1)[0]["func"],)


def reviews(first: int, count: int) -> list[dict[str, object]]:
    """Rows of CodeReviewer; a patch that needs a review has a comment, which gives its class away."""
    return [
        {
            "oldf": f"def read(path):\n    return open(path)\n# {i}\n",
            "patch": PATCH.replace("{i}", str(i)),
            "msg": "Please close the file." if i % 2 else "",
            "id": i,
            "y": i % 2,
            "lang": "py",
            "proj": "a/b",
        }
        for i in range(first, first + count)
    ]


def test_changes_that_need_a_review(tmp_path: Path) -> None:
    for part in range(3):
        write(tmp_path / f"cls-train-chunk-{part}.jsonl", reviews(10 * part, 10))
    write(tmp_path / "cls-valid.jsonl", reviews(30, 10))
    write(tmp_path / "cls-test.jsonl", reviews(40, 12))
    task = load_task(TaskSource(name=str(tmp_path)))
    assert isinstance(task, TextTask)
    assert dict(task.counts) == {"train": 30, "validation": 10, "test": 12}
    assert task.columns is not None
    assert (task.columns.text, task.columns.label) == (("patch",), "y")


def test_comments_on_changes(tmp_path: Path) -> None:
    for name, first in (("train", 0), ("valid", 40), ("test", 80)):
        rows = [row for row in reviews(first, 40) if row["y"]]
        write(tmp_path / f"msg-{name}.jsonl", [{**row, "msg": f"Close {row['id']}."} for row in rows])
    task = load_task(
        TaskSource(name=str(tmp_path), problem="generation", text_columns=("patch",), label_column="msg")
    )
    assert isinstance(task, GenerativeTask)
    assert dict(task.counts) == {"train": 20, "validation": 20, "test": 20}
    (first, *_) = task.splits["test"]
    assert PATCH.replace("{i}", "81") in first.prompt
    assert first.completion == "Close 81."


def test_code_after_a_comment(tmp_path: Path) -> None:
    """The refinement of CodeReviewer: the new code, of the old code and a reviewer's comment."""
    for name, first in (("train", 0), ("valid", 20), ("test", 40)):
        rows = (
            {
                "old": f"-    return open(path)  # {i}",
                "new": f"+    with open(path) as file:  # {i}\n+        return file.read()",
                "comment": f"Please close the file {i}.",
                "ghid": i,
            }
            for i in range(first, first + 20)
        )
        write(tmp_path / f"ref-{name}.jsonl", rows)
    task = load_task(
        TaskSource(
            name=str(tmp_path),
            problem="generation",
            text_columns=("old", "comment"),
            label_column="new",
        )
    )
    assert isinstance(task, GenerativeTask)
    (first, *_) = task.splits["test"]
    assert "-    return open(path)  # 40\nPlease close the file 40." in first.prompt
    assert first.completion.splitlines()[1] == "+        return file.read()"
