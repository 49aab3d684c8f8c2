"""Series and parallel adapters: PEFT tuners, placement in a layer, and parameter counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import (
    CONFIG_MAPPING,
    AutoModel,
    AutoModelForSequenceClassification,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaForSequenceClassification,
    LlamaModel,
    ViTConfig,
    ViTForImageClassification,
)

from whichpeft.backbones import resolve_backbone
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.methods.layers import attention_ends, feed_forward_ends, feed_forward_modules
from whichpeft.methods.tuners.bottleneck import (
    BottleneckConfig,
    ParallelAdapterConfig,
    SeriesAdapterConfig,
)
from whichpeft.study import Budget
from whichpeft.testing.small_tasks import small_task

INPUTS = {"input_ids": torch.tensor([[101, 2023, 3185, 102], [101, 2003, 2204, 102]])}
CONFIGS = [
    SeriesAdapterConfig(task_type="SEQ_CLS", bottleneck=4, target_modules=["dense"]),
    ParallelAdapterConfig(task_type="SEQ_CLS", bottleneck=4, target_modules=["dense", "query"]),
]
BOTH = pytest.mark.parametrize("config", CONFIGS, ids=["series", "parallel"])


@pytest.fixture
def model(tiny_backbone: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    built: torch.nn.Module = AutoModelForSequenceClassification.from_pretrained(tiny_backbone)
    return built.eval()


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**INPUTS).logits
    return found


def trained(model: torch.nn.Module, config: BottleneckConfig) -> torch.nn.Module:
    """Adapt a model and change the trained parameters, as training would."""
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "_bottleneck" in name and parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return adapted.eval()


@BOTH
def test_adapters_start_as_the_identity_and_only_bottlenecks_train(
    config: BottleneckConfig, model: torch.nn.Module
) -> None:
    before = logits(model)
    adapted = peft.get_peft_model(model, replace(config))
    assert torch.equal(logits(adapted), before)
    training = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert all("_bottleneck" in name or "classifier" in name for name in training)
    adapted(**INPUTS).logits.sum().backward()
    ups = [p for name, p in adapted.named_parameters() if name.endswith("up.weight")]
    assert all(up.grad is not None and up.grad.abs().sum() > 0 for up in ups)


@BOTH
def test_peft_saves_a_small_file_and_loads_it_equal(
    config: BottleneckConfig, model: torch.nn.Module, tmp_path: Path
) -> None:
    adapted = trained(model, replace(config))
    expected = logits(adapted)
    adapted.save_pretrained(tmp_path)
    count = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert (tmp_path / "adapter_model.safetensors").stat().st_size < 4 * count + 10_000
    fresh = AutoModelForSequenceClassification.from_pretrained(model.config._name_or_path)
    loaded = peft.PeftModel.from_pretrained(fresh, str(tmp_path)).eval()
    assert torch.equal(logits(loaded), expected)


@BOTH
def test_merging_is_refused_and_disabling_gives_the_bare_model(
    config: BottleneckConfig, model: torch.nn.Module
) -> None:
    before = logits(model)
    adapted = trained(model, replace(config))
    after = logits(adapted)
    assert not torch.allclose(before, after)
    with pytest.raises(ValueError, match="cannot be merged into a weight"):
        adapted.merge_adapter()
    with pytest.raises(ValueError, match="cannot be merged into a weight"):
        adapted.merge_and_unload()
    assert torch.equal(logits(adapted), after)
    with adapted.disable_adapter():
        assert torch.equal(logits(adapted), before)
    assert torch.equal(logits(adapted.unload()), before)


@BOTH
def test_a_second_adapter_has_its_own_bottlenecks(
    config: BottleneckConfig, model: torch.nn.Module
) -> None:
    before = logits(model)
    adapted = trained(model, replace(config))
    after = logits(adapted)
    adapted.add_adapter("other", replace(config))
    adapted.set_adapter("other")
    assert torch.equal(logits(adapted), before)
    adapted.delete_adapter("other")
    adapted.set_adapter("default")
    assert torch.equal(logits(adapted), after)


def test_adapters_compute_the_papers_formulas() -> None:
    torch.manual_seed(0)
    base = torch.nn.Sequential(torch.nn.Linear(6, 3))
    x = torch.randn(2, 6)
    hidden = base(x)
    settings: dict[str, Any] = {"bottleneck": 2, "target_modules": ["0"], "use_bias": True}
    series = trained(base, SeriesAdapterConfig(activation="tanh", **settings))
    inner = series.base_model.model[0].series_adapter_bottleneck["default"]
    assert inner.down.weight.shape == (2, 3)
    torch.testing.assert_close(series(x), hidden + inner.up(torch.tanh(inner.down(hidden))))
    series.unload()
    parallel = trained(base, ParallelAdapterConfig(scaling=3.0, **settings))
    inner = parallel.base_model.model[0].parallel_adapter_bottleneck["default"]
    assert inner.down.weight.shape == (2, 6)
    torch.testing.assert_close(parallel(x), hidden + 3 * inner.up(torch.relu(inner.down(x))))


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("series-adapter:bottleneck=256,target_modules=[down_proj]", 67_108_864),
        ("parallel-adapter:bottleneck=256,target_modules=[up_proj,down_proj]", 247_463_936),
    ],
)
def test_parameter_counts_on_llama_7b_are_the_published_ones(text: str, published: int) -> None:
    config = LlamaConfig(
        hidden_size=4096, intermediate_size=11008, num_hidden_layers=2, num_attention_heads=32
    )
    with torch.device("meta"):
        model = LlamaModel(config)
    context = MethodContext(task_type=None, head=frozenset(), steps=1, weightless=True)
    adapted = resolve_method(text).apply(model, context).model
    training = [p for p in adapted.parameters() if p.requires_grad]
    assert sum(p.numel() for p in training) * 16 == published  # 32 layers
    tokens = torch.zeros(1, 4, dtype=torch.long, device="meta")
    assert adapted(input_ids=tokens).last_hidden_state.shape == (1, 4, 4096)


SIZES: dict[str, dict[str, int]] = {
    "bert": {}, "roberta": {}, "electra": {"embedding_size": 32},
    "esm": {"vocab_size": 33, "pad_token_id": 1},
    "deberta-v2": {}, "albert": {"embedding_size": 16}, "distilbert": {"dim": 32, "hidden_dim": 64},
    "llama": {}, "mistral": {"num_key_value_heads": 2}, "qwen2": {"num_key_value_heads": 2},
    "vit": {}, "dinov2": {}, "gpt2": {}, "gpt_neox": {}, "bloom": {}, "modernbert": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32}, "wav2vec2": {},
    "t5": {"d_ff": 64, "d_kv": 16, "num_decoder_layers": 2}, "bart": {}, "whisper": {},
}  # fmt: skip
ENCODER_DECODERS = ("t5", "bart", "whisper")


def bare(family: str) -> torch.nn.Module:
    """Return a model with two layers of a family, without weights."""
    config = CONFIG_MAPPING[family](
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        **(
            {}
            if family in ("distilbert", "gpt2", "opt", *ENCODER_DECODERS)
            else {"intermediate_size": 64}
        ),
        **({"decoder_layers": 2, "decoder_attention_heads": 2} if family in ("bart", "whisper") else {}),
        **SIZES[family],
    )
    with torch.device("meta"):
        model: torch.nn.Module = AutoModel.from_config(config)
    return model


@pytest.mark.parametrize("family", list(SIZES))
def test_both_blocks_are_found_in_every_layer(family: str) -> None:
    model = bare(family)
    layers = {"albert": 1, **dict.fromkeys(ENCODER_DECODERS, 4)}.get(family, 2)
    crossings = 2 if family in ENCODER_DECODERS else 0  # the decoder's attention to the encoder
    assert len(attention_ends(model)) == layers + crossings
    assert len(feed_forward_ends(model)) == layers
    assert len(feed_forward_modules(model)) == 2 * layers
    widths = {weight_of(model, name).shape[0] for name in feed_forward_ends(model) if family != "gpt2"}
    assert widths <= {model.config.hidden_size}  # the width of the residual stream


def weight_of(model: torch.nn.Module, name: str) -> torch.Tensor:
    weight: torch.Tensor = model.get_submodule(name).weight
    return weight


def test_each_placement_targets_the_right_modules(model: torch.nn.Module) -> None:
    context = MethodContext(task_type="SEQ_CLS", head=frozenset({"classifier.weight"}), steps=1)
    expected = {
        "series-adapter": {"attention.output.dense", "output.dense"},
        "series-adapter:placement=pfeiffer": {"output.dense"},
        "series-adapter:placement=modules": {"query", "key", "value"},
        "series-adapter:target_modules=[intermediate.dense]": {"intermediate.dense"},
        "parallel-adapter": {"query", "key", "value"},
    }
    for text, endings in expected.items():
        method: Any = resolve_method(text)
        names = method.choose_targets(model, context)
        assert {e for e in endings for name in names if name.endswith(e)} == endings
        assert all(name.endswith(tuple(endings)) for name in names)
    assert len(method.choose_targets(model, replace(context, same_targets=False))) == 4


def test_target_modules_imply_placement_modules() -> None:
    method = resolve_method("series-adapter:target_modules=[output.dense]")
    assert method.hyperparameters["placement"] == "modules"
    explicit = resolve_method("series-adapter:placement=modules,target_modules=[output.dense]")
    assert explicit.identity == method.identity


def test_a_family_with_unknown_names_is_refused_with_a_fix(tiny_backbone: Path) -> None:
    backbone = resolve_backbone(str(tiny_backbone))
    unknown = replace(backbone, config={"model_type": "fnet", "num_hidden_layers": 1})
    reason = resolve_method("series-adapter").refuses(unknown, small_task(), Budget())
    assert "fnet" in (reason or "")
    assert "target_modules" in (reason or "")
    named = resolve_method("series-adapter:target_modules=[dense]")
    assert named.refuses(unknown, small_task(), Budget()) is None


@pytest.mark.parametrize("text", ["series-adapter:bottleneck=4", "parallel-adapter:bottleneck=4"])
@pytest.mark.parametrize("family", ["llama", "vit", "gpt2"])
def test_adapters_train_on_other_families(text: str, family: str) -> None:
    torch.manual_seed(0)
    small: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32}
    inputs: dict[str, torch.Tensor] = {"input_ids": torch.tensor([[1, 2, 3]])}
    base: torch.nn.Module
    if family == "llama":
        base = LlamaForSequenceClassification(
            LlamaConfig(vocab_size=50, intermediate_size=64, pad_token_id=0, **small)
        )
    elif family == "vit":
        base = ViTForImageClassification(
            ViTConfig(image_size=16, patch_size=8, intermediate_size=64, **small)
        )
        inputs = {"pixel_values": torch.randn(1, 3, 16, 16)}
    else:
        base = GPT2Model(GPT2Config(vocab_size=50, **small))  # Conv1D, not Linear
    context = MethodContext(task_type=None, head=frozenset(), steps=1)
    base.eval()
    before = base(**inputs)[0].detach()
    adapted = resolve_method(text).apply(base, context).model.eval()
    torch.testing.assert_close(adapted(**inputs)[0], before)
    adapted(**inputs)[0].sum().backward()
    assert all(p.grad is not None for p in adapted.parameters() if p.requires_grad)


@BOTH
def test_adapters_stay_in_float32_on_bfloat16_weights(
    config: BottleneckConfig, model: torch.nn.Module
) -> None:
    from whichpeft.engine.compute import store_frozen_weights

    adapted = trained(model, replace(config))
    expected = logits(adapted)
    store_frozen_weights(adapted, "bfloat16")
    with torch.autocast("cpu", torch.bfloat16):
        loss = adapted(**INPUTS).logits.sum()
    loss.backward()
    training = [p for n, p in adapted.named_parameters() if "_bottleneck" in n]
    assert all(p.dtype == torch.float32 and p.grad is not None for p in training)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(logits(adapted).float(), expected, atol=0.05, rtol=0.05)


@BOTH
def test_a_backbone_wholly_in_bfloat16_works_without_autocast(
    config: BottleneckConfig, model: torch.nn.Module
) -> None:
    adapted = trained(model.to(torch.bfloat16), replace(config))
    training = [p for n, p in adapted.named_parameters() if "_bottleneck" in n]
    assert {p.dtype for p in training} == {torch.float32}
    assert logits(adapted).isfinite().all()


def test_wrong_targets_and_activations_are_errors() -> None:
    base = torch.nn.Sequential(torch.nn.LayerNorm(3))
    with pytest.raises(ValueError, match="LayerNorm is not one"):
        peft.get_peft_model(base, SeriesAdapterConfig(target_modules=["0"]))
    with pytest.raises(ValueError, match="unknown activation 'mish'"):
        SeriesAdapterConfig(activation="mish", target_modules=["0"])
