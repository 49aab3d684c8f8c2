"""Trials on tiny models without dropout, so that two ways to take the same step can be compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.engine import Job
from whichpeft.engine.data import write_data
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.study import Budget, Study, TaskSource
from whichpeft.tasks import load_task

Make = Callable[..., Job]


@pytest.fixture(scope="session")
def even(families: dict[str, Backbone], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    """The tiny BERT and the tiny LLaMA without any dropout."""
    found = {}
    for name in ("bert", "llama"):
        folder = tmp_path_factory.mktemp("even") / name
        shutil.copytree(families[name].files, folder)
        config = json.loads((folder / "config.json").read_text())
        config |= {key: 0.0 for key in config if "dropout" in key and config[key]}
        (folder / "config.json").write_text(json.dumps(config))
        found[name] = resolve_backbone(str(folder))
    return found


@pytest.fixture
def make_job(even: dict[str, Backbone], reviews: Path, tmp_path: Path) -> Make:
    """Make a job of a method on a family in float32; further options are the study's or the budget's."""

    def make(
        method: str,
        *,
        family: str = "bert",
        purpose: str = "final",
        keep: Path | None = None,
        **asked: object,
    ) -> Job:
        budget = {key: asked.pop(key) for key in list(asked) if key in Budget.__dataclass_fields__}
        study = Study(
            backbone=family,
            task="reviews",
            methods=[method],
            seeds=1,
            precision="float32",
            budget=Budget(**{"epochs": 1, **budget}),
            **asked,
        )
        task, backbone = load_task(TaskSource(name=str(reviews))), even[family]
        plan = make_plan(study, [backbone], [task], {method: resolve_method(method)})
        (cell,) = plan.cells
        assert cell.refusal is None, cell.refusal
        data, _ = write_data(task, backbone, study.budget, tmp_path)
        trial = cell.finals[0] if purpose == "final" else replace(cell.finals[0], purpose=purpose)
        return Job(
            trial=trial,
            backbone=cell.backbone,
            method=cell.method,
            data=data,
            device="cpu",
            keep=keep,
        )

    return make
