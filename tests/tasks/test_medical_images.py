"""MobileNetV2 on chest X-rays: its weights are pretrained, and frozen batch normalisation stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.backbones.mobilenet_v2 import packaged_weights
from whichpeft.planning.batch_norm import set_training
from whichpeft.tasks.images.pneumonia import pneumonia

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(packaged_weights() is None, reason="the extra mobilenet is not installed"),
]


@pytest.fixture(scope="module")
def mobilenet() -> Backbone:
    return resolve_backbone("mobilenet-v2")


def auroc_of_a_head(backbone: Backbone, mode: Callable[[nn.Module], nn.Module]) -> float:
    """Train a head on a frozen network that is in a mode for training, and score it as trials are."""
    task = pneumonia()
    torch.manual_seed(0)
    model = task.build(backbone)
    head = set(task.head_parameters(model))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in head)
    examples = task.encode(backbone, max_train=320)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    order = np.random.default_rng(0)
    for _ in range(2):
        for places in np.array_split(order.permutation(320), 20):
            mode(model)
            task.loss(model, examples["train"].batch(places)).backward()
            optimizer.step()
            optimizer.zero_grad()
    test = examples["test"].take(np.arange(0, 624, 2))
    with torch.inference_mode():
        outputs = task.outputs(model.eval(), test.batch(np.arange(len(test))))
    return float(roc_auc_score(test.labels, (outputs[:, 1] - outputs[:, 0]).numpy()))


def test_a_frozen_network_in_training_mode_is_wrong(mobilenet: Backbone) -> None:
    """Its statistics move to those of small batches, and the head learns from other features."""
    kept = auroc_of_a_head(mobilenet, set_training)
    moved = auroc_of_a_head(mobilenet, nn.Module.train)
    assert kept > 0.75
    assert moved < kept - 0.1


def test_the_converted_network_is_the_one_of_the_package(mobilenet: Backbone) -> None:
    """A convolution, its norm and so on in the order of the package's file give the same features."""
    from transformers import AutoModel

    weights = torch.load(packaged_weights(), map_location="cpu", weights_only=True)
    torch.manual_seed(0)
    images = torch.randn(2, 3, 96, 96)
    model = AutoModel.from_pretrained(mobilenet.files).eval()
    with torch.inference_mode():
        found = model(images).last_hidden_state
        expected = source_network(weights, images)
    assert (found - expected).abs().max() < 1e-5


def source_network(weights: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """Compute MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381) from the package's weights."""

    def block(hidden: torch.Tensor, name: str, norm: str, stride: int, relu: bool) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        groups = hidden.shape[1] // kernel.shape[1]
        hidden = nn.functional.conv2d(
            hidden, kernel, stride=stride, padding=kernel.shape[2] // 2, groups=groups
        )
        mean, variance, weight, bias = (
            weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        hidden = nn.functional.batch_norm(hidden, mean, variance, weight, bias, eps=1e-5)
        return nn.functional.relu6(hidden) if relu else hidden

    hidden = block(images, "features.0.0", "features.0.1", 2, True)
    strides = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    for number, stride in enumerate(strides, start=1):
        name = f"features.{number}.conv"
        before = hidden
        if number > 1:
            hidden = block(hidden, f"{name}.0", f"{name}.1", 1, True)
        depthwise, last = (0, 3) if number == 1 else (3, 6)
        hidden = block(hidden, f"{name}.{depthwise}", f"{name}.{depthwise + 1}", stride, True)
        hidden = block(hidden, f"{name}.{last}", f"{name}.{last + 1}", 1, False)
        if stride == 1 and hidden.shape == before.shape:
            hidden = hidden + before
    return block(hidden, "features.18.0", "features.18.1", 1, True)
