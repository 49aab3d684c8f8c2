"""What of a folder belongs to a backbone: its weights without an adapter, and all that it reads with."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

from whichpeft.backbones import resolve, resolve_backbone
from whichpeft.backbones.folder import belonging_files, earlier_revision
from whichpeft.errors import BackboneError
from whichpeft.running.reading import read_of_backbone
from whichpeft.tasks import text_task
from whichpeft.tasks.classifier import build_classifier
from whichpeft.tasks.generative.causal_lm import load_causal_lm

from ..hub_stub import hub
from .conftest import Save
from .test_resolve import resolve_apart

IDS = torch.tensor([[5, 6, 7, 8]])
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"


def add_adapter(folder: Path, auto_class: str, *, merged: bool = False) -> None:
    """Train nothing, but save an adapter that changes every output into a model's own folder."""
    import peft

    base = getattr(transformers, auto_class).from_pretrained(folder)
    model = peft.get_peft_model(
        base, peft.LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    )
    model.save_pretrained(folder)
    if merged:
        model.merge_and_unload().save_pretrained(folder)


def text(folder: Path) -> torch.nn.Module:
    """Return the body of a classifier, whose head is random."""
    backbone = resolve_backbone(str(folder))
    return build_classifier(backbone, modality="text", classes=["a", "b"]).base_model.eval()


def plain(folder: Path, auto_class: str) -> torch.nn.Module:
    """Load a model with transformers alone from a copy without the adapter's files."""
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    for path in copy.glob("adapter_*"):
        path.unlink()
    return getattr(transformers, auto_class).from_pretrained(copy).eval()


@pytest.mark.parametrize("merged", [False, True])
def test_an_adapter_in_the_folder_is_not_loaded(save: Save, merged: bool) -> None:
    folder = save("BertModel")
    untouched = transformers.AutoModel.from_pretrained(folder).eval()(IDS).last_hidden_state
    add_adapter(folder, "AutoModel", merged=merged)
    right = plain(folder, "AutoModel")(IDS).last_hidden_state
    assert torch.equal(text(folder)(IDS).last_hidden_state, right)
    assert torch.equal(right, untouched) is not merged  # merging changed the model itself
    # transformers alone would load it on top.
    assert not torch.allclose(
        transformers.AutoModel.from_pretrained(folder).eval()(IDS).last_hidden_state, right
    )
    assert "adapter_config.json" in resolve_backbone(str(folder)).notes[0]


def test_language_and_image_models_are_loaded_without_an_adapter(
    save: Save, tiny_writer: resolve.Backbone, tmp_path: Path
) -> None:
    writer = tmp_path / "writer"
    shutil.copytree(tiny_writer.files, writer)
    add_adapter(writer, "AutoModelForCausalLM")
    right = plain(writer, "AutoModelForCausalLM")(IDS).logits
    assert torch.equal(load_causal_lm(resolve_backbone(str(writer))).eval()(IDS).logits, right)

    shutil.rmtree(tmp_path / "copy")
    images = save("ViTModel", "images", image_size=8, patch_size=4)
    add_adapter(images, "AutoModel")
    pixels = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    right = plain(images, "AutoModel")(pixels).last_hidden_state
    model = build_classifier(resolve_backbone(str(images)), modality="images", classes=["a", "b"])
    assert torch.equal(model.vit.eval()(pixels).last_hidden_state, right)  # type: ignore[union-attr,operator]


@pytest.mark.parametrize("others", [(), ("config.json",), ("training_args.bin",), ("head.safetensors",)])
def test_a_folder_with_only_an_adapter_is_refused(tmp_path: Path, others: tuple[str, ...]) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x")
    for name in others:
        (tmp_path / name).write_text('{"model_type": "bert"}')
    with pytest.raises(BackboneError, match=r"holds a PEFT adapter .*its base model, 'owner/base'"):
        resolve_backbone(str(tmp_path))


def test_an_adapter_on_the_hub_is_refused(tmp_path: Path) -> None:
    files = {
        "adapter_config.json": b'{"base_model_name_or_path": "owner/base"}',
        "adapter_model.safetensors": b"x",
    }
    with hub({"someone/adapter": files}) as address:
        found = resolve_apart("someone/adapter", tmp_path, HF_ENDPOINT=address)
    assert "refused: backbone 'someone/adapter': holds a PEFT adapter" in found
    assert "its base model, 'owner/base'" in found


def test_chat_templates_come_from_the_hub_too(tmp_path: Path) -> None:
    files = {
        "config.json": b'{"model_type": "bert"}',
        "model.safetensors": b"weights",
        "chat_template.jinja": b"{{ messages }}",
    }
    with hub({"someone/chat": files}) as address:
        assert "chat_template.jinja" in resolve_apart("someone/chat", tmp_path, HF_ENDPOINT=address)


@pytest.mark.parametrize("place", ["0_Transformer", "checkpoint-20", "snapshots/0123"])
def test_a_model_in_a_sub_folder_is_named(save: Save, tmp_path: Path, place: str) -> None:
    save("BertModel", f"outer/{place}")
    (tmp_path / "outer" / "modules.json").write_text("[]")
    with pytest.raises(BackboneError, match=rf"no config.json; a model is in {place}: give that folder"):
        resolve_backbone(str(tmp_path / "outer"))


def test_a_distributed_checkpoint_is_refused(save: Save) -> None:
    folder = save("BertModel")
    (folder / "shard-00001-model-00001-of-00001.safetensors").write_bytes(b"x")
    with pytest.raises(BackboneError, match="holds a distributed checkpoint"):
        resolve_backbone(str(folder))


DECIDING = (
    "tokenizer.json", "tokenizer_config.json", "vocab.txt", "merges.txt", "special_tokens_map.json",
    "added_tokens.json", "chat_template.jinja", "additional_chat_templates/tools.jinja", "spiece.model",
    "preprocessor_config.json", "processor_config.json", "config.json",
)  # fmt: skip
OTHERS = (
    "README.md", "LICENSE", "optimizer.pt", "training_args.bin", "trainer_state.json", "rng_state.pth",
    "adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors",
    "generation_config.json", "1_Pooling/config.json", "onnx/model.onnx", "modules.json",
    ".gitattributes", "tokenizer/vocab.txt",
)  # fmt: skip


@pytest.mark.parametrize("name", DECIDING)
def test_what_decides_the_input_belongs_to_the_revision(save: Save, name: str) -> None:
    folder = save("BertModel")
    revisions = {resolve_backbone(str(folder)).revision}
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    for text_of_it in ('{"model_type": "bert"}', '{"model_type": "bert" }'):
        path.write_text(text_of_it)
        revisions.add(resolve_backbone(str(folder)).revision)
    assert len(revisions) == 3
    if name != "config.json":  # the name counts as well as the content
        path.rename(folder / "vocab.other")
        assert resolve_backbone(str(folder)).revision not in revisions


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_do_not_belong_to_the_revision(save: Save, name: str) -> None:
    folder = save("BertModel")
    before = resolve_backbone(str(folder)).revision
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    assert resolve_backbone(str(folder)).revision == before


def test_a_link_counts_as_the_file_it_points_to(save: Save, tmp_path: Path) -> None:
    folder = save("BertModel")
    (folder / "vocab.txt").write_text("a\nb\n")
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    assert resolve_backbone(str(linked)).revision == resolve_backbone(str(folder)).revision
    (folder / "vocab.txt").unlink()
    with pytest.raises(BackboneError, match=r"vocab.txt: is a link to a file that is not there"):
        belonging_files(linked, [linked / "vocab.txt"])


def test_every_file_of_transformers_tokenizers_belongs(tmp_path: Path) -> None:
    """No tokenizer of the installed transformers reads a file that the revision leaves out."""
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    names: set[str] = set()
    for kind in filter(None, TOKENIZER_MAPPING_NAMES.values()):
        try:
            names |= set(tokenizer_class_from_name(kind).vocab_files_names.values())
        except (AttributeError, ImportError):  # needs a library that is not installed
            continue
    assert len(names) > 10
    for name in names:
        (tmp_path / name).write_text("")
    assert set(belonging_files(tmp_path, [])) >= names


def test_backbones_made_here_keep_their_revision(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save("BertModel")
    (folder / "tokenizer.json").write_text("{}")
    digest = hashlib.sha256()
    for name in ("config.json", "model.safetensors"):
        digest.update(hashlib.sha256((folder / name).read_bytes()).hexdigest().encode())
    monkeypatch.setattr(resolve, "tiny_llama_folder", lambda: folder)
    monkeypatch.setattr(resolve, "digits_vit_folder", lambda: folder)
    for name in ("tiny-llama", "digits-vit"):
        assert resolve_backbone(name).revision == digest.hexdigest()[:16] == earlier_revision(folder)
    assert resolve_backbone(str(folder)).revision != digest.hexdigest()[:16]


def test_only_the_weights_that_are_loaded_count(save: Save) -> None:
    folder = save("BertModel")
    before = resolve_backbone(str(folder)).revision
    (folder / "model.fp16.safetensors").write_bytes(b"another variant")
    (folder / "consolidated.safetensors").write_bytes(b"the same in another layout")
    assert resolve_backbone(str(folder)).revision == before
    model = transformers.AutoModel.from_pretrained(folder)
    model.save_pretrained(folder, max_shard_size="1KB")
    assert (folder / "model.safetensors.index.json").exists()
    (folder / "model.safetensors").unlink(missing_ok=True)
    parts = sorted(folder.glob("model-*.safetensors"))
    assert torch.equal(text(folder)(IDS)[0], model.eval()(IDS)[0])
    split = resolve_backbone(str(folder)).revision
    parts[-1].unlink()
    with pytest.raises(BackboneError, match=rf"names {parts[-1].name}, which is not in its folder"):
        resolve_backbone(str(folder))
    # With both, transformers reads the whole file and leaves the parts: said.
    model.save_pretrained(folder / "whole")
    shutil.copy(folder / "whole" / "model.safetensors", folder)
    both = resolve_backbone(str(folder))
    assert both.revision == before != split
    assert "are not read" in both.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("model.safetensors", b"", "is empty; copy or download it again"),
        (
            "model.safetensors",
            POINTER,
            "is a pointer of Git LFS instead of the file; run `git lfs pull`",
        ),
        ("tokenizer.json", POINTER, "is a pointer of Git LFS"),
        ("config.json", POINTER, "is a pointer of Git LFS"),
        ("spiece.model", POINTER, "is a pointer of Git LFS"),
    ],
)
def test_files_without_their_content(save: Save, name: str, content: bytes, complaint: str) -> None:
    folder = save("BertModel")
    (folder / name).write_bytes(content)
    with pytest.raises(BackboneError, match=rf"{re.escape(str(folder / name))}: {complaint}"):
        resolve_backbone(str(folder))


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (["pytorch_model.bin"], "pytorch_model.bin is in PyTorch's pickle format"),
        (["model-q4.gguf"], "model-q4.gguf is in GGUF"),
        (["consolidated.safetensors"], "only consolidated.safetensors; save the whole model"),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], "and 1 more; save"),
    ],
)
def test_weights_of_other_formats(tmp_path: Path, files: list[str], complaint: str) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(BackboneError, match=complaint):
        resolve_backbone(str(tmp_path))


@pytest.mark.parametrize(
    ("key", "how"),
    [
        ("quantization_config", "gptq"),
        ("quantization_config", "bitsandbytes"),
        ("compression_config", ""),
    ],
)
def test_weights_that_are_stored_quantised(save: Save, key: str, how: str) -> None:
    folder = save("BertModel")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: {"quant_method": how, "bits": 4}}))
    with pytest.raises(BackboneError, match=rf"stored quantised.*{how}.*--quantise"):
        resolve_backbone(str(folder))
    assert resolve_backbone(str(folder), weights=False).config["model_type"] == "bert"  # for plans
    (folder / "config.json").write_text(json.dumps({**config, key: None}))
    assert text(folder)(IDS)[0].shape == (1, 4, 8)


def test_quantised_and_damaged_tensors_are_found_before_the_first_trial(save: Save) -> None:
    task = text_task("plain", train=[(f"word {i}", i % 2) for i in range(40)])
    folder = save("BertModel")
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    tensors = load_file(path)
    name = "encoder.layer.0.output.dense.weight"
    for kind, stored in ((torch.float8_e4m3fn, "F8_E4M3"), (torch.int8, "I8")):
        save_file({**tensors, name: tensors[name].to(kind)}, path)
        with pytest.raises(BackboneError, match=rf"stored quantised \({name} as {stored}\)"):
            read_of_backbone(resolve_backbone(str(folder)), [task])
    for half in (torch.float16, torch.bfloat16):
        save_file({key: value.to(half) for key, value in tensors.items()}, path, {"format": "pt"})
        assert read_of_backbone(resolve_backbone(str(folder)), [task]).notes == ()
        right = {key: value.to(half).float() for key, value in tensors.items()}
        assert torch.equal(text(folder).state_dict()[name], right[name])
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackboneError, match=r"model.safetensors: is damaged or incomplete"):
        read_of_backbone(resolve_backbone(str(folder)), [task])


def test_code_of_its_own_is_not_run_and_said(save: Save) -> None:
    folder = save("BertModel")
    config = json.loads((folder / "config.json").read_text())
    code = {"AutoModelForSequenceClassification": "modeling_own.Own", "AutoConfig": "own.Config"}
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": code}))
    (folder / "modeling_own.py").write_text("raise SystemExit")
    assert text(folder)(IDS)[0].shape == (1, 4, 8)
    assert "not run: the model is transformers' bert" in resolve_backbone(str(folder)).notes[0]


@pytest.mark.parametrize(("dtype", "factor"), [("float32", 1), ("bfloat16", 2), (None, 1)])
def test_the_size_of_the_weights_in_float32(tiny_backbone: Path, dtype: str | None, factor: int) -> None:
    backbone = resolve_backbone(str(tiny_backbone))
    backbone = replace(backbone, config={**backbone.config, "dtype": dtype})
    stored = (tiny_backbone / "model.safetensors").stat().st_size
    assert backbone.float32_bytes == factor * stored
    assert replace(backbone, folder=None).float32_bytes == 0
