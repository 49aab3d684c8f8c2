"""The implementation of attention: the same for all methods, and part of a trial's identity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from whichpeft.backbones.attention import check_attention, check_has_attention
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.compute import choose_compute
from whichpeft.engine.model_setup import prepare
from whichpeft.errors import BackboneError, StudyError
from whichpeft.study import Conditions

FLASH = "flash_attention_2"


def used(job: Any) -> str:
    model: Any = prepare(job, choose_compute("cpu", "float32")).model
    return str(model.config._attn_implementation)


def test_the_default_changes_neither_identity_nor_model(make_job: Any) -> None:
    job = make_job("lora:r=2", max_train=16)
    assert "attention" not in job.trial.to_json()
    assert "attn_implementation" not in job.backbone.overrides
    assert used(job) == "sdpa"


def test_eager_attention_is_another_trial_with_the_same_result_up_to_rounding(make_job: Any) -> None:
    asked = {"max_train": 16, "epochs": 1}
    fused, eager = (make_job("full", **asked, attention=name) for name in ("sdpa", "eager"))
    assert [used(job) for job in (fused, eager)] == ["sdpa", "eager"]
    assert eager.trial.to_json()["attention"] == "eager"
    assert fused.trial.fingerprint != eager.trial.fingerprint
    found = [carry_out(job, lambda progress: None) for job in (fused, eager)]
    assert [result.record.outcome.status for result in found] == ["completed", "completed"]
    np.testing.assert_allclose(*(result.predictions["outputs"] for result in found), atol=1e-4)


def test_flash_attention_is_planned_as_fused_attention(make_job: Any) -> None:
    backbone = replace(make_job("full").backbone, attention=FLASH)
    assert backbone.overrides["attn_implementation"] == FLASH
    assert backbone.architecture()._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("device", "precision", "complaint"),
    [
        ("cpu", "bfloat16", "needs a CUDA device, and this would run on cpu; use attention auto"),
        ("cuda:0", "float32", "computes in bfloat16 or float16, and this would run in float32"),
        ("cuda:0", "float16", "needs flash-attn; install it: pip install flash-attn"),
    ],
)
def test_flash_attention_says_what_it_needs(device: str, precision: str, complaint: str) -> None:
    with pytest.raises(StudyError, match=f"^attention {FLASH}: {complaint}"):
        check_attention(FLASH, device, precision)
    check_attention("eager", device, precision)


@pytest.mark.parametrize("other", [{"packing": True}, {"precision": "float32"}])
def test_flash_attention_does_not_go_with_everything(other: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match=f"attention {FLASH} and p.* do not go together"):
        Conditions(attention=FLASH, **other)


def test_a_family_without_fused_attention_is_refused(make_job: Any) -> None:
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    backbone = replace(
        make_job("full").backbone, name="deberta", config={"model_type": "deberta-v2", **small}
    )
    check_has_attention(replace(backbone, attention="eager"))
    with pytest.raises(BackboneError) as error:
        check_has_attention(replace(backbone, attention="sdpa"))
    assert str(error.value) == (
        "backbone 'deberta': transformers has no sdpa attention for deberta-v2 models; use attention "
        "auto or eager"
    )
