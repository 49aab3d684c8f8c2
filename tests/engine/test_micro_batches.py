"""Micro-batches: the same updates, with each part padded to its own longest example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from whichpeft.engine import trial as engine_trial
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.compute import Compute
from whichpeft.engine.loop import take_step
from whichpeft.engine.model_setup import PreparedTrial, prepare
from whichpeft.engine.optimisation import Optimisation
from whichpeft.engine.process_group import Group
from whichpeft.errors import StudyError
from whichpeft.study import Budget

HERE = Compute(torch.device("cpu"), "float32")
BATCH = np.arange(18)  # of micro-batches of 4, the last has 2


def steps(prepared: PreparedTrial, job, count: int = 3) -> list[float]:  # type: ignore[no-untyped-def]
    optimisation = Optimisation(prepared, job.method, 10)
    prepared.model.train()
    return [float(take_step(prepared, optimisation, prepared.parts(BATCH), i)) for i in range(count)]


@pytest.mark.parametrize("method", ["full", "lora:lora_dropout=0", "adalora:lora_dropout=0"])
def test_updates_are_those_of_the_whole_batch(make_job, method: str) -> None:  # type: ignore[no-untyped-def]
    jobs = [make_job(method, batch_size=18, epochs=2, micro_batch=m) for m in (None, 4)]
    whole, parts = (prepare(job, HERE) for job in jobs)
    np.testing.assert_allclose(steps(whole, jobs[0]), steps(parts, jobs[1]), rtol=1e-5)
    for one, other in zip(whole.trained(), parts.trained(), strict=True):
        # AdamW divides by the gradient's size, so a gradient next to 0 shows nothing but rounding.
        close = torch.isclose(one, other, rtol=1e-3, atol=1e-5)
        assert close.float().mean() > 0.999


def test_micro_batches_are_padded_to_their_own_longest(make_job) -> None:  # type: ignore[no-untyped-def]
    prepared = prepare(make_job("head", batch_size=18, micro_batch=4), HERE)
    parts = [part for part, _ in prepared.parts(BATCH)]
    assert [share for _, share in prepared.parts(BATCH)] == [4 / 18] * 4 + [2 / 18]
    assert [len(part["labels"]) for part in parts] == [4, 4, 4, 4, 2]
    sizes = prepared.examples["train"].sizes
    longest = [int(sizes[BATCH[i : i + 4]].max()) for i in range(0, 18, 4)]
    assert [part["input_ids"].shape[1] for part in parts] == longest


def test_after_step_is_called_once_per_batch(make_job, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    job = make_job("lora", batch_size=16, micro_batch=4)
    prepared = prepare(job, HERE)
    followed: list[int] = []
    monkeypatch.setattr(prepared.adapter, "after_step", followed.append)
    steps(prepared, job)
    assert followed == [0, 1, 2]


def test_micro_batches_do_not_change_the_number_of_steps(make_job) -> None:  # type: ignore[no-untyped-def]
    record = carry_out(make_job("head", micro_batch=4), lambda progress: None).record
    assert record.outcome.status == "completed", record.outcome
    assert (record.value("steps"), record.value("examples_trained")) == (10, 160)


def test_a_micro_batch_is_no_larger_than_the_batch() -> None:
    with pytest.raises(StudyError, match="micro_batch is 32 and batch_size 16"):
        Budget(micro_batch=32)


@contextmanager
def room_for(examples: int) -> Iterator[None]:
    """Run out of memory when more than this many examples go through a model in training."""

    originals = torch.nn.Module.__call__

    def call(self: torch.nn.Module, *args: object, **given: object) -> object:
        ids = given.get("input_ids")
        whole = self.training and isinstance(self, PreTrainedModel) and isinstance(ids, torch.Tensor)
        if whole and len(ids) > examples:
            raise torch.OutOfMemoryError("no room for that")
        return originals(self, *args, **given)

    torch.nn.Module.__call__ = call  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.nn.Module.__call__ = originals  # type: ignore[method-assign]


@pytest.mark.parametrize("method", ["full", "lora:lora_dropout=0"])
def test_the_micro_batch_is_halved_if_memory_runs_out(make_job, method: str) -> None:  # type: ignore[no-untyped-def]
    job = make_job(method, batch_size=16)
    whole = carry_out(job, lambda progress: None)
    with room_for(5):
        failed = carry_out(job, lambda progress: None)
        halved = carry_out(replace(job, halve_micro_batch=True), lambda progress: None)
    assert failed.record.outcome.status == "failed"
    assert failed.record.outcome.reason == "out of memory: no room for that"
    assert halved.record.outcome.status == "completed", halved.record.outcome
    assert halved.record.value("micro_batch") == 4
    assert whole.record.value("micro_batch") is None
    np.testing.assert_allclose(
        halved.predictions["outputs"], whole.predictions["outputs"], rtol=0.02, atol=2e-3
    )
    with room_for(0):
        hopeless = carry_out(replace(job, halve_micro_batch=True), lambda progress: None)
    assert hopeless.record.outcome.status == "failed"
    assert "out of memory" in hopeless.record.outcome.reason


def test_the_micro_batch_of_a_profile_is_halved_too(make_job) -> None:  # type: ignore[no-untyped-def]
    job = replace(make_job("full", batch_size=16, purpose="profile"), halve_micro_batch=True)
    with room_for(9):
        found = carry_out(job, lambda progress: None)
    assert found.record.outcome.status == "completed", found.record.outcome
    assert found.record.value("micro_batch") == 8


def test_one_process_of_a_group_does_not_begin_again(make_job, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """The others would wait for ever, or take what it does next for what they wait for."""
    tries = []

    def full(*given: object) -> None:
        tries.append(given)
        raise torch.OutOfMemoryError("no room for that")

    monkeypatch.setattr(engine_trial, "_carry_out", full)
    job = replace(make_job("bitfit", batch_size=16), halve_micro_batch=True)
    found = engine_trial.carry_out_alone(job, lambda progress: None, Group(rank=1, size=2))
    assert (len(tries), found.record.outcome.reason) == (1, "out of memory: no room for that")
