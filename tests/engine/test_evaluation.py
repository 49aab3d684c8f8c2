"""Memory that runs out in evaluation makes evaluation smaller; training is not repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from whichpeft.engine import trial as engine_trial
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.compute import Compute
from whichpeft.tasks.labelled import LabelledTask


class Card:
    """Stands for a device on which evaluation has memory for `most` examples at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        self.sizes: list[int] = []
        self.trainings = 0
        outputs, fit = LabelledTask.outputs, engine_trial.fit

        def limited(task: Any, model: Any, batch: Any) -> Any:
            size = len(batch["input_ids"])
            self.sizes.append(size)
            if size > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return outputs(task, model, batch)

        def counted(*given: Any) -> Any:
            self.trainings += 1
            return fit(*given)

        monkeypatch.setattr(LabelledTask, "outputs", limited)
        monkeypatch.setattr(engine_trial, "fit", counted)


def test_evaluation_takes_fewer_examples_at_a_time(trials: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job = trials.job("bitfit")
    whole = carry_out(job, lambda progress: None)
    card = Card(monkeypatch, most=5)
    found = carry_out(replace(job, halve_micro_batch=True), lambda progress: None)
    assert found.record.outcome.status == "completed", found.record.outcome
    assert card.trainings == 1
    assert found.record.value("micro_batch") is None
    labels = whole.predictions["labels"]
    np.testing.assert_array_equal(found.predictions["labels"], labels)
    np.testing.assert_allclose(found.predictions["outputs"], whole.predictions["outputs"], atol=1e-5)
    tries = [size for size in card.sizes if size > 5]
    assert len(tries) <= 4 * 3  # halvings of each evaluation, not one for each batch


@pytest.mark.parametrize("halve", [True, False])
def test_a_trial_fails_once_if_not_even_one_example_fits(
    halve: bool, trials: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Card(monkeypatch, most=0)
    job = replace(trials.job("bitfit"), halve_micro_batch=halve)
    outcome = carry_out(job, lambda progress: None).record.outcome
    assert card.trainings == 1
    assert (outcome.status, outcome.phase) == ("failed", "validate")
    assert outcome.reason == (
        "out of memory in evaluation, with one example at a time: CUDA out of memory. "
        "Tried to allocate 2 GiB"
    )


def test_another_error_ends_the_evaluation(trials: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(LabelledTask, "outputs", broken)
    outcome = carry_out(trials.job("bitfit"), lambda progress: None).record.outcome
    assert outcome.reason == "RuntimeError: broken"


def test_a_mask_that_hides_nothing_is_left_out_on_a_gpu_only() -> None:
    def batch(*mask: int) -> dict[str, torch.Tensor]:
        return {"input_ids": torch.ones(1, 3), "attention_mask": torch.tensor([mask])}

    gpu, cpu = (Compute(torch.device(name), "float32") for name in ("cuda", "cpu"))
    assert gpu.unmasked(batch(1, 1, 1)).keys() == {"input_ids"}
    assert gpu.unmasked(batch(1, 1, 0)).keys() == {"input_ids", "attention_mask"}
    assert cpu.unmasked(batch(1, 1, 1)).keys() == {"input_ids", "attention_mask"}
    sound = {"input_values": torch.ones(1, 3), "attention_mask": torch.ones(1, 3)}
    assert gpu.unmasked(sound) is sound
