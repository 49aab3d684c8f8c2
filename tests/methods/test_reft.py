"""LoReFT as a PEFT tuner: edited positions, the formula, and use through PEFT's functions."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertModel,
    AutoModelForSequenceClassification,
    DistilBertConfig,
    DistilBertModel,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    LlamaModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

from whichpeft.backbones import resolve_backbone
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.methods.tuners.reft import Intervention, LoReftConfig, LoReftLayer, layer_names
from whichpeft.study import Budget
from whichpeft.testing.small_tasks import small_task

INPUTS = {"input_ids": torch.tensor([[101, 2023, 3185, 102], [101, 2003, 2204, 102]])}
SMALL: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 60
}  # fmt: skip


@pytest.fixture
def model(tiny_backbone: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    built: torch.nn.Module = AutoModelForSequenceClassification.from_pretrained(tiny_backbone)
    return built.eval()


def config(**fields: Any) -> LoReftConfig:
    return LoReftConfig(**{"rank": 2, "positions": 1, **fields})


def llama(kind: Any = LlamaModel, **fields: Any) -> Any:
    torch.manual_seed(0)
    return kind(LlamaConfig(intermediate_size=64, pad_token_id=0, **{**SMALL, **fields})).eval()


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**INPUTS).logits
    return found


def trained(model: torch.nn.Module, made: LoReftConfig) -> Any:
    """Adapt a model and change the trained parameters, as training would."""
    adapted = peft.get_peft_model(model, made)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "loreft_" in name and parameter.requires_grad:
                parameter.add_(0.3 * torch.randn(parameter.shape))
    return adapted.eval()


def test_loreft_computes_the_papers_formula_with_orthonormal_rows() -> None:
    torch.manual_seed(0)
    one = Intervention(16, config(rank=3), torch.device("cpu"))
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(torch.randn(parameter.shape))
    basis = one.basis()[0]
    torch.testing.assert_close(basis @ basis.T, torch.eye(3), atol=1e-5, rtol=0)
    h = torch.randn(2, 1, 5, 16)
    w, b = one.source[0], one.offset
    torch.testing.assert_close(one(h), (h @ w.T + b - h @ basis.T) @ basis, atol=1e-4, rtol=1e-4)
    span = torch.linalg.lstsq(one.rotation[0].T, basis.T).residuals
    assert span.numel() == 0 or float(span.max()) < 1e-6  # the same subspace as the raw rows


def test_loreft_starts_as_the_identity_and_trains_only_interventions(model: torch.nn.Module) -> None:
    before = logits(model)
    adapted = peft.get_peft_model(model, config(task_type="SEQ_CLS"))
    torch.testing.assert_close(logits(adapted), before, atol=1e-5, rtol=0)
    training = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
    assert all("loreft_" in name or "classifier" in name for name in training)
    count = sum(p.numel() for name, p in training.items() if "loreft_" in name)
    assert count == 2 * (2 * 2 * 32 + 2)
    adapted(**INPUTS).logits.sum().backward()
    assert all(p.grad is not None for p in training.values())


@pytest.mark.parametrize(("share", "published"), [("true", 2_097_408), ("false", 2 * 2_097_408)])
def test_parameter_counts_on_llama_7b_are_the_published_ones(share: str, published: int) -> None:
    with torch.device("meta"):
        base = LlamaModel(
            LlamaConfig(
                hidden_size=4096, intermediate_size=11008, num_hidden_layers=2, num_attention_heads=32
            )
        )
    context = MethodContext(task_type=None, head=frozenset(), steps=1, weightless=True)
    method = resolve_method(f"loreft:rank=8,share_weights={share}")
    adapted = method.apply(base, context).model
    training = [p for p in adapted.parameters() if p.requires_grad]
    assert sum(p.numel() for p in training) * 16 == published  # 32 layers
    tokens = torch.zeros(1, 4, dtype=torch.long, device="meta")
    assert adapted(input_ids=tokens).last_hidden_state.shape == (1, 4, 4096)


@pytest.mark.parametrize("share", [True, False])
def test_peft_saves_a_small_file_and_loads_it_equal(
    share: bool, model: torch.nn.Module, tmp_path: Path
) -> None:
    adapted = trained(model, config(task_type="SEQ_CLS", share_weights=share))
    expected = logits(adapted)
    adapted.save_pretrained(tmp_path)
    count = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert (tmp_path / "adapter_model.safetensors").stat().st_size < 4 * count + 10_000
    fresh = AutoModelForSequenceClassification.from_pretrained(model.config._name_or_path)
    loaded = peft.PeftModel.from_pretrained(fresh, str(tmp_path)).eval()
    assert torch.equal(logits(loaded), expected)
    cheaply = AutoModelForSequenceClassification.from_pretrained(model.config._name_or_path)
    lazily = peft.PeftModel.from_pretrained(cheaply, str(tmp_path), low_cpu_mem_usage=True).eval()
    assert torch.equal(logits(lazily), expected)


def test_merging_is_refused_and_unloading_leaves_nothing_behind(model: torch.nn.Module) -> None:
    before = logits(model)
    adapted = trained(model, config(task_type="SEQ_CLS"))
    after = logits(adapted)
    assert not torch.allclose(before, after)
    with pytest.raises(ValueError, match="cannot be merged into a weight"):
        adapted.merge_adapter()
    with pytest.raises(ValueError, match="cannot be merged into a weight"):
        adapted.merge_and_unload()
    assert torch.equal(logits(adapted), after)
    with adapted.disable_adapter():
        assert torch.equal(logits(adapted), before)
    bare = adapted.unload()
    assert torch.equal(logits(bare), before)
    assert not any(isinstance(module, LoReftLayer) for module in bare.modules())
    assert not any(m._forward_pre_hooks for m in bare.modules())


def test_a_second_adapter_and_a_copy_have_their_own_weights(model: torch.nn.Module) -> None:
    before = logits(model)
    adapted = trained(model, config(task_type="SEQ_CLS"))
    after = logits(adapted)
    twin = copy.deepcopy(adapted)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            if "loreft_" in name:
                parameter.zero_().add_(torch.randn(parameter.shape))
    assert not torch.allclose(logits(twin), after)
    assert torch.equal(logits(adapted), after)
    adapted.add_adapter("other", config(task_type="SEQ_CLS", positions=2))
    adapted.set_adapter("other")
    torch.testing.assert_close(logits(adapted), before, atol=1e-5, rtol=0)
    adapted.delete_adapter("other")
    adapted.set_adapter("default")
    assert torch.equal(logits(adapted), after)


def edited(adapted: Any, **inputs: torch.Tensor) -> torch.Tensor:
    """Return which positions the first layer's intervention changes, (batch, length)."""
    states = adapted(**inputs, output_hidden_states=True).hidden_states[1]
    with adapted.disable_adapter():
        bare = adapted(**inputs, output_hidden_states=True).hidden_states[1]
    return ((states - bare).abs().amax(dim=2) > 1e-4).int()


@pytest.mark.parametrize("share", [True, False])
def test_the_first_and_last_real_positions_are_edited_exactly(share: bool) -> None:
    adapted = trained(llama(), config(positions=2, share_weights=share))
    tokens = torch.tensor([[1, 2, 3, 4, 5, 6]]).repeat(5, 1)
    mask = torch.tensor(
        [
            [1, 1, 1, 1, 1, 1],
            [1, 1, 1, 1, 1, 0],
            [0, 1, 1, 1, 1, 1],
            [1, 1, 1, 0, 0, 0],  # shorter than twice two: one at either end
            [0, 0, 0, 0, 0, 1],  # a single token has no half
        ]
    )
    expected = torch.tensor(
        [
            [1, 1, 0, 0, 1, 1],
            [1, 1, 0, 1, 1, 0],
            [0, 1, 1, 0, 1, 1],
            [1, 0, 1, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
        ]
    )
    assert torch.equal(edited(adapted, input_ids=tokens, attention_mask=mask), expected)
    assert torch.equal(
        edited(adapted, input_ids=tokens[:1]), expected[:1]
    )  # without a mask, all are real


@pytest.mark.parametrize("left", [True, False], ids=["left", "right"])
@pytest.mark.parametrize("share", [True, False])
def test_padding_does_not_change_the_outputs_at_real_tokens(left: bool, share: bool) -> None:
    adapted = trained(llama(), config(positions=3, share_weights=share))
    tokens = torch.tensor([[1, 2, 3, 4, 5]])
    alone = adapted(input_ids=tokens).last_hidden_state
    pads, zeros = torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 4, dtype=torch.long)
    ones = torch.ones(1, 5, dtype=torch.long)
    padded = torch.cat([pads, tokens] if left else [tokens, pads], dim=1)
    mask = torch.cat([zeros, ones] if left else [ones, zeros], dim=1)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    together = adapted(input_ids=padded, attention_mask=mask, position_ids=places).last_hidden_state
    torch.testing.assert_close(together[mask.bool()], alone[0], atol=1e-5, rtol=1e-4)


def test_generation_edits_only_the_prompt() -> None:
    adapted = trained(llama(LlamaForCausalLM), config(positions=2, task_type="CAUSAL_LM"))
    prompt = torch.tensor([[5, 6, 7, 8, 9]])
    states = adapted(prompt, use_cache=True)
    cache = states.past_key_values
    token = states.logits[:, -1:].argmax(-1)
    step = adapted(token, past_key_values=cache, attention_mask=torch.ones(1, 6)).logits
    # The prompt in the cache was edited; the step itself is the bare model's.
    cache.crop(-1)
    with adapted.disable_adapter():
        bare = adapted(token, past_key_values=cache, attention_mask=torch.ones(1, 6)).logits
    torch.testing.assert_close(step, bare)
    made = adapted.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=4)
    assert made.shape == (1, 9)
    assert made[0, 5] == token


def test_an_encoder_decoder_is_edited_in_the_encoder_when_generating() -> None:
    torch.manual_seed(0)
    base = T5ForConditionalGeneration(
        T5Config(d_model=32, num_layers=2, num_heads=2, d_kv=16, d_ff=64, vocab_size=60,
                 decoder_start_token_id=0)
    ).eval()  # fmt: skip
    assert layer_names(base) == ["encoder.block.0", "encoder.block.1"]
    adapted = trained(base, config(positions=1))
    mask = torch.tensor([[1, 1, 1, 0]])
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 0]]), "attention_mask": mask}
    states = adapted(**inputs, decoder_input_ids=torch.tensor([[0]])).encoder_last_hidden_state
    alone = base.get_encoder()(**inputs).last_hidden_state  # as generation calls it
    assert torch.equal(states, alone)
    short = base.get_encoder()(input_ids=torch.tensor([[5, 6, 7]])).last_hidden_state
    torch.testing.assert_close(alone[:, :3], short, atol=1e-5, rtol=1e-4)


def test_a_mask_over_audio_samples_is_read_per_frame() -> None:
    torch.manual_seed(0)
    base = Wav2Vec2Model(
        Wav2Vec2Config(
            intermediate_size=64, conv_dim=(16, 16), conv_kernel=(10, 4), conv_stride=(5, 4),
            num_feat_extract_layers=2, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
            **SMALL,
        )
    ).eval()  # fmt: skip
    adapted = trained(base, config(positions=2))
    sound, mask = torch.randn(1, 400), torch.ones(1, 400, dtype=torch.long)
    mask[:, 200:] = 0
    found = edited(adapted, input_values=sound, attention_mask=mask)
    length = found.shape[1]
    assert found.nonzero()[:, 1].tolist() in (
        [0, 1, n - 2, n - 1] for n in (length // 2, length // 2 + 1)
    )


def families() -> dict[str, tuple[torch.nn.Module, dict[str, torch.Tensor], int]]:
    """Return a tiny model of each family, its inputs, and its number of layers."""
    torch.manual_seed(0)
    tokens = {"input_ids": torch.tensor([[1, 2, 3, 4]]), "attention_mask": torch.tensor([[1, 1, 1, 0]])}
    pixels = {"pixel_values": torch.randn(1, 3, 16, 16)}
    return {
        "roberta": (RobertaModel(RobertaConfig(intermediate_size=64, **SMALL)), tokens, 2),
        "distilbert": (DistilBertModel(DistilBertConfig(hidden_dim=64, **SMALL)), tokens, 2),
        "albert": (
            AlbertModel(AlbertConfig(intermediate_size=64, embedding_size=16, **SMALL)), tokens, 1
        ),
        "gpt2": (GPT2Model(GPT2Config(**SMALL)), tokens, 2),
        "llama": (llama(LlamaForSequenceClassification), tokens, 2),
        "vit": (
            ViTForImageClassification(
                ViTConfig(
                    image_size=16, patch_size=4, hidden_size=32, num_hidden_layers=2,
                    num_attention_heads=2, intermediate_size=64,
                )
            ),
            pixels,
            2,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("family", list(families()))
def test_loreft_trains_on_other_families(family: str) -> None:
    base, inputs, layers = families()[family]
    base.eval()
    before = base(**inputs)[0].detach()
    context = MethodContext(task_type=None, head=frozenset(), steps=1)
    adapted = resolve_method("loreft:rank=2,positions=1").apply(base, context).model.eval()
    assert len(layer_names(base)) == layers
    torch.testing.assert_close(adapted(**inputs)[0], before, atol=1e-5, rtol=1e-4)
    adapted(**inputs)[0].pow(2).sum().backward()
    assert all(p.grad is not None for p in adapted.parameters() if p.requires_grad)


def test_recorded_hidden_states_are_the_edited_ones() -> None:
    base = llama()
    tokens = torch.tensor([[1, 2, 3, 4]])
    base(tokens, output_hidden_states=True)  # transformers installs its recording hooks here
    adapted = trained(base, config(positions=1))
    states = adapted(tokens, output_hidden_states=True).hidden_states
    assert len(states) == 3
    again = base.layers[1](
        states[1], position_embeddings=base.rotary_emb(states[1], torch.arange(4)[None])
    )
    torch.testing.assert_close(base.norm(again), states[2])


def test_gradient_checkpointing_gives_the_same_gradients() -> None:
    tokens, mask = torch.tensor([[1, 2, 3, 4, 0]]), torch.tensor([[1, 1, 1, 1, 0]])
    gradients = []
    for checkpointing in (False, True):
        adapted = trained(llama(), config(positions=1)).train()
        if checkpointing:
            adapted.base_model.model.gradient_checkpointing_enable({"use_reentrant": False})
        adapted(input_ids=tokens, attention_mask=mask).last_hidden_state.pow(2).sum().backward()
        gradients.append([p.grad for p in adapted.parameters() if p.requires_grad])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)


def test_loreft_works_under_bfloat16(model: torch.nn.Module) -> None:
    adapted = trained(model, config(task_type="SEQ_CLS"))
    expected = logits(adapted)
    with torch.autocast("cpu", torch.bfloat16):
        adapted(**INPUTS).logits.sum().backward()
        torch.testing.assert_close(logits(adapted).float(), expected, atol=0.05, rtol=0.05)
    training = [p for name, p in adapted.named_parameters() if "loreft_" in name]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in training)
    wholly = adapted.to(torch.bfloat16)
    assert logits(wholly).isfinite().all()


def test_settings_that_cannot_work_are_refused(tiny_backbone: Path) -> None:
    backbone, task = resolve_backbone(str(tiny_backbone)), small_task()
    assert "rank 33" in (resolve_method("loreft:rank=33").refuses(backbone, task, Budget()) or "")
    assert resolve_method("loreft:rank=32").refuses(backbone, task, Budget()) is None
    swin = replace(backbone, config={"model_type": "swin"} | {"depths": [1, 1], "num_heads": [2, 2]})
    assert "equal width" in (resolve_method("loreft").refuses(swin, task, Budget()) or "")
    adapted = trained(llama(), config())
    with pytest.raises(ValueError, match=r"mask of shape \(batch, length\)"):
        adapted(input_ids=torch.tensor([[1, 2]]), attention_mask=torch.zeros(1, 1, 2, 2))
