"""One trial in this process: it learns, repeats by seed, and a failure becomes a record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whichpeft.engine import Progress, Result
from whichpeft.engine.carry_out import carry_out
from whichpeft.metrics.loss import mean_loss
from whichpeft.tasks.encoded_data import read_data


def test_full_fine_tuning_learns_and_keeps_its_best_epoch(trials: Any) -> None:
    result = trials.run("full:learning_rate=3e-3", epochs=4)
    record = result.record
    assert record.outcome.status == "completed", record.outcome
    score = record.value("score")
    assert score is not None
    assert score > 0.9
    validation = [value for _, name, value in result.curve if name == "validation_score"]
    assert record.value("validation_score") == max(validation)
    assert record.value("best_epoch") == 1 + int(np.argmax(validation))
    labels = result.predictions["labels"]
    assert (result.predictions["outputs"].argmax(1) == labels).mean() == pytest.approx(score)


@pytest.mark.parametrize("purpose", ["tune", "final"])
def test_validation_outputs_are_those_of_the_best_epoch(purpose: str, trials: Any) -> None:
    # At this rate the score is best before the last epoch.
    result = trials.run("full:learning_rate=3e-2", purpose=purpose, epochs=4)
    record, arrays = result.record, result.predictions
    outputs, labels = arrays["validation_outputs"], arrays["validation_labels"]
    assert record.value("best_epoch") != record.value("epochs_run")
    assert (outputs.argmax(1) == labels).mean() == pytest.approx(record.value("validation_score"))
    assert mean_loss("classification", "accuracy", labels, outputs) == record.value("validation_loss")
    assert record.measurement("validation_loss").unit == "nats"
    best = 10 * int(record.value("best_epoch") or 0)  # steps
    points = {name: value for step, name, value in result.curve if step == best}
    assert points["validation_score"] == record.value("validation_score")
    assert points["validation_loss"] == record.value("validation_loss")


def test_a_seed_repeats_bit_for_bit_and_another_differs(trials: Any) -> None:
    first, again, other = (trials.run("lora:r=2", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.predictions["outputs"], again.predictions["outputs"])
    assert first.curve == again.curve
    assert (first.predictions["outputs"] != other.predictions["outputs"]).any()


def test_a_tuning_trial_is_a_final_one_without_test_data(trials: Any) -> None:
    final = trials.run("lora:r=2,learning_rate=1e-2")
    tuned = trials.run("lora:r=2,learning_rate=1e-2", purpose="tune", rungs=((3, None), (13, None)))
    assert tuned.record.outcome.status == "completed"
    assert set(tuned.predictions) == {"validation_outputs", "validation_labels"}
    assert tuned.record.value("score") is tuned.record.value("seconds", "test") is None

    def validated(result: Result) -> dict[int, float]:
        return {step: value for step, name, value in result.curve if name == "validation_score"}

    # Validation at rungs changes nothing: the scores that both have are bit for bit the same.
    assert set(validated(tuned)) == {3, 10, 13, 20}
    assert validated(final).items() <= validated(tuned).items()
    assert tuned.record.value("validation_score") == final.record.value("validation_score")


def test_a_tuning_trial_stops_if_it_falls_behind(trials: Any) -> None:
    result = trials.run("lora:r=2", purpose="tune", rungs=((3, 0.0), (13, 1.01)))
    record = result.record
    assert (record.outcome.status, record.outcome.phase) == ("stopped", "validate")
    assert "after 13 steps" in (record.outcome.reason or "")
    assert (record.value("steps"), record.value("examples_trained")) == (13, 208)
    assert record.value("validation_score") is not None


def test_an_adapter_is_saved_on_request(trials: Any, tmp_path: Path) -> None:
    from peft import PeftConfig

    result = trials.run("lora:r=2", epochs=1, keep=tmp_path / "adapters" / "one")
    assert result.record.outcome.status == "completed"
    assert PeftConfig.from_pretrained(str(tmp_path / "adapters" / "one")).r == 2
    assert [path.name for path in (tmp_path / "adapters").iterdir()] == ["one"]


def test_methods_get_the_same_head_and_the_same_batches(trials: Any) -> None:
    # Without training, two methods that start as the identity predict the same.
    frozen = [trials.run(f"{name}:learning_rate=0", epochs=1) for name in ("full", "head", "lora")]
    for other in frozen[1:]:
        np.testing.assert_allclose(
            frozen[0].predictions["outputs"], other.predictions["outputs"], atol=1e-5
        )


def test_early_stopping_ends_a_trial_that_no_longer_improves(trials: Any) -> None:
    record = trials.run("head:learning_rate=0", epochs=6, early_stopping=2).record
    assert record.value("epochs_run") == 3
    assert record.value("best_epoch") == 1


def test_without_training_the_majority_class_is_predicted(trials: Any) -> None:
    result = trials.run("zero-shot")
    assert result.record.value("trainable_parameters") == 0
    assert result.record.value("score") == result.record.value("chance")
    assert len(set(result.predictions["outputs"].argmax(1))) == 1
    assert not result.curve


def test_a_loss_that_is_not_finite_becomes_a_failed_record(trials: Any) -> None:
    record = trials.run("full:learning_rate=1e30").record
    assert record.outcome.status == "failed"
    assert record.outcome.phase in ("fit", "validate")
    assert "not finite" in (record.outcome.reason or "")
    assert record.value("score") is None
    assert record.value("total_seconds") is not None


def test_a_missing_weight_file_becomes_a_failed_record(
    trials: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = trials.job("full")
    gone = replace(job, backbone=replace(job.backbone, folder=tmp_path / "gone"))
    with caplog.at_level("DEBUG", logger="whichpeft"):
        outcome = carry_out(gone, lambda progress: None).record.outcome
    assert (outcome.status, outcome.phase) == ("failed", "set-up")
    assert "gone" in (outcome.reason or "")
    assert "full failed" in caplog.text
    assert "Traceback" in caplog.text


def test_phases_add_up_to_the_total(trials: Any) -> None:
    record = trials.run("lora:r=2").record
    seconds = [m.value for m in record.measurements if m.name == "seconds"]
    assert sum(seconds) == pytest.approx(record.value("total_seconds"))
    assert record.value("seconds", "fit")
    assert record.value("seconds", "validate")
    assert record.value("seconds", "test")


def test_a_profile_measures_every_cost(trials: Any) -> None:
    record = trials.run("lora:r=2", purpose="profile").record
    assert record.outcome.status == "completed", record.outcome
    for name in (
        "step_milliseconds",
        "train_seconds",
        "samples_per_second",
        "tokens_per_second",
        "adapter_bytes",
    ):
        value = record.value(name)
        assert value is not None, name
        assert value > 0, name
    # Not compared: earlier tests leave free memory in this process. tests/executors measures it.
    assert record.value("peak_memory_bytes") is not None
    step = record.measurement("step_milliseconds")
    assert step is not None
    assert step.low is not None
    assert step.high is not None
    assert step.low <= step.value <= step.high
    trainable = record.value("trainable_parameters")
    head = record.value("head_parameters")
    assert head == 2 * 32 + 2
    # A and B of rank 2, on query, key and value of two layers.
    assert trainable == head + 2 * 3 * 2 * (32 + 32)
    assert record.value("score") is None


def test_progress_names_phase_epoch_loss_and_speed(trials: Any) -> None:
    told: list[Progress] = []
    carry_out(trials.job("full"), told.append)
    fits = [progress for progress in told if progress.phase == "fit"]
    assert {"set-up", "fit", "validate", "test"} <= {progress.phase for progress in told}
    assert fits[-1].epoch == pytest.approx(2.0)
    assert all(progress.loss and progress.speed for progress in fits)


def test_max_train_selects_one_fixed_subset(trials: Any) -> None:
    def labels(seed: int) -> list[int]:
        job = trials.job("full", seed=seed, max_train=40)
        return list(read_data(job.data)[1]["train"].labels)

    assert len(labels(0)) == 40
    assert labels(0) == labels(1)


def test_frozen_linear_weights_are_stored_as_they_are_multiplied(trials: Any) -> None:
    import torch

    from whichpeft.engine.compute import Compute
    from whichpeft.engine.model_setup import prepare

    compute = Compute(torch.device("cpu"), "bfloat16")
    model = prepare(trials.job("lora:r=2"), compute).model
    kinds = {p.requires_grad: set() for p in model.parameters()}  # type: ignore[var-annotated]
    for name, parameter in model.named_parameters():
        kinds[parameter.requires_grad].add((parameter.dtype, "embeddings" in name))
    assert kinds[True] == {(torch.float32, False)}
    assert (torch.bfloat16, False) in kinds[False]
    assert (torch.bfloat16, True) not in kinds[False]
