"""A script starts from the same model as the study: without an adapter or an old head in the folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
from safetensors.torch import load_file

from whichpeft.backbones import resolve_backbone
from whichpeft.methods import resolve_method
from whichpeft.planning.meta_model import build_meta_model
from whichpeft.study import TaskSource
from whichpeft.takeaway.data import ScriptData
from whichpeft.takeaway.from_record import RestoredTrial, has_head, without_adapter
from whichpeft.takeaway.script import training_script
from whichpeft.tasks import text_task

from .. import builders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A classifier of two classes in bfloat16, and an adapter beside it that changes every output."""
    import peft

    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=40,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=32,
        num_labels=2,
    )
    model = transformers.RobertaForSequenceClassification(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    lora = peft.LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)
    peft.get_peft_model(model, lora).save_pretrained(tmp_path)
    return tmp_path


def test_the_script_loads_the_backbone_alone(folder: Path) -> None:
    backbone = resolve_backbone(str(folder), weights=False)
    assert has_head(backbone)
    assert without_adapter(backbone)
    task = text_task("plain", train=[(f"word {i}", i % 2) for i in range(40)])
    method = resolve_method("full").resolved_for(backbone)
    restored = RestoredTrial(
        trial=builders.trial("full"),
        method=method,
        backbone=backbone,
        backbone_source=str(folder),
        task=task,
        source=TaskSource(name="plain"),
    )
    adapter = build_meta_model(method, backbone, task, same_targets=False).adapter
    script = training_script(restored, adapter, ScriptData(), metric="accuracy")
    start = script.index("model = AutoModelForSequenceClassification.from_pretrained")
    names = {
        "AutoModelForSequenceClassification": transformers.AutoModelForSequenceClassification,
        "options": SimpleNamespace(backbone=str(folder)),
        "outputs": {"id2label": {0: "a", 1: "b"}},
        "processor": SimpleNamespace(),
        "torch": torch,
    }
    exec(script[start : script.index("def encode(")], names)
    model = names["model"]
    stored = load_file(folder / "model.safetensors")
    found = model.state_dict()  # type: ignore[attr-defined]
    assert set(found) == set(stored)
    for name, value in found.items():
        assert value.dtype == torch.float32
        same = torch.equal(value, stored[name].float())
        assert same is (name.startswith("roberta.") or value.dim() == 1)  # biases start as zeros


def test_an_ordinary_backbone_needs_no_more(tiny_backbone: Path) -> None:
    backbone = resolve_backbone(str(tiny_backbone), weights=False)
    assert without_adapter(backbone) == ""
    assert not has_head(backbone)
