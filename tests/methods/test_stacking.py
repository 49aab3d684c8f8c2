"""Our tuners and PEFT's on the same modules, one around the other, in either order."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2Model

from whichpeft.methods.tuners.bitfit import BitFitConfig, biased_modules
from whichpeft.methods.tuners.bottleneck import ParallelAdapterConfig, SeriesAdapterConfig
from whichpeft.methods.tuners.reft import LoReftConfig

INPUTS = {"input_ids": torch.tensor([[101, 2023, 3185, 102], [101, 2003, 2204, 102]])}
TARGETS = ["query", "output.dense"]


def parts() -> dict[str, Any]:
    """Return a new configuration of each part, since PEFT writes into them."""
    return {
        "lora": peft.LoraConfig(r=2, target_modules=TARGETS, init_lora_weights=True),
        "ia3": peft.IA3Config(target_modules=TARGETS, feedforward_modules=[]),
        "bitfit": BitFitConfig(),
        "series": SeriesAdapterConfig(bottleneck=2, activation="tanh", target_modules=TARGETS),
        "parallel": ParallelAdapterConfig(bottleneck=2, activation="tanh", target_modules=TARGETS),
        "loreft": LoReftConfig(rank=2, positions=1),
    }


OURS = ("bitfit", "series", "parallel", "loreft")
PAIRS = [pair for pair in itertools.permutations(parts(), 2) if set(pair) & set(OURS)]


@pytest.fixture
def model(tiny_backbone: Path) -> Any:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(tiny_backbone).eval()


def output(model: Any) -> torch.Tensor:
    found: torch.Tensor = model(**INPUTS).logits
    return found


def own(adapted: Any) -> list[torch.nn.Parameter]:
    return [p for p in adapted.parameters() if p.requires_grad]


def stack(model: Any, *names: str) -> tuple[Any, dict[str, int]]:
    """Put parts on one model in turn and change what trains; return each part's parameter count."""
    counts: dict[str, int] = {}
    for name in names:
        before = sum(p.numel() for p in own(model)) if counts else 0
        adapted = peft.get_peft_model(model, parts()[name])
        counts[name] = sum(p.numel() for p in own(adapted)) - before
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in own(adapted):
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return adapted.eval(), counts


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(pair))
def test_two_parts_train_together(pair: tuple[str, str], model: Any, tiny_backbone: Path) -> None:
    before = output(model).detach()
    both, counts = stack(model, *pair)
    for name in pair:
        alone = AutoModelForSequenceClassification.from_pretrained(tiny_backbone)
        assert counts[name] == stack(alone, name)[1][name]
    after = output(both)
    assert not torch.allclose(after, before)
    after.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in own(both))
    for parameter in own(both):
        assert parameter.dtype == torch.float32
    with both.disable_adapter():
        torch.testing.assert_close(output(both), before)


def test_bitfit_trains_the_innermost_bias_in_either_order(model: Any) -> None:
    """A series adapter changes a module's output, so a bias added after it would be a different one."""
    dense = model.bert.encoder.layer[0].output.dense
    x = torch.randn(2, 64)
    for order in (("series", "bitfit"), ("bitfit", "series")):
        adapted, _ = stack(model, *order)
        layer = adapted.base_model.model.bert.encoder.layer[0].output.dense
        modules = [layer, layer.base_layer]
        bitfit = next(m for m in modules if hasattr(m, "bitfit_bias")).bitfit_bias["default"]
        series = next(m for m in modules if hasattr(m, "series_adapter_bottleneck"))
        hidden = torch.nn.functional.linear(x, dense.weight, bitfit)
        expected = hidden + series.series_adapter_bottleneck["default"](hidden)
        torch.testing.assert_close(layer(x), expected)
        model = adapted.unload()


def test_modules_inside_two_adapters_keep_their_names(model: Any) -> None:
    plain = biased_modules(model)
    adapted, _ = stack(model, "lora", "series")
    assert biased_modules(adapted.base_model.model) == plain


def test_merging_lora_over_bitfit_keeps_the_outputs(model: Any) -> None:
    adapted, _ = stack(model, "bitfit", "lora")
    expected = output(adapted)
    adapted.merge_adapter()
    torch.testing.assert_close(output(adapted), expected)
    adapted.unmerge_adapter()
    torch.testing.assert_close(output(adapted), expected)


def test_stacks_work_on_layers_with_transposed_weights() -> None:
    torch.manual_seed(0)
    base = GPT2Model(GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=50)).eval()
    tokens = torch.tensor([[1, 2, 3]])
    before = base(tokens).last_hidden_state
    for made in (
        peft.LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True),
        BitFitConfig(),
        SeriesAdapterConfig(bottleneck=2, target_modules=["c_attn"]),
    ):
        adapted = peft.get_peft_model(base, made)
    torch.testing.assert_close(adapted(tokens).last_hidden_state, before)


def test_one_import_registers_all_our_tuners_with_peft() -> None:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    code = (
        "import whichpeft.methods.tuners\n"
        "from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as known\n"
        "print(*sorted(kind.value for kind in known))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {"BITFIT", "SERIES_ADAPTER", "PARALLEL_ADAPTER", "LOREFT"}
    assert ours <= set(done.stdout.split())
    assert {kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING} == set(done.stdout.split())
