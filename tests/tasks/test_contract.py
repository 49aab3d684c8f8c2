"""Every task keeps the contract, and the contract detects tasks that do not."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from whichpeft.backbones import Backbone
from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import Task, TextTask, list_tasks, load_task, text_task
from whichpeft.testing import TaskContract

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_task"


def pairs_with_values() -> TextTask:
    rows = [((f"number {i}", f"the value {i * 7 % 30}"), (i * 7 % 30) / 4) for i in range(60)]
    return text_task("pairs", train=rows)


@pytest.mark.parametrize(
    "load", [list_tasks()["stdlib-docs"].load, list_tasks()["stdlib-kinds"].load, pairs_with_values]
)
def test_tasks_keep_the_contract(load: Callable[[], Task], minilm: Backbone) -> None:
    TaskContract(load=load, backbone=minilm).check()


@pytest.mark.parametrize(
    ("folder", "label", "counts", "classes"),
    [
        ("sst2", None, (6920, 872, 1821), 2),
        ("glue_rte", None, (2241, 249, 277), 2),
        ("glue_cola", None, (7250, 1301, 1043), 2),
        ("sick", None, (4500, 500, 4927), 3),
        ("sick", "3", (4500, 500, 4927), 0),
        ("glue_sst2", None, (65349, 2000, 872), 2),
    ],
)
def test_real_files_keep_the_contract(
    shared: Callable[[str], Path],
    minilm: Backbone,
    folder: str,
    label: str | None,
    counts: tuple[int, ...],
    classes: int,
) -> None:
    source = TaskSource(name=str(shared(folder)), label_column=label)
    task = load_task(source)
    assert isinstance(task, TextTask)
    assert tuple(task.counts.values()) == counts
    assert len(task.classes) == classes
    assert task.problem == ("classification" if classes else "regression")
    assert len(task.splits["train"].inputs[0]) == (2 if folder in ("sick", "glue_rte") else 1)
    TaskContract(load=partial(load_task, source), backbone=minilm).check()


def test_a_plugin_is_found_and_keeps_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm: Backbone
) -> None:
    install(tmp_path, monkeypatch, "typos = whichpeft_typos:typos")
    monkeypatch.syspath_prepend(str(EXAMPLE))
    assert "typos" in list_tasks()
    task = load_task(TaskSource(name="typos"))
    assert task.metrics[0].name == "balanced_accuracy"
    assert task.chance == 0.5
    TaskContract(load=lambda: load_task(TaskSource(name="typos")), backbone=minilm).check()


def test_the_example_is_short() -> None:
    lines = [
        line for path in EXAMPLE.iterdir() if path.is_file() for line in path.read_text().splitlines()
    ]
    assert len(lines) < 40


def test_a_failing_plugin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        tmp_path, monkeypatch, "broken = whichpeft_broken:broken\nstdlib-docs = whichpeft_broken:broken"
    )
    (tmp_path / "whichpeft_broken.py").write_text("def broken():\n    raise KeyError('no such thing')\n")
    with pytest.raises(DataError, match=r"'broken'.*whichpeft_broken:broken fails: KeyError"):
        load_task(TaskSource(name="broken"))
    # A plug-in cannot replace a built-in task.
    assert load_task(TaskSource(name="stdlib-docs")).counts


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entry_points: str) -> None:
    """Register entry points like an installed distribution, without installing one."""
    info = folder / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[whichpeft.tasks]\n{textwrap.dedent(entry_points)}\n")
    monkeypatch.syspath_prepend(str(folder))
    for name in ("whichpeft_typos", "whichpeft_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def broken(**changes: object) -> Callable[[], Task]:
    return lambda: dataclasses.replace(pairs_with_values(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"chance": 0.5}, "chance"),
        ({"notes": ("x" * 200_000,)}, "bytes pickled"),
        ({"counts": {"train": 60, "validation": 0, "test": 6}}, "validation"),
        ({"mean": float("nan")}, "finite|chance"),
    ],
)
def test_the_contract_detects_faults(
    changes: dict[str, object], complaint: str, minilm: Backbone
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        TaskContract(load=broken(**changes), backbone=minilm).check()


def test_the_contract_detects_a_leak(minilm: Backbone) -> None:
    rows = [(f"example {i}", "even" if i % 2 == 0 else "odd") for i in range(60)]

    def leaking() -> TextTask:
        return text_task("leaking", train=rows, validation=rows[:20], test=rows[20:40])

    with pytest.raises(AssertionError, match="inputs in train"):
        TaskContract(load=leaking, backbone=minilm).check()
