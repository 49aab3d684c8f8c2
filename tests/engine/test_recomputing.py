"""Gradient checkpointing: the same training in less memory, and refused if a method breaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from whichpeft.backbones import resolve_backbone
from whichpeft.costs import estimate_costs
from whichpeft.costs.query import CostQuery
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.compute import Compute
from whichpeft.engine.model_setup import prepare
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.study import Study
from whichpeft.tasks.no_task import NoTask

HERE = Compute(torch.device("cpu"), "float32")


@pytest.mark.parametrize("family", ["bert", "llama"])
@pytest.mark.parametrize(
    "method", ["full", "lora:lora_dropout=0", "top-layers:k=1", "loreft", "ia3+ln-tuning"]
)
def test_scores_are_the_same(make_job, method: str, family: str) -> None:  # type: ignore[no-untyped-def]
    plain, saving = (
        carry_out(make_job(method, family=family, gradient_checkpointing=on), lambda progress: None)
        for on in (False, True)
    )
    assert saving.record.outcome.status == "completed", saving.record.outcome
    np.testing.assert_allclose(
        plain.predictions["outputs"], saving.predictions["outputs"], rtol=1e-3, atol=1e-5
    )
    assert plain.record.value("score") == saving.record.value("score")
    assert plain.record.trial.fingerprint != saving.record.trial.fingerprint


def test_layers_below_all_training_get_no_backward_pass(make_job) -> None:  # type: ignore[no-untyped-def]
    prepared = prepare(make_job("head", gradient_checkpointing=True), HERE)
    embedded: list[torch.Tensor] = []
    prepared.model.get_input_embeddings().register_forward_hook(lambda m, i, out: embedded.append(out))
    prepared.task.loss(prepared.model.train(), next(prepared.parts(np.arange(4)))[0])
    assert not embedded[0].requires_grad


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("prefix", "which gradient checkpointing turns off"),
        ("lora", None),
        ("prompt", None),
        ("lora+prefix", "prefix:"),
    ],
)
def test_methods_that_checkpointing_leaves_out_are_refused(  # type: ignore[no-untyped-def]
    method: str, reason: str | None, reviews
) -> None:
    from whichpeft.study import TaskSource
    from whichpeft.tasks import load_task

    study = Study(backbone="minilm", task="t", methods=[method], seeds=1, gradient_checkpointing=True)
    plan = make_plan(
        study,
        [resolve_backbone("minilm")],
        [load_task(TaskSource(name=str(reviews)))],
        {method: resolve_method(method)},
    )
    (cell,) = plan.cells
    assert (cell.refusal is None) == (reason is None)
    assert reason is None or reason in (cell.refusal or "")


def test_a_backbone_without_checkpointing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import BertPreTrainedModel

    monkeypatch.setattr(BertPreTrainedModel, "supports_gradient_checkpointing", False)
    backbone = resolve_backbone("minilm")
    study = Study(backbone="minilm", methods=["full"], seeds=1, gradient_checkpointing=True)
    (cell,) = make_plan(study, [backbone], [NoTask(backbone)], {"full": resolve_method("full")}).cells
    assert cell.refusal == "transformers has no gradient checkpointing for bert"


def query(method: str, **changes: object) -> CostQuery:
    backbone = resolve_backbone("bert-base", weights=False)
    return CostQuery(
        method=resolve_method(method).resolved_for(backbone),
        backbone=backbone,
        task=NoTask(backbone),
        compute=HERE,
        **{"batch_size": 16, "length": 128, **changes},  # type: ignore[arg-type]
    )


def test_a_plan_estimates_less_memory_and_more_flops() -> None:
    plain = estimate_costs(query("lora"))
    saving = estimate_costs(query("lora", gradient_checkpointing=True))
    assert plain.memory is not None
    assert plain.checkpointed_memory is not None
    assert saving.memory is not None
    assert saving.memory.activations < 0.5 * plain.memory.activations
    assert saving.memory.total == plain.checkpointed_memory.total
    assert plain.flops_per_sample is not None
    assert saving.flops_per_sample is not None
    assert 1.2 < saving.flops_per_sample / plain.flops_per_sample < 1.6


def test_a_plan_estimates_the_memory_of_micro_batches() -> None:
    whole = estimate_costs(query("full"))
    part = estimate_costs(query("full", batch_size=4))
    parts = estimate_costs(query("full", batch_size=4, in_parts=True))
    assert whole.memory is not None
    assert part.memory is not None
    assert parts.memory is not None
    # The activations of one micro-batch, plus all gradients.
    gradients = 4 * parts.counts["trainable_parameters"]
    assert parts.memory.gradients == pytest.approx(gradients, rel=0.01)
    assert part.memory.total < parts.memory.total < part.memory.total + gradients
    assert parts.memory.total < whole.memory.total
