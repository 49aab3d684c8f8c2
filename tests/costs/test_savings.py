"""A plan estimates quantised weights and shards without a GPU and without bitsandbytes."""

from __future__ import annotations

import pytest
import torch

from whichpeft.backbones import resolve_backbone
from whichpeft.costs import CostQuery, Costs, estimate_costs
from whichpeft.costs.quantised import quantised_bytes
from whichpeft.engine.compute import Compute
from whichpeft.methods import resolve_method
from whichpeft.tasks.no_task import NoTask


def costs(method: str, quantise: str | None = None, **changes: object) -> Costs:
    from dataclasses import replace

    backbone = replace(resolve_backbone("bert-base", weights=False), quantise=quantise)
    return estimate_costs(
        CostQuery(
            method=resolve_method(method).resolved_for(backbone),
            backbone=backbone,
            task=NoTask(backbone),
            compute=Compute(torch.device("cpu"), "bfloat16"),
            batch_size=4,
            length=32,
            **changes,  # type: ignore[arg-type]
        )
    )


def test_bytes_of_one_quantised_weight() -> None:
    shape = torch.Size((4096, 4096))
    assert quantised_bytes(shape, "8bit") == 4096 * 4096 + 4 * 4096
    # NF4 with double quantisation of the scales: 4.127 bits per weight (Dettmers et al. 2023).
    assert 8 * quantised_bytes(shape, "4bit") / shape.numel() == pytest.approx(4.127, abs=0.002)


def test_frozen_weights_take_8_and_4_bits() -> None:
    whole, eight, four = (costs("lora", quantise) for quantise in (None, "8bit", "4bit"))
    assert whole.counts == eight.counts == four.counts
    linear = 12 * (4 * 768 * 768 + 2 * 768 * 3072) + 768 * 768  # of the layers and the pooler
    assert whole.memory is not None
    assert eight.memory is not None
    assert four.memory is not None
    saved = [whole.memory.weights - other.memory.weights for other in (eight, four) if other.memory]
    assert saved[0] == pytest.approx((2 - 1) * linear, rel=0.02)  # from bfloat16
    assert saved[1] == pytest.approx((2 - 0.516) * linear, rel=0.02)
    assert four.memory.optimizer == whole.memory.optimizer
    assert four.adapter_bytes == whole.adapter_bytes


def test_shards_divide_the_model_and_gather_the_current_layers() -> None:
    alone, half = (costs("full", shards=shards).memory for shards in (1, 2))
    assert alone is not None
    assert half is not None
    assert half.weights == pytest.approx(alone.weights / 2, rel=0.001)
    assert half.optimizer == pytest.approx(alone.optimizer / 2, rel=0.001)
    gathered = half.activations - alone.activations
    layer = 4 * (4 * 768 * 768 + 2 * 768 * 3072 + 9 * 768 + 3072 + 4 * 768)
    assert gathered > 3 * layer  # two layers, one layer's gradients, and the embeddings
    assert half.total < alone.total
