"""Convolutional networks: what methods adapt, counts published elsewhere, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.errors import MethodError
from whichpeft.methods import methods, resolve_method
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.planning import build_meta_model
from whichpeft.planning.plan import make_plan
from whichpeft.study import Budget, Study
from whichpeft.tasks import ImageTask, image_task
from whichpeft.testing import MethodContract
from whichpeft.testing.small_tasks import small_image_task

ADAPT_CONVOLUTIONS = (
    "lora", "dora", "rslora", "adalora", "ia3", "loha", "lokr", "oft", "boft", "hra", "hira",
)  # fmt: skip
OTHERS = ("full", "head", "top-layers", "bitfit", "bn", "conv-adapter")
RESNET_50 = {"model_type": "resnet"}


def classes(count: int) -> ImageTask:
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    examples = [(pixels, f"class {i}") for i in range(count) for _ in range(2)]
    return image_task("classes", train=examples, validation=examples, test=examples)


def trainable(config: dict[str, object], method: str, count: int = 2) -> int:
    backbone = Backbone(name="made up", revision="", config=config)
    meta = build_meta_model(resolve_method(method), backbone, classes(count), same_targets=True)
    return sum(p.numel() for p in meta.adapter.model.parameters() if p.requires_grad)


@pytest.fixture
def mobilenet(tiny_mobilenet: Path) -> Backbone:
    return resolve_backbone(str(tiny_mobilenet))


def adapted(backbone: Backbone, method: str) -> torch.nn.Module:
    resolved = resolve_method(method)
    return build_meta_model(resolved, backbone, small_image_task(), same_targets=True).adapter.model


@pytest.mark.parametrize(
    ("method", "count"),
    [
        # Biases are 53 norms' 26,560; the head has 4,098.
        ("lora:r=8", 639_642), ("bitfit", 26_560 + 4_098), ("bn", 2 * 26_560 + 4_098), ("head", 4_098),
        ("full", 23_512_130),
    ],
)  # fmt: skip
def test_counts_of_a_resnet_50(method: str, count: int) -> None:
    assert trainable(RESNET_50, method) == count


def test_counts_of_a_vit_with_the_head_of_food_101() -> None:
    method = "lora:r=16,target_modules=[q_proj,v_proj]"
    assert trainable({"model_type": "vit"}, method, count=101) == 667_493


def test_a_bottleneck_of_eight_channels_follows_every_convolution() -> None:
    from transformers import ResNetConfig, ResNetModel

    with torch.device("meta"):
        model = ResNetModel(ResNetConfig())
    widths = [m.out_channels for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(widths) == 53
    assert trainable(RESNET_50, "conv-adapter") == sum(2 * 8 * width for width in widths) + 4_098


def test_depthwise_convolutions_are_no_targets(mobilenet: Backbone) -> None:
    model = adapted(mobilenet, "lora")
    wrapped = model.base_model.targeted_module_names
    plain = [module for module in model.modules() if type(module) is torch.nn.Conv2d]
    assert len(wrapped) == 35
    assert sum(module.groups > 1 for module in plain) == 17
    assert not any(name.endswith("conv_3x3.convolution") for name in wrapped if "layer." in name)


def test_rotations_leave_out_the_convolution_that_reads_colours(mobilenet: Backbone) -> None:
    assert len(adapted(mobilenet, "oft").base_model.targeted_module_names) == 34


def test_every_method_with_a_layer_for_convolutions_is_known(mobilenet: Backbone) -> None:
    """A new release of PEFT may add some; then they belong into this list and the documentation."""
    of_peft = [n for n, method in methods().items() if issubclass(method, PeftMethod)]
    claimed = {n for n in of_peft if resolve_method(n).adapts_convolutions}  # type: ignore[attr-defined]
    assert claimed - {"xlora"} == set(ADAPT_CONVOLUTIONS)
    for name in ADAPT_CONVOLUTIONS:
        assert adapted(mobilenet, name).base_model.targeted_module_names


@pytest.mark.parametrize("name", ["vera", "pissa", "olora", "mica", "miss", "fourierft", "shira"])
def test_methods_without_such_a_layer_say_so(name: str, mobilenet: Backbone) -> None:
    with pytest.raises(MethodError, match=f"^{name} has no layer for convolutions"):
        adapted(mobilenet, name)


def test_all_linear_does_not_adapt_the_head_alone(mobilenet: Backbone) -> None:
    with pytest.raises(MethodError, match="leave target_modules out"):
        adapted(mobilenet, "lora:target_modules=all-linear")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ln-tuning", "bn trains batch normalisation"),
        ("series-adapter", "conv-adapter adapts those"),
        ("parallel-adapter", "conv-adapter adapts those"),
        ("loreft", "needs one width"),
    ],
)
def test_a_plan_says_which_method_fits_instead(name: str, reason: str, mobilenet: Backbone) -> None:
    study = Study(
        backbone=mobilenet.name, task="small-images", methods=[name], seeds=[0], budget=Budget(epochs=20)
    )
    (cell,) = make_plan(study, [mobilenet], [small_image_task()], {name: resolve_method(name)}).cells
    assert cell.refusal is not None
    assert reason in cell.refusal


@pytest.mark.parametrize("name", ["bn", "conv-adapter"])
def test_methods_for_convolutions_refuse_a_transformer(name: str, tiny_vits: dict[int, Path]) -> None:
    with pytest.raises(MethodError, match="this backbone has"):
        adapted(resolve_backbone(str(tiny_vits[1])), name)


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("resnet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}),
        ("efficientnet", {"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 64}),
        ("regnet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "groups_width": 4}),
    ],
)
def test_lora_adapts_only_convolutions_that_mix_all_channels(
    family: str, config: dict[str, object]
) -> None:
    backbone = Backbone(name=family, revision="", config={"model_type": family, **config})
    meta = build_meta_model(resolve_method("lora:r=2"), backbone, classes(2), same_targets=True)
    layers = [m for m in meta.adapter.model.modules() if hasattr(m, "lora_A")]
    assert layers
    assert all(layer.get_base_layer().groups == 1 for layer in layers)


@pytest.mark.parametrize("rule", ["gradients_reach_the_adapter", "save_and_load_agree"])
@pytest.mark.parametrize("name", ["lora", "bitfit", "bn", "conv-adapter", "lora:bias=all"])
def test_the_contract_of_methods(name: str, rule: str, mobilenet: Backbone) -> None:
    MethodContract(name, mobilenet, small_image_task).check_rule(rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", MethodContract.rules)
@pytest.mark.parametrize("name", [*ADAPT_CONVOLUTIONS, *OTHERS, "lora+bn", "lora:bias=all"])
def test_every_rule_on_convolutions(name: str, rule: str, mobilenet: Backbone) -> None:
    MethodContract(name, mobilenet, small_image_task).check_rule(rule)
