"""The top-layers baseline: what trains, what is saved, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForSequenceClassification,
    T5Config,
    T5ForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
)

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.study import Budget
from whichpeft.testing.small_tasks import small_task


@pytest.fixture
def backbone(tiny_backbone: Path) -> Backbone:
    return resolve_backbone(str(tiny_backbone))


def trains(text: str, model: torch.nn.Module, head: str) -> set[str]:
    """Return the names of the parameters that train; those of the head start with `head`."""
    names = frozenset(name for name, _ in model.named_parameters() if name.startswith(head))
    context = MethodContext(task_type="SEQ_CLS", head=names, steps=1)
    adapted = resolve_method(text).apply(model, context).model
    return {name for name, p in adapted.named_parameters() if p.requires_grad}


SMALL: dict[str, Any] = {"num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 32}


def test_only_the_last_layers_and_the_head_train() -> None:
    llama = LlamaForSequenceClassification(LlamaConfig(vocab_size=50, intermediate_size=64, **SMALL))
    training = trains("top-layers:k=2", llama, "score")
    assert {name.rpartition("layers.")[2][0] for name in training if "layers" in name} == {"1", "2"}
    assert {name for name in training if "layers" not in name} == {"score.weight"}
    vit = ViTForImageClassification(
        ViTConfig(image_size=16, patch_size=8, intermediate_size=64, **SMALL)
    )
    training = trains("top-layers:k=1", vit, "classifier")
    assert {name for name in training if ".layers." not in name} == {
        "classifier.weight",
        "classifier.bias",
    }
    assert all(".layers.2." in name or "classifier" in name for name in training)


def test_an_encoder_decoder_trains_the_decoders_layers() -> None:
    t5 = T5ForSequenceClassification(
        T5Config(d_model=32, num_layers=2, num_heads=2, d_kv=16, d_ff=64, vocab_size=60)
    )
    training = trains("top-layers:k=1", t5, "classification_head")
    assert all("decoder.block.1." in name or "classification_head" in name for name in training)
    assert any("decoder.block.1." in name for name in training)


def test_trained_layers_are_saved_and_load_equal(backbone: Backbone, tmp_path: Path) -> None:
    task, method = small_task(), resolve_method("top-layers:k=1")
    model = task.build(backbone)
    head = frozenset(task.head_parameters(model))
    adapter = method.apply(model, MethodContext(task_type="SEQ_CLS", head=head, steps=1))
    with torch.no_grad():
        for parameter in adapter.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    adapter.save(tmp_path)
    loaded = method.load(task.build(backbone), tmp_path)
    expected = adapter.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())


def test_too_many_layers_are_refused_with_their_number(backbone: Backbone) -> None:
    task = small_task()
    assert resolve_method("top-layers:k=2").refuses(backbone, task, Budget()) is None
    reason = resolve_method("top-layers:k=3").refuses(backbone, task, Budget())
    assert "bert has 2" in (reason or "")
    shared = replace(backbone, config={"model_type": "albert", "num_hidden_layers": 12})
    reason = resolve_method("top-layers:k=2").refuses(shared, task, Budget())
    assert "albert has 1" in (reason or "")  # one layer, applied twelve times
