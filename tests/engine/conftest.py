"""Trials on tiny models without dropout, so that two ways to take the same step can be compared."""

from __future__ import annotations

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
def even(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    """A tiny BERT and a tiny LLaMA with random weights and without any dropout."""
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
