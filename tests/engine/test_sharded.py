"""One trial over two processes: the same training as in one, with each holding its share."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from whichpeft.engine import Placement, Progress, sharded_trial
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.fork_server import start_context

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at the fork server")


def losses(result) -> list[float]:  # type: ignore[no-untyped-def]
    return [value for _, name, value in result.curve if name == "train_loss"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "family", "more"),
    [
        ("full", "bert", {}),
        ("lora:lora_dropout=0", "bert", {"micro_batch": 3, "gradient_checkpointing": True}),
        ("full", "llama", {"gradient_checkpointing": True}),
        ("lora:lora_dropout=0", "llama", {}),
        ("full", "llama", {"gradient_checkpointing": True, "precision": "bfloat16"}),
    ],
)
def test_losses_and_scores_are_those_of_one_process(  # type: ignore[no-untyped-def]
    make_job, method: str, family: str, more: dict[str, object]
) -> None:
    # One step per epoch, since the loss is read at its end, on a batch that two cannot share evenly.
    precision = more.get("precision", "float32")
    asked = {"family": family, "batch_size": 31, "max_train": 31, "epochs": 6, "precision": precision}
    one = carry_out(make_job(method, **asked), lambda progress: None)
    two = carry_out(make_job(method, **{**asked, "shards": 2, **more}), lambda progress: None)
    assert two.record.outcome.status == "completed", two.record.outcome
    assert len(losses(one)) == len(losses(two)) == 6
    exact = precision == "float32"
    np.testing.assert_allclose(losses(one), losses(two), rtol=1e-4 if exact else 5e-3)
    np.testing.assert_allclose(
        one.predictions["outputs"],
        two.predictions["outputs"],
        rtol=1e-2 if exact else 1e-1,
        atol=1e-3 if exact else 1e-2,
    )


@pytest.mark.slow
def test_the_saved_adapter_is_whole(make_job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from safetensors.torch import load_file

    asked = {"batch_size": 31, "max_train": 31, "epochs": 2}
    kept = {}
    for shards in (1, 2):
        folder = tmp_path / "adapters" / str(shards)
        result = carry_out(
            make_job("lora:lora_dropout=0", **asked, shards=shards, keep=folder), lambda progress: None
        )
        assert result.record.outcome.status == "completed", result.record.outcome
        kept[shards] = load_file(folder / "adapter_model.safetensors")
    assert kept[1].keys() == kept[2].keys()
    for name, tensor in kept[1].items():
        assert tensor.shape == kept[2][name].shape
        np.testing.assert_allclose(tensor, kept[2][name], rtol=1e-2, atol=1e-4)


@pytest.mark.slow
def test_a_profile_of_two_processes_measures_every_cost(make_job) -> None:  # type: ignore[no-untyped-def]
    one, two = (
        carry_out(make_job("lora", purpose="profile", shards=n), lambda progress: None).record
        for n in (1, 2)
    )
    assert two.outcome.status == "completed", two.outcome
    for name in ("step_milliseconds", "train_seconds", "samples_per_second", "peak_memory_bytes"):
        assert two.value(name), name
    for name in ("adapter_bytes", "trainable_parameters", "total_parameters"):
        assert two.value(name) == one.value(name), name


def test_every_parameter_is_sharded(make_job) -> None:  # type: ignore[no-untyped-def]
    """In a group of one, in this process."""
    import tempfile

    import torch
    from torch.distributed.tensor import DTensor

    from whichpeft.engine.process_group import joined, shard

    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    model[1].requires_grad_(False)
    with (
        tempfile.TemporaryDirectory() as folder,
        joined(0, 1, torch.device("cpu"), Path(folder, "m")) as group,
    ):
        shard(model, group, torch.device("cpu"), torch.float32)
        assert all(isinstance(parameter, DTensor) for parameter in model.parameters())


def test_linear_weights_travel_in_the_type_of_the_products(even, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """In a group of one, in this process: outputs and gradients are those of the whole model."""
    import torch
    from transformers import AutoModel

    from whichpeft.engine.process_group import joined, shard
    from whichpeft.methods.layers import all_layers

    found: list[list[torch.Tensor]] = []
    gathered: dict[str, torch.dtype] = {}
    ids = torch.arange(12).view(3, 4)
    for sharded in (False, True):
        model = AutoModel.from_pretrained(even["llama"].files, dtype=torch.float32)
        with joined(0, 1, torch.device("cpu"), tmp_path / f"meeting-{sharded}") as group:
            if sharded:
                shard(model, group, torch.device("cpu"), torch.bfloat16)
                for name, module in all_layers(model)[0].named_modules():
                    if name.endswith(("q_proj", "input_layernorm")):
                        module.register_forward_hook(
                            lambda own, *_, name=name: gathered.update({name: own.weight.dtype})
                        )
            with torch.autocast("cpu", torch.bfloat16):
                states = model(ids).last_hidden_state
            states.square().mean().backward()
            grads = [p.grad.full_tensor() if sharded else p.grad for p in model.parameters()]
            found.append([states.detach(), *grads])
    assert gathered == {"self_attn.q_proj": torch.bfloat16, "input_layernorm": torch.float32}
    assert torch.equal(found[0][0], found[1][0])
    for one, two in zip(*found, strict=True):  # the sum of an embedding's gradients has another order
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-8)


def test_a_layer_with_other_parameters_travels_as_it_is() -> None:
    import torch

    from whichpeft.engine.process_group import _norms_beside_linear

    norm = torch.nn.LayerNorm(4)
    layer = torch.nn.Sequential(torch.nn.Linear(4, 4), norm)
    assert _norms_beside_linear(layer) == [norm]
    layer.scale = torch.nn.Parameter(torch.ones(4))
    assert _norms_beside_linear(layer) is None


def test_an_old_torch_cannot_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from whichpeft.engine.compute import group_devices
    from whichpeft.errors import StudyError

    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion("2.6.0"))
    with pytest.raises(StudyError, match=r"shards is 2: needs torch 2\.7 or newer, and this is 2\.6\.0"):
        group_devices(["cpu"], 2)
    assert group_devices(["cpu"], 1) == ["cpu"]


@linux
def test_the_fork_server_of_ranks_preloads_the_models_code(  # type: ignore[no-untyped-def]
    make_job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preloaded: list[str] = []

    def no_process() -> object:
        raise InterruptedError

    monkeypatch.setattr(start_context(), "set_forkserver_preload", preloaded.extend)
    monkeypatch.setattr(sharded_trial, "start_context", no_process)
    with pytest.raises(InterruptedError):
        sharded_trial._start(make_job("full", shards=2), tmp_path / "meeting")
    assert "transformers.models.bert.modeling_bert" in preloaded
    assert all(importlib.util.find_spec(name) for name in preloaded)


@linux
@pytest.mark.slow
def test_a_rank_that_dies_fails_the_trial_and_ends_the_others(make_job) -> None:  # type: ignore[no-untyped-def]
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.phase == "fit" and not killed:
            killed.extend(ranks()[-1:])
            os.kill(killed[0], signal.SIGKILL)

    record = carry_out(make_job("full", epochs=300, shards=2), kill).record
    assert killed
    assert record.outcome.status == "failed"
    assert record.outcome.phase in ("fit", "validate")
    assert "SIGKILL" in (record.outcome.reason or "")
    assert not ranks()


@pytest.mark.slow
def test_the_trial_fails_with_the_error_of_a_rank(make_job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    job = make_job("full", shards=2)
    gone = replace(job, backbone=replace(job.backbone, folder=tmp_path / "gone"))
    outcome = carry_out(gone, lambda progress: None).record.outcome
    assert (outcome.status, outcome.phase) == ("failed", "set-up")
    assert "gone" in (outcome.reason or "")
    diverged = carry_out(
        make_job("full:learning_rate=1e30", shards=2), lambda progress: None
    ).record.outcome
    assert diverged.status == "failed"
    assert "not finite" in (diverged.reason or "")


@linux
@pytest.mark.slow
def test_ending_a_sharded_trial_ends_its_ranks(make_job) -> None:  # type: ignore[no-untyped-def]
    from whichpeft.executors import SilentObserver
    from whichpeft.executors.trial_processes import run_jobs

    class Stop(SilentObserver):
        def progressed(self, job: object, progress: Progress) -> None:
            if progress.phase == "fit":
                raise KeyboardInterrupt

    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(KeyboardInterrupt):
        next(run_jobs([make_job("full", epochs=500, shards=2)], ["cpu"], Stop()))
    left = [p for p in set(psutil.Process().children(recursive=True)) - before if p.is_running()]
    psutil.wait_procs(left, timeout=10)
    names = [p.cmdline() for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert all("forkserver" in " ".join(name) and "main(" in " ".join(name) for name in names)


def ranks() -> list[int]:
    """Return the processes that this process's fork server has started."""
    servers = [p for p in psutil.Process().children() if "forkserver" in " ".join(p.cmdline())]
    return [
        child.pid
        for server in servers
        for child in server.children()
        if child.status() != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.slow
def test_shards_in_float16_share_the_scale_of_the_loss(make_job) -> None:  # type: ignore[no-untyped-def]
    asked = {"batch_size": 31, "max_train": 31, "epochs": 4}
    half = Placement(device="cpu", precision="float16")
    found = [
        carry_out(
            replace(make_job("full", **asked, shards=shards), placement=half), lambda progress: None
        )
        for shards in (1, 2)
    ]
    assert [r.record.outcome.status for r in found] == ["completed"] * 2, found[1].record.outcome
    np.testing.assert_allclose(*map(losses, found), rtol=1e-2)
