"""A step on fake tensors: extrapolation over depth and batch gives what a whole step gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from whichpeft.backbones import resolve_backbone
from whichpeft.costs import CostQuery, Costs, estimate_costs, largest_batch
from whichpeft.engine.compute import Compute
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.tasks.no_task import NoTask


def query(method: str, name: str = "minilm", **changes: object) -> CostQuery:
    backbone = resolve_backbone(name, weights=False)
    asked = CostQuery(
        method=resolve_method(method).resolved_for(backbone),
        backbone=backbone,
        task=NoTask(backbone),
        compute=Compute(torch.device("cpu"), "bfloat16"),
        batch_size=4,
        length=32,
    )
    return dataclasses.replace(asked, **changes)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora:r=8", "dora", "adalora", "prefix", "bitfit", "prompt"])
def test_two_depths_determine_the_whole_model(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = query(method)
    few = estimate_costs(asked)
    monkeypatch.setattr("whichpeft.costs.query._SHALLOW", 100)
    whole = estimate_costs(asked)
    assert few.counts == whole.counts
    assert few.flops_per_sample == pytest.approx(whole.flops_per_sample, rel=1e-6)
    assert few.memory is not None
    assert whole.memory is not None
    assert few.memory.total == pytest.approx(whole.memory.total, rel=1e-3)
    assert (few.checkpointed_memory is None) == (whole.checkpointed_memory is None)
    if few.checkpointed_memory is not None and whole.checkpointed_memory is not None:
        # In a shallow model that frees the layers below all training early, the peak is elsewhere.
        assert few.checkpointed_memory.total == pytest.approx(whole.checkpointed_memory.total, rel=0.05)
        assert few.checkpointed_memory.total > 0.99 * whole.checkpointed_memory.total
    assert few.adapter_bytes == pytest.approx(whole.adapter_bytes, rel=0.02)  # names grow with numbers


def test_footprints_follow_the_method_and_the_precision() -> None:
    costs = estimate_costs(query("lora:r=8"))
    single = Compute(torch.device("cpu"), "float32")
    plain, exact = costs.memory, estimate_costs(query("lora:r=8", compute=single)).memory
    assert plain is not None
    assert exact is not None
    assert costs.checkpointed_memory is not None
    trained = costs.counts["trainable_parameters"]
    assert exact.weights == pytest.approx(4 * costs.counts["total_parameters"], rel=0.01)
    assert plain.weights < exact.weights  # frozen linear weights take half
    assert plain.optimizer == pytest.approx(8 * trained, rel=0.01)  # Adam's two moments
    assert costs.checkpointed_memory.total < plain.total


def test_flops_equal_those_of_the_matrix_products() -> None:
    costs = estimate_costs(query("full", batch_size=1, length=64))
    body = 6 * 64 * 2 * (4 * 384**2 + 2 * 384 * 1536)  # forward, of six layers on 64 tokens
    attention = 6 * 2 * 2 * 64**2 * 384
    assert costs.flops_per_sample == pytest.approx(3 * (body + attention), rel=0.01)


def test_checkpointing_that_leaves_out_the_method_is_not_estimated() -> None:
    assert estimate_costs(query("prefix")).checkpointed_memory is None


def test_the_largest_batch_fits_and_the_next_does_not() -> None:
    asked = query("lora:r=8")
    limit = 400_000_000
    size = largest_batch(asked, estimate_costs(asked), limit)

    def total(size: int) -> int:
        found = estimate_costs(dataclasses.replace(asked, batch_size=size))
        assert found.memory is not None
        return found.memory.total

    assert size is not None
    assert total(size) <= limit < total(size + 1)
    assert largest_batch(asked, estimate_costs(asked), 50_000_000) == 0


@pytest.mark.parametrize("method", ["full", "lora:r=8", "bitfit", "prefix", "prompt", "p-tuning"])
def test_the_size_of_the_adapters_file_is_estimated_exactly(method: str, tmp_path: Path) -> None:
    asked = query(method)
    model = asked.task.build_on_meta(asked.backbone)
    context = MethodContext(task_type=asked.task.task_type, head=frozenset(), steps=1000)
    asked.method.apply(model, context).save(tmp_path)
    saved = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".md")
    costs: Costs = estimate_costs(asked)
    assert costs.adapter_bytes == pytest.approx(saved, rel=0.02)


def test_steps_are_traced_whole_if_a_method_shares_between_layers() -> None:
    alike, shared = (estimate_costs(query(text)) for text in ("lily", "lily:stride_A=5"))
    assert alike.depths == (2, 3)
    assert shared.depths == (6,)
    assert shared.counts["trainable_parameters"] < alike.counts["trainable_parameters"]
    assert shared.memory is not None
    assert alike.memory is not None
    assert shared.memory.optimizer < alike.memory.optimizer
