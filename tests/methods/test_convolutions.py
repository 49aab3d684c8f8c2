"""Convolutional networks: what methods adapt, counts published elsewhere, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.costs import CostQuery, estimate_costs
from whichpeft.engine.compute import Compute
from whichpeft.errors import MethodError
from whichpeft.methods import methods, resolve_method
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.planning import build_meta_model, probe
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


TINY_TRANSFORMER = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("family", "config", "target"),
    [
        ("resnet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}, "convolution"),
        ("mobilenet_v1", {"depth_multiplier": 0.25}, "convolution"),
        ("convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}, "pwconv1"),
        ("vit", TINY_TRANSFORMER, "q_proj"),
        ("dinov2", TINY_TRANSFORMER, "q_proj"),
    ],
)
def test_image_models_of_transformers_take_a_step(
    family: str, config: dict[str, object], target: str
) -> None:
    backbone = Backbone(name=family, revision="", config={"model_type": family, **config})
    method = resolve_method("lora:r=2")
    assert probe(method, backbone, classes(2), same_targets=True) is None
    meta = build_meta_model(method, backbone, classes(2), same_targets=True)
    targets = meta.adapter.model.base_model.targeted_module_names
    assert any(name.endswith(target) for name in targets), targets


def test_a_plan_counts_the_flops_of_convolutions() -> None:
    """Forward, and backward for weights and inputs, each 2 FLOPs per multiplication, by hand."""
    config = {"embedding_size": 8, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"}
    backbone = Backbone(name="resnet", revision="", config={"model_type": "resnet", **config})
    cpu = Compute(torch.device("cpu"), "float32")
    query = CostQuery(
        method=resolve_method("full"), backbone=backbone, task=classes(2).read_at(32), compute=cpu,
        batch_size=4, length=1,
    )  # fmt: skip
    # A 7x7 stem at half the size; then one block of two 3x3 at a quarter, and the head.
    stem, block, head = 16**2 * 8 * 3 * 49, 2 * 8**2 * 8 * 8 * 9, 8 * 2
    multiplied = 3 * (stem + block + head) - stem  # the images need no gradient
    assert estimate_costs(query).flops_per_sample == pytest.approx(2 * multiplied, rel=1e-6)


@pytest.mark.parametrize("rule", ["gradients_reach_the_adapter", "save_and_load_agree"])
@pytest.mark.parametrize("name", ["lora", "bitfit", "bn", "conv-adapter", "lora:bias=all"])
def test_the_contract_of_methods(name: str, rule: str, mobilenet: Backbone) -> None:
    MethodContract(name, mobilenet, small_image_task).check_rule(rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", MethodContract.rules)
@pytest.mark.parametrize("name", [*ADAPT_CONVOLUTIONS, *OTHERS, "lora+bn", "lora:bias=all"])
def test_every_rule_on_convolutions(name: str, rule: str, mobilenet: Backbone) -> None:
    MethodContract(name, mobilenet, small_image_task).check_rule(rule)
