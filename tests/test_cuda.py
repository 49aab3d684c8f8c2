"""A study on an NVIDIA GPU: forked trials reach it, costs are complete, and options for it work."""

from __future__ import annotations

from pathlib import Path

import pytest

import whichpeft as wp
from whichpeft.backbones import Backbone
from whichpeft.executors import SilentObserver
from whichpeft.records import Record, Store

pytestmark = pytest.mark.cuda
DEVICE = "cuda"


@pytest.fixture(autouse=True)
def quick_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    from whichpeft.engine.profiling import budget as profile_budget

    monkeypatch.setattr(profile_budget, "PROFILE_BUDGETS", {"standard": profile_budget.QUICK})


def records(study: wp.Study, out: Path, purpose: str, **options: int) -> list[Record]:
    """Run a study; return the records of one purpose, all of them completed."""
    wp.run(study, out=out, device=DEVICE, observer=SilentObserver(), **options)  # type: ignore[arg-type]
    every = list(Store(out))
    assert {r.outcome.status for r in every} <= {"completed"}, [r.outcome.reason for r in every]
    return [r for r in every if r.trial.purpose == purpose and r.trial.method in study.methods]


def small(backbone: Path, task: Path, *methods: str, **options: object) -> wp.Study:
    budget = wp.Budget(epochs=1, max_train=96)
    return wp.Study(
        backbone=str(backbone),
        task=str(task),
        methods=methods,
        budget=budget,
        **options,  # type: ignore[arg-type]
    )


def test_every_cost_of_a_study_is_measured(tiny_backbone: Path, reviews: Path, tmp_path: Path) -> None:
    """Also if bitsandbytes is installed, which looks at the GPU when it is imported."""
    study = small(tiny_backbone, reviews, "full", "lora:r=2", "prefix", seeds=1)
    profiles = records(study, tmp_path / "run", "profile")
    assert len(profiles) == 3
    for record in profiles:
        assert record.setting.device == DEVICE
        assert record.setting.hardware["accelerator"]
        for name in ("peak_memory_bytes", "step_milliseconds", "flops_per_sample", "peak_share"):
            assert record.value(name), name


def test_a_plan_knows_memory_flops_and_time(tiny_backbone: Path, reviews: Path) -> None:
    study = small(tiny_backbone, reviews, "full", "lora:r=2", seeds=1)
    for row in wp.plan(study, device=DEVICE, memory="8GB").rows:
        for name in ("training_memory_bytes", "flops_per_sample"):
            assert row[name], name


def test_trials_run_side_by_side(tiny_backbone: Path, reviews: Path, tmp_path: Path) -> None:
    study = small(tiny_backbone, reviews, "lora:r=2", seeds=4, baseline="lora:r=2")
    assert len(records(study, tmp_path / "run", "final", jobs=2)) == 4


@pytest.mark.parametrize("quantise", ["4bit", "8bit"])
def test_quantised_weights_train(
    quantise: str, tiny_writer: Backbone, reviews: Path, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    assert tiny_writer.folder is not None
    study = small(
        tiny_writer.folder, reviews, "lora:r=2", seeds=1, baseline="lora:r=2", quantise=quantise
    )
    assert len(records(study, tmp_path / "run", "final")) == 1


def test_a_trial_is_spread_over_two_gpus(tiny_backbone: Path, reviews: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.device_count() < 2:
        pytest.skip("this machine has one GPU")
    study = small(tiny_backbone, reviews, "full", "lora:r=2", seeds=1, shards=2)
    assert len(records(study, tmp_path / "run", "final")) == 2
