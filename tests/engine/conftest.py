"""Trials on tiny models without dropout, so that two ways of taking the same step can be compared."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.engine import FinalWork, Job, Placement, ProfileWork, Result, ScreenWork, TuneWork
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.job import Rungs
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.study import Budget, Study, TaskSource
from whichpeft.tasks import load_task
from whichpeft.tasks.encoded_data import write_data

Make = Callable[..., Job]


def _work(
    purpose: str, keep: Path | None = None, rungs: Rungs = ()
) -> ProfileWork | ScreenWork | TuneWork | FinalWork:
    if purpose == "profile":
        return ProfileWork()
    if purpose == "screen":
        return ScreenWork(rungs=tuple(step for step, _ in rungs))
    return TuneWork(rungs=rungs) if purpose == "tune" else FinalWork(keep=keep)


class Trials:
    """Makes jobs with the tiny backbone and the small reviews, and runs them in this process."""

    def __init__(self, backbone: Path, data: Path, scratch: Path) -> None:
        self.backbone = resolve_backbone(str(backbone))
        self.task = load_task(TaskSource(name=str(data)))
        self.scratch = scratch

    def job(self, method: str, *, purpose: str = "final", seed: int = 0, keep: Path | None = None,
            rungs: Rungs = (), stop_after: int = 1, **budget: int) -> Job:  # fmt: skip
        study = Study(
            backbone="tiny",
            task="reviews",
            methods=[method],
            seeds=[seed],
            budget=Budget(**{"epochs": 2, **budget}),
            precision="float32",
        )
        plan = make_plan(study, [self.backbone], [self.task], {method: resolve_method(method)})
        (cell,) = plan.cells
        if cell.refusal is not None:
            raise ValueError(cell.refusal)
        data, _ = write_data(self.task, self.backbone, study.budget, self.scratch)
        tuned = cell.tuning_trial(1, seed)
        trial = {
            "profile": cell.profile, "final": cell.finals[0], "tune": tuned,
            "screen": tuned.beginning(stop_after),
        }[purpose]  # fmt: skip
        return Job(
            trial=trial,
            backbone=cell.backbone,
            method=cell.method,
            data=data,
            placement=Placement(device="cpu"),
            work=_work(purpose, keep, rungs),
        )

    def run(self, method: str, **options: object) -> Result:
        return carry_out(self.job(method, **options), lambda progress: None)  # type: ignore[arg-type]


@pytest.fixture
def trials(tiny_backbone: Path, reviews: Path, tmp_path: Path) -> Trials:
    return Trials(tiny_backbone, reviews, tmp_path)


@pytest.fixture(scope="session")
def even(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    """A tiny BERT and a tiny LLaMA with random weights and no dropout."""
    import torch
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

    small = {
        "vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64, "max_position_embeddings": 128,
    }  # fmt: skip
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    torch.manual_seed(0)
    made = {
        "bert": BertModel(BertConfig(**small, **without)),
        "llama": LlamaModel(LlamaConfig(**small, num_key_value_heads=2)),
    }
    found = {}
    for name, model in made.items():
        folder = tmp_path_factory.mktemp("even") / name
        model.save_pretrained(folder)
        for path in tiny_backbone.glob("*token*"):
            shutil.copy(path, folder)
        found[name] = resolve_backbone(str(folder))
    return found


@pytest.fixture
def make_job(even: dict[str, Backbone], reviews: Path, tmp_path: Path) -> Make:
    """Make a job of a method on a family; other options go to the study or the budget."""

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
            budget=Budget(**{"epochs": 1, **budget}),
            **{"precision": "float32", **asked},
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
            placement=Placement(device="cpu"),
            work=_work(purpose, keep),
        )

    return make
