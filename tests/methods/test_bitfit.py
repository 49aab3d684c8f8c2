"""BitFit as a PEFT tuner, used through PEFT's own functions."""

from __future__ import annotations

from pathlib import Path

import peft
import pytest
import torch
from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2Model

from whichpeft.methods.tuners.bitfit import BitFitConfig, BitFitLayer, biased_modules


@pytest.fixture
def model(tiny_backbone: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    built: torch.nn.Module = AutoModelForSequenceClassification.from_pretrained(tiny_backbone)
    return built.eval()


INPUTS = {"input_ids": torch.tensor([[101, 2023, 3185, 102], [101, 2003, 2204, 102]])}


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**INPUTS).logits
    return found


def trained(model: torch.nn.Module) -> torch.nn.Module:
    adapted = peft.get_peft_model(model, BitFitConfig(task_type="SEQ_CLS"))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "bitfit_" in name:
                parameter.add_(0.1)
    return adapted.eval()


def test_bitfit_is_a_peft_type_and_starts_as_the_identity(model: torch.nn.Module) -> None:
    before = logits(model)
    adapted = peft.get_peft_model(model, BitFitConfig(task_type="SEQ_CLS"))
    assert adapted.peft_type == peft.PeftType.BITFIT == "BITFIT"
    torch.testing.assert_close(logits(adapted), before)


def test_only_the_backbones_biases_and_the_head_train(model: torch.nn.Module) -> None:
    biases = {name: p.numel() for name, p in model.named_parameters() if name.endswith("bias")}
    in_head = sum(p.numel() for p in model.classifier.parameters())
    expected = sum(size for name, size in biases.items() if "classifier" not in name)
    adapted = peft.get_peft_model(model, BitFitConfig(task_type="SEQ_CLS"))
    training = {name: p.numel() for name, p in adapted.named_parameters() if p.requires_grad}
    assert sum(training.values()) == expected + in_head
    assert all("bitfit_bias" in name or "classifier" in name for name in training)


def test_peft_saves_a_small_file_and_loads_it_equal(model: torch.nn.Module, tmp_path: Path) -> None:
    adapted = trained(model)
    expected = logits(adapted)
    adapted.save_pretrained(tmp_path)
    weights = tmp_path / "adapter_model.safetensors"
    count = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert weights.stat().st_size < 4 * count + 10_000
    fresh = AutoModelForSequenceClassification.from_pretrained(model.config._name_or_path)
    loaded = peft.PeftModel.from_pretrained(fresh, str(tmp_path)).eval()
    torch.testing.assert_close(logits(loaded), expected)


def test_merging_unmerging_and_disabling_give_the_right_outputs(model: torch.nn.Module) -> None:
    before = logits(model)
    adapted = trained(model)
    after = logits(adapted)
    assert not torch.allclose(before, after)
    adapted.merge_adapter()
    torch.testing.assert_close(logits(adapted), after)
    adapted.unmerge_adapter()
    torch.testing.assert_close(logits(adapted), after)
    with adapted.disable_adapter():
        torch.testing.assert_close(logits(adapted), before)
    merged = adapted.merge_and_unload()
    torch.testing.assert_close(logits(merged), after)
    assert not any(isinstance(module, BitFitLayer) for module in merged.modules())


def test_a_second_adapter_has_its_own_biases(model: torch.nn.Module) -> None:
    before = logits(model)
    adapted = trained(model)
    after = logits(adapted)
    adapted.add_adapter("other", BitFitConfig(task_type="SEQ_CLS"))
    adapted.set_adapter("other")
    torch.testing.assert_close(logits(adapted), before)
    adapted.set_adapter("default")
    torch.testing.assert_close(logits(adapted), after)


def test_layers_other_than_linear_and_norm_work() -> None:
    torch.manual_seed(0)
    base = GPT2Model(GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=50)).eval()
    assert any("c_attn" in name for name in biased_modules(base))  # a Conv1D, not a Linear
    tokens = torch.tensor([[1, 2, 3]])
    before = base(tokens).last_hidden_state
    adapted = peft.get_peft_model(base, BitFitConfig())
    torch.testing.assert_close(adapted(tokens).last_hidden_state, before)
    adapted(tokens).last_hidden_state.sum().backward()
    grads = [p.grad for n, p in adapted.named_parameters() if "bitfit_" in n]
    assert all(grad is not None for grad in grads)


def test_a_module_without_a_bias_is_an_error() -> None:
    with pytest.raises(ValueError, match="Linear has no bias"):
        BitFitLayer(torch.nn.Linear(2, 2, bias=False), "default")
