"""On every family, exactly the methods that cannot train are refused: one step each, with content."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from whichpeft.backbones import Backbone
from whichpeft.methods import MethodContext, methods, resolve_method
from whichpeft.planning.probing import probe
from whichpeft.study import Budget
from whichpeft.tasks import TextTask, text_task
from whichpeft.tasks.classifier import head_parameters
from whichpeft.tasks.text_encoding import made_up_ids

VOCABULARY = 120
BART: dict[str, Any] = {
    "vocab_size": VOCABULARY, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64, "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 2,
}  # fmt: skip
T5: dict[str, Any] = {
    "vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2,
    "num_decoder_layers": 2, "num_heads": 4, "pad_token_id": 0, "eos_token_id": 2,
    "decoder_start_token_id": 0,
}  # fmt: skip
BERT: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "max_position_embeddings": 256,
}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "bart": BART, "mbart": BART, "plbart": BART, "mvp": BART, "t5": T5, "mt5": T5, "umt5": T5,
    "bert": BERT, "deberta-v2": BERT | {"relative_attention": True, "position_biased_input": False},
    "albert": BERT | {"embedding_size": 16}, "longformer": BERT | {"attention_window": [8, 8]},
    "big_bird": BERT | {"attention_type": "original_full"}, "roformer": BERT | {"embedding_size": 32},
    "xlnet": {
        "vocab_size": VOCABULARY, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64,
        "pad_token_id": 0,
    },
    "gpt2": {
        "vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    },
    "opt": BERT | {"ffn_dim": 64, "word_embed_proj_dim": 32}, "gpt_neox": BERT,
    "falcon": BERT, "bloom": {
        "vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4, "pad_token_id": 0,
        "bos_token_id": 1, "eos_token_id": 2,
    },
}  # fmt: skip
VIRTUAL = ("prefix", "prompt", "p-tuning", "multitask-prompt")
QUICK = ("head", "lora", "ia3", "bitfit", "series-adapter", "loreft", *VIRTUAL)
OPTIONS = {"trainable-tokens": "trainable-tokens:token_indices=[10,11]"}
# Methods that would train, but on something else than the last token: refused for what they learn.
WRONG = {"prompt", "p-tuning", "multitask-prompt", "cpt", "shadow", "few-shot"}


def read(family: str, folder: Path) -> tuple[Backbone, TextTask, torch.nn.Module]:
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.for_model(family, **FAMILIES[family])).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    backbone = Backbone(name=family, revision="0", folder=folder, config=config)
    task = text_task("t", train=[(f"w {i}", i % 2) for i in range(40)])
    return backbone, task, task.build(backbone)


def refusal(text: str, backbone: Backbone, task: TextTask) -> str | None:
    method = resolve_method(text)
    return method.refuses(backbone, task, Budget(epochs=20)) or probe(
        method, backbone, task, same_targets=True
    )


def train(text: str, backbone: Backbone, task: TextTask, model: torch.nn.Module) -> None:
    """Take a step and an evaluation on random texts. Raises what the method raises."""
    model = copy.deepcopy(model)
    context = MethodContext(task_type="SEQ_CLS", head=frozenset(head_parameters(model)), steps=100)
    adapter = resolve_method(text).apply(model, context)
    ids = made_up_ids(backbone, 4, 12)
    ids[:, 1:-1] = torch.randint(5, VOCABULARY, (4, 10))
    batch = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": torch.tensor([0, 1, 0, 1]),
    }
    loss = task.loss(adapter.model.train(), batch)
    assert torch.isfinite(loss)
    if adapter.trains:
        loss.backward()
        torch.optim.AdamW([p for p in adapter.model.parameters() if p.requires_grad]).step()
        adapter.after_step(0)
    with torch.no_grad():
        task.outputs(adapter.model.eval(), batch)


def check(family: str, names: tuple[str, ...], folder: Path) -> None:
    backbone, task, model = read(family, folder)
    for name in names:
        text = OPTIONS.get(name, name)
        reason = refusal(text, backbone, task)
        failure: Exception | None = None
        try:
            train(text, backbone, task, model)
        except Exception as error:  # of many kinds, from the libraries
            failure = error
        if reason is None:
            assert failure is None, f"{name} on {family}: {failure!r}"
        elif name not in WRONG:
            assert failure is not None, f"{name} on {family} trains, but: {reason}"


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_virtual_tokens_on_encoder_decoders(family: str, tmp_path: Path) -> None:
    backbone, task, model = read(family, tmp_path)
    for name in VIRTUAL:
        reason = refusal(name, backbone, task)
        assert reason is not None
        assert family in reason, "the reason names the family"
        with pytest.raises((AttributeError, NotImplementedError, ValueError)):
            train(name, backbone, task, model)
    for name in ("lora", "head"):
        assert refusal(name, backbone, task) is None
        train(name, backbone, task, model)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_what_cannot_train_is_refused(family: str, tmp_path: Path) -> None:
    check(family, QUICK, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bart", "t5", "gpt2"])
def test_every_method_of_the_catalogue(family: str, tmp_path: Path) -> None:
    check(family, tuple(name for name in methods() if name != "top-layers"), tmp_path)
