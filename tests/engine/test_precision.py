"""Precision: chosen once for a study, and what each device and each condition makes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from whichpeft.engine import Job, Placement
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.compute import Compute, choose_compute, start_computing
from whichpeft.engine.loop import take_step
from whichpeft.engine.model_setup import PreparedTrial, prepare
from whichpeft.engine.optimisation import Optimisation
from whichpeft.engine.stacked.build import why_not
from whichpeft.errors import StudyError
from whichpeft.study import Conditions

from .test_checkpoint import interrupted_at_every_step, no_preemption, same_result  # noqa: F401

P100, T4, A100, H100 = (6, 0), (7, 5), (8, 0), (9, 0)
HALF = Compute(torch.device("cpu"), "float16")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make torch report GPUs of these compute capabilities; return their names."""

    def give(*capabilities: tuple[int, int]) -> list[str]:
        monkeypatch.setattr(
            torch.cuda, "get_device_capability", lambda device: capabilities[device.index]
        )
        return [f"cuda:{number}" for number in range(len(capabilities))]

    return give


@pytest.fixture
def arithmetic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a trial changes for its whole process."""
    flags = [(torch.backends.cudnn, "allow_tf32"), (torch.backends.cuda.matmul, "allow_tf32")]
    before = [getattr(of, name) for of, name in flags]
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    yield
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    torch.use_deterministic_algorithms(False)
    for (of, name), value in zip(flags, before, strict=True):
        setattr(of, name, value)


@pytest.mark.parametrize(
    ("capabilities", "chosen"),
    [
        ([H100], "bfloat16"),
        ([A100, H100], "bfloat16"),
        ([T4], "float16"),
        ([T4, A100], "float16"),
        ([A100, T4], "float16"),
        ([P100], "float32"),
        ([A100, P100], "float32"),
    ],
)
def test_auto_takes_what_all_gpus_multiply(
    gpus: Any, capabilities: list[tuple[int, int]], chosen: str
) -> None:
    first, *others = gpus(*capabilities)
    assert choose_compute(first, "auto", others) == Compute(torch.device(first), chosen)


def test_a_requested_precision_has_to_suit_all_gpus(gpus: Any) -> None:
    first, *others = gpus(A100, T4)
    with pytest.raises(StudyError) as error:
        choose_compute(first, "bfloat16", others)
    assert str(error.value) == (
        "precision bfloat16: cuda:1 does not multiply it; use auto, float32 or float16"
    )
    assert choose_compute(first, "float16", others).precision == "float16"
    assert choose_compute(first, "float32", others).precision == "float32"


def test_a_cpu_does_not_train_in_float16() -> None:
    with pytest.raises(StudyError, match="precision float16: cpu does not multiply it; use auto"):
        choose_compute("cpu", "float16")


@pytest.mark.parametrize(
    ("name", "macos", "chosen"),
    [
        ("Apple M1 Pro", 15, "float32"),
        ("Apple M2", 15, "bfloat16"),
        ("Apple M2", 13, "float32"),
        ("Apple M10 Max", 15, "bfloat16"),
        ("AMD Radeon Pro 5500M", 15, "float32"),
    ],
)
def test_mps_computes_in_bfloat16_from_the_m2_on(
    monkeypatch: pytest.MonkeyPatch, name: str, macos: int, chosen: str
) -> None:
    monkeypatch.setattr(torch.backends.mps, "get_name", lambda: name)
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda major, minor: macos >= major)
    assert choose_compute("mps", "auto").precision == chosen


def test_every_trial_gets_the_precision_that_the_study_chose(make_job: Any) -> None:
    job = make_job("lora:r=2", max_train=16)
    assert job.trial.conditions.precision == "float32"
    chosen = replace(job, placement=Placement(device="cuda:0", precision="bfloat16"))
    placed = chosen.placed("cpu", 3)
    assert placed.placement == Placement(device="cpu", concurrent_trials=3, precision="bfloat16")
    result = carry_out(placed, lambda progress: None)
    assert result.record.outcome.status == "completed", result.record.outcome
    assert result.record.setting.precision == "bfloat16"


def test_float32_means_float32_on_cuda(arithmetic: None) -> None:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    start_computing("cpu", Conditions(), "float32")
    assert torch.backends.cudnn.allow_tf32
    start_computing("cuda:0", Conditions(), "float32")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_trials_that_share_a_gpu_fill_an_equal_share_of_it(
    arithmetic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[tuple[float, torch.device]] = []
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda *given: shares.append(given)
    )
    start_computing("cuda:1", Conditions(), "float32")
    start_computing("cpu", Conditions(), "float32", sharing=3)
    assert not shares
    start_computing("cuda:1", Conditions(), "float32", sharing=3)
    ((share, device),) = shares
    assert device == torch.device("cuda:1")
    # Places for four trials whose profiles peaked at 10 GB need 63 GB free; the rest is for contexts.
    free = 4 * (1.2 * 10 + 0.6) / 0.8
    assert 12 <= share * free <= free / 4 - 0.6


def test_deterministic_is_set_for_one_trial_only(arithmetic: None) -> None:
    start_computing("cuda:0", Conditions(), "float32")
    assert not torch.are_deterministic_algorithms_enabled()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    start_computing("cuda:0", Conditions(deterministic=True), "float32")
    assert torch.are_deterministic_algorithms_enabled()
    # With warn_only, torch's fused attention would stay as it is.
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    start_computing("cuda:0", Conditions(), "float32")
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_deterministic_trial_is_another_trial_and_trains_alone(
    make_job: Any, arithmetic: None
) -> None:
    asked = {"max_train": 16, "epochs": 1}
    plain, same = make_job("lora:r=2", **asked), make_job("lora:r=2", **asked, deterministic=True)
    assert plain.trial.fingerprint != same.trial.fingerprint
    assert "deterministic" not in plain.trial.to_json()
    assert same.trial.to_json()["deterministic"] is True
    compute = Compute(torch.device("cpu"), "float32")
    assert why_not([same, same], compute) == "deterministic trials always train alone"
    ran = [carry_out(job, lambda progress: None) for job in (plain, same)]
    assert [result.record.outcome.status for result in ran] == ["completed", "completed"]
    # On a CPU the operations are the same.
    np.testing.assert_array_equal(*(result.predictions["outputs"] for result in ran))


def halved(job: Job) -> Job:
    return replace(job, placement=Placement(device="cpu", precision="float16"))


@pytest.mark.parametrize("method", ["full:learning_rate=1e-3", "adalora:r=2,init_r=4", "prefix"])
def test_training_in_float16_is_close_to_float32(make_job: Any, method: str) -> None:
    job = make_job(method, epochs=6, max_train=48)
    exact, half = (carry_out(j, lambda progress: None) for j in (job, halved(job)))
    assert half.record.outcome.status == "completed", half.record.outcome
    assert half.record.setting.precision == "float16"
    assert half.record.value("skipped_steps") is None
    losses = [[v for _, name, v in r.curve if name == "train_loss"] for r in (exact, half)]
    np.testing.assert_allclose(*losses, rtol=1e-2)


def test_a_trial_in_float16_resumes_with_its_scale(trials: Any, tmp_path: Path) -> None:
    job = halved(trials.job("lora:r=2", epochs=2))
    whole = carry_out(job, lambda progress: None)
    assert whole.record.outcome.status == "completed", whole.record.outcome
    cut, parts = interrupted_at_every_step(replace(job, checkpoint=tmp_path / "c.safetensors"))
    assert parts >= 3
    same_result(cut, whole)


def prepared_in_half(make_job: Any, method: str = "adalora:r=2,init_r=4") -> PreparedTrial:
    prepared = prepare(make_job(method, epochs=20, max_train=16), HALF)
    prepared.model.train()
    return prepared


def optimise(prepared: PreparedTrial) -> Optimisation:
    method = SimpleNamespace(learning_rate=1e-3, weight_decay=0.0, warmup_ratio=0.0)
    return Optimisation(prepared, method, 100)  # type: ignore[arg-type]


def test_a_step_whose_gradients_overflow_changes_nothing(make_job: Any) -> None:
    prepared = prepared_in_half(make_job)
    optimisation = optimise(prepared)
    batch = np.arange(8)
    take_step(prepared, optimisation, prepared.parts(batch), 0)
    before = [parameter.detach().clone() for parameter in prepared.trained()]
    prepared.trained()[0].register_hook(lambda gradient: gradient * float("inf"))
    read: list[torch.Tensor] = []
    after_step = prepared.adapter.after_step

    def reading(step: int) -> None:
        read.extend(p.grad.clone() for p in prepared.trained() if p.grad is not None)
        after_step(step)

    prepared.adapter.after_step = reading  # type: ignore[method-assign]
    scale = optimisation.state()["scale/scale"]
    take_step(prepared, optimisation, prepared.parts(batch), 1)
    for parameter, old in zip(prepared.trained(), before, strict=True):
        torch.testing.assert_close(parameter.detach(), old, rtol=0, atol=0)
    assert read  # and the method, which keeps running means of gradients, reads zeros
    assert all(not gradient.any() for gradient in read)
    assert optimisation.state()["scale/scale"] == scale / 2
    assert optimisation.skipped(2) == 1


def test_small_gradients_do_not_become_zero_in_float16(make_job: Any) -> None:
    """Gradients of a loss that is 1e-6 times as large are 1e-6 times as large."""
    found = []
    for share in (1.0, 1e-6):
        prepared = prepared_in_half(make_job, "lora:r=2,lora_dropout=0")
        optimisation = optimise(prepared)
        prepared.model.eval()
        with prepared.compute.autocast():
            loss = prepared.task.loss(prepared.model, prepared.examples["train"].batch(np.arange(8)))
        optimisation.backward(loss * share)
        optimisation._scaler.unscale_(optimisation._adamw)
        found.append(torch.cat([p.grad.flatten() for p in prepared.trained() if p.grad is not None]))
    apart = (found[0] - found[1] * 1e6).norm() / found[0].norm()
    assert float(apart) < 0.02


def test_a_loss_that_overflows_names_the_fix(make_job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from whichpeft.tasks.text import TextTask

    loss = TextTask.loss
    monkeypatch.setattr(TextTask, "loss", lambda *args: loss(*args) * float("inf"))
    result = carry_out(halved(make_job("lora:r=2", max_train=16)), lambda progress: None)
    assert result.record.outcome.reason == (
        "the loss is not finite (inf) at step 1; float16 holds numbers up to 65,504, so try precision "
        "float32"
    )


def test_trials_in_float16_are_not_stacked(make_job: Any) -> None:
    job = make_job("lora:r=2")
    assert why_not([job, job], HALF) == "in float16 each trial scales its own loss"
