"""What cannot work is refused before anything runs, in one line."""

from __future__ import annotations

import time

import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.methods import resolve_method
from whichpeft.planning import probe, treats_layers_alike
from whichpeft.tasks.bare import BareTask


def reason(method: str, name: str = "minilm") -> str | None:
    backbone = resolve_backbone(name, weights=False)
    return probe(resolve_method(method), backbone, BareTask(backbone), same_targets=True)


@pytest.mark.parametrize(
    "method", ["full", "head", "lora:r=8", "adalora", "bitfit", "prefix", "p-tuning"]
)
def test_what_works_is_not_refused(method: str) -> None:
    assert reason(method) is None


def test_a_missing_target_is_named_with_the_nearest() -> None:
    found = reason("lora:target_modules=[querry]")
    assert found is not None
    assert "'querry'" in found
    assert "did you mean 'query'" in found
    assert "\n" not in found


def test_a_library_that_refuses_gives_its_reason() -> None:
    found = reason("lora:r=8,target_modules=[LayerNorm]")
    assert found is not None
    assert "LayerNorm" in found


def test_a_probe_is_quick() -> None:
    reason("lora:r=8")
    began = time.process_time()
    reason("lora:r=8")
    assert time.process_time() - began < 0.6  # 0.1 s on an idle machine


def test_layers_named_by_number_are_not_alike() -> None:
    backbone = resolve_backbone("minilm")
    assert treats_layers_alike(resolve_method("lora:lora_dropout=0.05,r=8"), backbone)
    assert treats_layers_alike(resolve_method("lora:target_modules=[query,value]"), backbone)
    assert not treats_layers_alike(
        resolve_method("lora:target_modules=[layer.0.attention.self.query]"), backbone
    )
