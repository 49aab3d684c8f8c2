"""Architectures known by name have as many parameters as their published models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whichpeft.backbones import architectures, resolve_backbone
from whichpeft.errors import BackboneError
from whichpeft.tasks.no_task import NoTask

TOTALS = {
    "bert-base": 109_482_240,
    "roberta-base": 124_645_632,
    "deberta-v3-base": 183_831_552,
    "vit-base": 86_389_248,
    "wav2vec2-base": 94_371_712,
    "whisper-small": 241_734_912,
    "esm2-t12": 33_500_401,
    "llama-7b": 6_738_415_616,
    "llama-13b": 13_015_864_320,
    "llama-3-8b": 8_030_261_248,
    "llama-3.2-3b": 3_212_749_824,
    "qwen2.5-7b": 7_615_616_512,
    "mistral-7b": 7_241_732_096,
}


def test_every_architecture_has_an_expected_count() -> None:
    assert set(architectures()) == set(TOTALS)


@pytest.mark.parametrize("name", TOTALS)
def test_an_architecture_has_as_many_parameters_as_its_model(name: str) -> None:
    import torch

    backbone = resolve_backbone(name, weights=False)
    with torch.device("meta"):
        model = NoTask(backbone).build_on_meta(backbone)
    assert sum(parameter.numel() for parameter in model.parameters()) == TOTALS[name]
    assert not backbone.weights
    assert backbone.depth is not None


def test_an_architecture_cannot_be_run_and_names_its_weights() -> None:
    with pytest.raises(BackboneError, match=r"plan.*huggyllama/llama-7b"):
        resolve_backbone("llama-7b")


def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(BackboneError, match="did you mean 'llama-13b'"):
        resolve_backbone("llama13b", weights=False)


def test_a_folder_with_only_a_configuration_can_be_planned_for(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "num_hidden_layers": 3}))
    backbone = resolve_backbone(str(folder), weights=False)
    assert (backbone.name, backbone.weights, backbone.depth) == ("mine", False, 3)
    with pytest.raises(BackboneError, match=r"no \*.safetensors weights"):
        resolve_backbone(str(folder))


def test_a_shallower_backbone_differs_only_in_its_layers() -> None:
    backbone = resolve_backbone("whisper-small", weights=False)
    shallow = backbone.with_depth(2)
    assert shallow.depth == 2
    assert (shallow.config["encoder_layers"], shallow.config["decoder_layers"]) == (2, 2)
    assert shallow.config["d_model"] == backbone.config["d_model"]
