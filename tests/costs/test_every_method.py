"""Every method's number of parameters in a plan is that of a whole model with weights.

The models are tiny and have at least six layers, so that methods that share parameters between layers,
or choose layers, show it. What PEFT carries out is also counted on a model that plain PEFT makes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.costs import CostQuery
from whichpeft.costs.query import count_parameters_of
from whichpeft.engine.compute import Compute
from whichpeft.methods import Method, MethodContext, resolve_method
from whichpeft.methods.catalogue import methods
from whichpeft.study import Budget
from whichpeft.tasks import Task
from whichpeft.tasks.no_task import NoTask
from whichpeft.testing.small_tasks import small_image_task, small_task

BERT = {
    "model_type": "bert", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 7,
    "num_attention_heads": 4, "vocab_size": 90, "max_position_embeddings": 128,
}  # fmt: skip
LLAMA = {
    "model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 8,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 90, "bos_token_id": 1,
    "eos_token_id": 2, "tie_word_embeddings": True,
}  # fmt: skip
VIT = {
    "model_type": "vit", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 6,
    "num_attention_heads": 4, "image_size": 32, "patch_size": 8,
}  # fmt: skip
MODELS = {"bert": BERT, "llama": LLAMA, "vit": VIT}

# Options that share parameters between layers, choose layers, or change sizes.
_LAYERS = "layers_to_transform=[0,3,5]"
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "lora": (
        _LAYERS,
        "layers_to_transform=4",
        "bias=all",
        "lora_bias=true",
        "init_lora_weights=pissa_niter_2",
    ),
    "dora": (_LAYERS,),
    "pissa": (_LAYERS,),
    "mica": ("layers_to_transform=5",),
    "adalora": ("r=2,init_r=9", _LAYERS),
    "adamss": ("num_subspaces=40", "num_subspaces=3,use_dynamic_rank=true"),
    "adaption-prompt": ("adapter_layers=5",),
    "beft": (),
    "boft": ("boft_block_size=8", _LAYERS),
    "c3a": (_LAYERS,),
    "cartridge": ("num_virtual_tokens=7,num_frozen_tokens=3",),
    "deft": ("para=true,decomposition_method=qr", _LAYERS),
    "fourierft": (_LAYERS,),
    "frod": ("sparse_rate=0.1", "sparse_rate=0.0001", _LAYERS),
    "glora": ("config_A_B=vector", "config_C=none"),
    "gralora": ("r=8,hybrid_r=4", _LAYERS),
    "hra": (_LAYERS,),
    "lily": ("stride_A=2", "stride_A=3,num_B=4", "stride_A=5", "stride_A=100", _LAYERS),
    "loreft": ("share_weights=false",),
    "miss": ("init_weights=mini,r=8,mini_r=4",),
    "multitask-prompt": ("num_ranks=3",),
    "oft": ("block_share=true", _LAYERS),
    "osf": ("effective_rank=0.25", "effective_rank=5"),
    "p-tuning": ("encoder_num_layers=4", "encoder_reparameterization_type=LSTM"),
    "peanut": ("depth=2", _LAYERS),
    "poly": ("n_splits=4,poly_type=poly", "n_skills=3"),
    "prefix": ("prefix_projection=true,encoder_hidden_size=12",),
    "pvera": (_LAYERS,),
    "randlora": ("r=4", _LAYERS),
    "road": ("variant=road_4",),
    "series-adapter": ("placement=pfeiffer",),
    "shadow": ("shadow_num_hidden_layers=3", "share_embeddings=false", "update_hidden_size=5"),
    "shira": ("r=3",),
    "supertuning": ("sparsity=0.9", "r=3"),
    "tinylora": ("weight_tying=1.0", "weight_tying=0.5", "weight_tying=0.1,u=3", _LAYERS),
    "top-layers": ("k=4",),
    "unilora": ("theta_d_length=50", _LAYERS),
    "vblora": ("num_vectors=20,vector_length=8", _LAYERS),
    "vera": ("r=16", _LAYERS),
    "waveft": ("proportional_parameters=true", _LAYERS),
}
# Never counted: they train nothing here, whichpeft refuses them, or they need convolutions
# (tests/methods/test_convolutions.py).
_NOT_COUNTED = {"few-shot", "xlora", "bn", "conv-adapter"}
CASES = [f"{name}:{o}" if o else name for name in methods() for o in ("", *OPTIONS.get(name, ()))]


@cache
def backbone(model: str, folder: Path) -> Backbone:
    (folder / "config.json").write_text(json.dumps(MODELS[model]))
    return resolve_backbone(str(folder), weights=False)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return {model: tmp_path_factory.mktemp(model) for model in MODELS}


def task_of(model: str, on: Backbone) -> Task:
    if model == "llama":
        return NoTask(on)
    return small_task() if model == "bert" else small_image_task()


def with_weights(task: Task, on: Backbone) -> torch.nn.Module:
    torch.manual_seed(1)
    return task.build_on_meta(on)  # on the device of the context, which is the CPU here


def context(task: Task, model: torch.nn.Module) -> MethodContext:
    return MethodContext(
        task_type=task.task_type, head=frozenset(task.head_parameters(model)), steps=1000
    )


def trained(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def planned(method: Method, task: Task, on: Backbone) -> Mapping[str, int]:
    query = CostQuery(
        method=method, backbone=on, task=task, compute=Compute(torch.device("cpu"), "float32"),
        batch_size=1, length=8,
    )  # fmt: skip
    return count_parameters_of(query)


def by_plain_peft(adapted: Any, task: Task, on: Backbone) -> int:
    """Count what PEFT makes of the same config on another model, and the head if it leaves that out."""
    config = copy.deepcopy(adapted.model.peft_config["default"])
    config.inference_mode = False
    model = with_weights(task, on)
    head = task.head_parameters(model)
    made = peft.get_peft_model(model, config)
    if adapted.has_separate_head:
        for name, parameter in made.get_base_model().named_parameters():
            parameter.requires_grad_(parameter.requires_grad or name in head)
    return trained(made)


@pytest.mark.parametrize("text", CASES)
def test_a_plan_counts_what_a_whole_model_has(text: str, folders: Mapping[str, Path]) -> None:
    counted = []
    # Options need one model; what a method does by default may differ between families.
    for model in MODELS if ":" not in text else ("llama", "bert"):
        on = backbone(model, folders[model])
        task = task_of(model, on)
        method = resolve_method(text).resolved_for(on)
        if method.refuses(on, task, Budget(epochs=100)):
            continue
        made = with_weights(task, on)
        try:
            adapted = method.apply(made, context(task, made))
        except ValueError:  # a run refuses it after such an error
            continue
        found = planned(method, task, on)
        assert found["trainable_parameters"] == trained(adapted.model)
        assert found["adapter_parameters"] == trained(adapted.model) - found["head_parameters"]
        if hasattr(adapted.model, "peft_config"):
            assert found["trainable_parameters"] == by_plain_peft(adapted, task, on)
        counted.append(model)
        if ":" in text:
            break
    assert bool(counted) == (text not in _NOT_COUNTED)
