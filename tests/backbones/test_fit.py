"""What weights may lack: heads and poolers. Anything else that is missing or too much is named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.backbones.weights import compare_weights, load_weights
from whichpeft.errors import BackboneError
from whichpeft.tasks.classifier import (
    Modality,
    build_classifier,
    build_classifier_on_meta,
    compare_classifier,
    head_parameters,
)
from whichpeft.tasks.generative.causal_lm import compare_causal_lm, load_causal_lm

from .conftest import Save

IMAGES = {"image_size": 8, "patch_size": 4}
Tensors = dict[str, torch.Tensor]


def change(folder: Path, changed: Callable[[Tensors], Tensors]) -> Backbone:
    """Replace a folder's weights."""
    path = folder / "model.safetensors"
    save_file(changed(load_file(path)), path, {"format": "pt"})
    return resolve_backbone(str(folder))


def without(*parts: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {
        name: value for name, value in tensors.items() if not any(part in name for part in parts)
    }


def refusal(backbone: Backbone, modality: Modality | None = "text") -> str:
    """Return why weights are refused; the same before the first trial and when they are loaded."""
    found = []
    for read in (
        (compare_causal_lm, load_causal_lm)
        if modality is None
        else (
            lambda b: compare_classifier(b, modality=modality),
            lambda b: build_classifier(b, modality=modality, classes=["a", "b"]),
        )
    ):
        with pytest.raises(BackboneError) as caught:
            read(backbone)
        found.append(str(caught.value))
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("kind", "modality", "gone", "named"),
    [
        ("BertModel", "text", "bert.encoder.layer", r"bert.encoder.layer.2 to bert.encoder.layer.5 are"),
        ("BertForMaskedLM", "text", "bert.encoder.layer", "bert.encoder.layer.2 to"),
        ("DistilBertModel", "text", "distilbert.transformer.layer", "distilbert.transformer.layer.2 to"),
        ("LlamaForCausalLM", "text", "model.layers", "model.layers.2 to model.layers.5 are"),
        ("LlamaForCausalLM", None, "model.layers", "model.layers.2 to model.layers.5 are"),
        ("GPT2LMHeadModel", None, "transformer.h", "transformer.h.2 to transformer.h.5 are"),
        ("ViTModel", "images", "vit.layers", r"vit.*\.2 to vit.*\.5 are missing"),
    ],
)
def test_missing_layers_are_named(
    save: Save, kind: str, modality: Modality | None, gone: str, named: str
) -> None:
    deep = {"num_hidden_layers": 6, "n_layers": 6, "n_layer": 6, "dim": 8, "n_heads": 2, "hidden_dim": 8}
    config = {**deep, "n_embd": 8, "n_head": 2, **(IMAGES if kind == "ViTModel" else {})}
    number = re.compile(r"\.[2-5]\.")
    folder = save(kind, **config)
    backbone = change(folder, lambda tensors: {n: t for n, t in tensors.items() if not number.search(n)})
    message = refusal(backbone, modality)
    assert "its config.json says 6 layers, but the weights have 2: " in message
    assert re.search(named, message)


@pytest.mark.parametrize(
    ("kind", "modality", "gone"),
    [
        ("BertModel", "text", "embeddings.word_embeddings.weight"),
        ("BertModel", "text", "encoder.layer.1.attention.self.query.bias"),
        ("RobertaModel", "text", "embeddings.LayerNorm.weight"),
        ("LlamaForCausalLM", None, "lm_head.weight"),
        ("LlamaForCausalLM", None, "model.norm.weight"),
        ("LlamaForCausalLM", "text", "model.norm.weight"),
        ("ViTModel", "images", "embeddings.cls_token"),
        ("ViTModel", "images", "layernorm.weight"),
        ("CLIPModel", "images", "vision_model.post_layernorm.weight"),
        ("ResNetModel", "images", "embedder.embedder.normalization.running_mean"),
        ("T5Model", "text", "decoder.final_layer_norm.weight"),
    ],
)
def test_a_missing_part_is_named(save: Save, kind: str, modality: Modality | None, gone: str) -> None:
    backbone = change(save(kind, **small(kind)), without(gone))
    assert re.search(rf"the weights in \S+ lack \S*{re.escape(gone)};", refusal(backbone, modality))


def small(kind: str) -> dict[str, Any]:
    """Return the further sizes that a tiny model of a kind needs."""
    if kind.startswith("CLIP"):
        vision = {**IMAGES, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
        words = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 10}
        few = {"intermediate_size": 8}
        return {"vision_config": {**vision, **few}, "text_config": {**words, **few}, "projection_dim": 8}
    if kind.startswith("ResNet"):
        return {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1], "layer_type": "basic"}
    if kind.startswith("T5"):
        return {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 2, "num_heads": 2}
    if kind.startswith("Swift"):
        return {"depths": [1, 1], "embed_dims": [8, 8], "downsamples": [True, True]}
    return IMAGES if kind.startswith("ViT") else {}


@pytest.mark.parametrize(
    ("kind", "modality", "new", "head"),
    [
        # A BERT saved as a masked model has no pooler; the others keep theirs outside their body.
        ("BertModel", "text", (), {"classifier"}),
        ("BertForMaskedLM", "text", ("bert.pooler.dense",), {"bert.pooler.dense", "classifier"}),
        ("AlbertForMaskedLM", "text", ("albert.pooler",), {"albert.pooler", "classifier"}),
        ("RobertaForMaskedLM", "text", (), {"classifier.dense", "classifier.out_proj"}),
        ("ElectraForPreTraining", "text", (), {"classifier.dense", "classifier.out_proj"}),
        ("DebertaV2Model", "text", (), {"pooler.dense", "classifier"}),
        ("ModernBertModel", "text", (), {"head.dense", "head.norm", "classifier"}),
        ("ModernBertForMaskedLM", "text", (), {"classifier"}),
        ("LlamaForCausalLM", "text", (), {"score"}),
        ("T5Model", "text", (), {"classification_head.dense", "classification_head.out_proj"}),
        ("ViTModel", "images", (), {"classifier"}),
        ("CLIPModel", "images", (), {"classifier"}),
        ("ResNetModel", "images", (), {"classifier.1"}),
        ("SwiftFormerModel", "images", (), {"head", "dist_head", "norm"}),
    ],
)
def test_heads_and_poolers_may_be_new(
    save: Save, kind: str, modality: Modality, new: tuple[str, ...], head: set[str]
) -> None:
    extra = {"pad_token_id": 0, "embedding_size": 8} if kind.startswith(("Modern", "Albert")) else {}
    backbone = resolve_backbone(str(save(kind, **small(kind), **extra)))
    fit = compare_classifier(backbone, modality=modality)
    assert fit.new_layers == new
    assert [*fit.notes] == ([f"its {new[0]} is newly drawn: its weights have no pooler"] if new else [])
    if modality == "text" and backbone.config.get("pad_token_id") is None:
        return  # building it needs a tokenizer
    names = ["a", "b", "c"]
    model = build_classifier(backbone, modality=modality, classes=names)
    assert {name.rpartition(".")[0] for name in head_parameters(model)} == head
    for read in (backbone, resolve_backbone(str(backbone.folder), weights=False)):
        meta = build_classifier_on_meta(read, modality=modality, classes=names)
        assert head_parameters(meta) == head_parameters(model)


def test_without_weights_a_pooler_counts_as_there(save: Save) -> None:
    folder = save("BertForMaskedLM", pad_token_id=0)
    (folder / "model.safetensors").unlink()
    plain = resolve_backbone(str(folder), weights=False)
    with torch.device("meta"):
        model = build_classifier_on_meta(plain, modality="text", classes=["a", "b"])
    assert {name.rpartition(".")[0] for name in head_parameters(model)} == {"classifier"}


@pytest.mark.parametrize(
    ("kind", "auto_class"),
    [
        ("BertForMaskedLM", "AutoModelForSequenceClassification"),
        ("T5ForConditionalGeneration", "AutoModelForSequenceClassification"),
        ("LlamaForSequenceClassification", "AutoModelForCausalLM"),
        ("MixtralForCausalLM", "AutoModelForCausalLM"),  # whose experts are joined while loading
        ("ViTForImageClassification", "AutoModelForImageClassification"),
    ],
)
def test_what_would_be_found_is_what_is_found(save: Save, kind: str, auto_class: str) -> None:
    backbone = resolve_backbone(str(save(kind, **small(kind))))
    assert compare_weights(backbone, auto_class, "")[1] == load_weights(backbone, auto_class, "")[1]


def test_a_language_model_inside_a_larger_one_is_compared(save: Save) -> None:
    """Some configurations hold one for text and one for images; the language model reads the first."""
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "hidden_size": 8}
    text = {**heads, "vocab_size": 40, "num_hidden_layers": 4, "intermediate_size": 8}
    text |= {"linear_num_key_heads": 1, "linear_num_value_heads": 1}
    text |= {"linear_key_head_dim": 4, "linear_value_head_dim": 4}
    folder = save("Qwen3_5ForCausalLM", **text)
    config = transformers.Qwen3_5Config(text_config=text)
    (folder / "config.json").write_text(config.to_json_string())
    backbone = resolve_backbone(str(folder))
    assert compare_causal_lm(backbone).notes == ()
    message = refusal(change(folder, without("layers.3.")), None)
    assert "says 4 layers, but the weights have 3: model.layers.3 is missing" in message


def test_a_configuration_without_a_list_of_classes_is_read(save: Save) -> None:
    """transformers cannot choose between DeiT's two classifiers without one."""
    folder = save("DeiTModel", **IMAGES)
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"]
    (folder / "config.json").write_text(json.dumps(config))
    backbone = resolve_backbone(str(folder))
    assert compare_classifier(backbone, modality="images").notes == ()
    model = build_classifier(backbone, modality="images", classes=["a", "b"])
    assert type(model).__name__ == "DeiTForImageClassification"


def test_old_names_prefixes_and_buffers_are_read(save: Save) -> None:
    """Norms were once called gamma and beta, and buffers were stored with the weights."""

    def old(tensors: Tensors) -> Tensors:
        renamed = {
            re.sub(r"LayerNorm.bias$", "LayerNorm.beta", re.sub(r"Norm.weight$", "Norm.gamma", n)): t
            for n, t in tensors.items()
        }
        return {f"bert.{name}": value for name, value in renamed.items()} | {
            "bert.embeddings.position_ids": torch.arange(32)[None],
            "cls.predictions.bias": torch.zeros(40),
        }

    folder = save("BertModel")
    right = transformers.AutoModel.from_pretrained(folder).eval()
    backbone = change(folder, old)
    fit = compare_classifier(backbone, modality="text")
    assert fit.new_layers == fit.notes == ()
    ids = torch.tensor([[5, 6, 7]])
    body = load_weights(backbone, "AutoModelForSequenceClassification", "")[0].base_model
    assert torch.allclose(body.eval()(ids).pooler_output, right(ids).pooler_output, atol=1e-6)


def test_causal_masks_of_old_checkpoints_are_no_surplus(save: Save) -> None:
    masks = {"transformer.h.0.attn.bias": torch.ones(1, 1, 32, 32, dtype=torch.uint8)}
    masks["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    folder = save("GPT2LMHeadModel", n_embd=8, n_head=2, n_layer=2)
    assert compare_causal_lm(change(folder, lambda tensors: {**tensors, **masks})).notes == ()


def test_layers_that_the_configuration_leaves_out_are_said(save: Save) -> None:
    folder = save("BertModel", num_hidden_layers=6)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    assert compare_classifier(resolve_backbone(str(folder)), modality="text").notes == (
        "its weights also hold bert.encoder.layer.2 to bert.encoder.layer.5, which its config.json "
        "(2 layers) leaves out",
    )


def test_parameters_that_the_configuration_leaves_out_are_said(save: Save) -> None:
    folder = save("LlamaForCausalLM", attention_bias=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "attention_bias": False}))
    assert compare_causal_lm(resolve_backbone(str(folder))).notes == (
        "its weights also hold model.layers.0.self_attn.k_proj.bias and 7 more, which a model of its "
        "config.json does not have",
    )


@pytest.mark.parametrize(
    ("kind", "modality", "fields"),
    [
        ("BertModel", "text", {"intermediate_size": 16}),
        ("LlamaForCausalLM", None, {"vocab_size": 48}),
        ("ViTModel", "images", {"image_size": 16}),
        ("CLIPModel", "images", {"image_size": 16}),
    ],
)
def test_other_shapes_are_named(
    save: Save, kind: str, modality: Modality | None, fields: dict[str, int]
) -> None:
    folder = save(kind, **small(kind))
    config = json.loads((folder / "config.json").read_text())
    config.get("vision_config", config).update(fields)
    (folder / "config.json").write_text(json.dumps(config))
    message = refusal(resolve_backbone(str(folder)), modality)
    assert "do not have the shape that its config.json gives" in message


def test_weights_that_were_saved_in_parts_are_named(save: Save) -> None:
    name = "encoder.layer.1.output.dense.weight"
    backbone = change(save("BertModel"), lambda tensors: {**tensors, name: torch.zeros(0)})
    assert f"the weights of bert.{name} do not have the shape" in refusal(backbone)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "0.auto_model.", "base_model.model."])
def test_weights_under_other_names_are_refused(save: Save, prefix: str) -> None:
    backbone = change(save("BertModel"), lambda t: {f"{prefix}{name}": v for name, v in t.items()})
    assert "are not those of a bert model; most of its parameters are missing" in refusal(backbone)


def test_an_adapter_that_was_not_merged_is_named(save: Save) -> None:
    def wrapped(tensors: Tensors) -> Tensors:
        inside = {n.replace("query.", "query.base_layer."): t for n, t in tensors.items()}
        return inside | {"encoder.layer.0.attention.self.query.lora_A.default.weight": torch.zeros(2, 8)}

    assert "merge the adapter with merge_and_unload()" in refusal(change(save("BertModel"), wrapped))


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("BertForSequenceClassification", 2),
        ("RobertaForSequenceClassification", 2),
        ("RobertaForSequenceClassification", 3),
        ("DistilBertForSequenceClassification", 2),
        ("T5ForSequenceClassification", 2),
        ("ModernBertForSequenceClassification", 2),
        ("ViTForImageClassification", 2),
        ("DeiTForImageClassificationWithTeacher", 2),
    ],
)
def test_no_part_of_an_old_head_is_kept(save: Save, kind: str, classes: int) -> None:
    """A checkpoint fine-tuned on two classes starts a study of two classes from its backbone alone."""
    extra = {"dim": 8, "n_heads": 2, "n_layers": 2, "hidden_dim": 8} if kind.startswith("Distil") else {}
    extra = extra or (IMAGES if "Image" in kind else {"pad_token_id": 0, "eos_token_id": 1})
    extra = {**small(kind), **extra}
    folder = save(kind, num_labels=2, **extra)
    change(folder, lambda tensors: {n: t + 0.5 for n, t in tensors.items()})
    stored = dict(getattr(transformers, kind).from_pretrained(folder).named_parameters())
    modality: Modality = "images" if "Image" in kind else "text"
    names = ["a", "b", "c"][:classes]
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = build_classifier(resolve_backbone(str(folder)), modality=modality, classes=names)
        models.append({n: p.detach() for n, p in model.named_parameters()})
    body = f"{model.base_model_prefix}."
    assert {n for n in models[0] if not n.startswith(body)} == head_parameters(model)
    for name, value in models[0].items():
        assert torch.equal(value, models[1][name])
        if name.startswith(body):
            assert torch.equal(value, stored[name])
        elif value.dim() > 1:  # biases are zeros in every head, and norms ones
            assert value.shape != stored[name].shape or not torch.equal(value, stored[name])
            assert not torch.equal(value, models[2][name])
            assert 0 < value.std() < 1
        else:
            assert value.unique().tolist() in ([0.0], [1.0])


@pytest.mark.parametrize("kind", ["MarianMTModel", "PegasusForConditionalGeneration"])
def test_the_decoder_of_a_pair_is_no_language_model(save: Save, kind: str) -> None:
    sizes = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8}
    heads = {"decoder_ffn_dim": 8, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    folder = save(kind, **sizes, **heads, pad_token_id=0, decoder_start_token_id=0)
    with pytest.raises(BackboneError, match="cannot generate text from left to right"):
        compare_causal_lm(resolve_backbone(str(folder)))


def test_a_changed_folder_of_a_plan_is_not_compared(save: Save) -> None:
    """A plan needs the configuration alone."""
    folder = save("BertModel")
    shutil.copy(folder / "config.json", folder.parent)
    assert resolve_backbone(str(folder.parent), weights=False).notes == ()
