"""Activations of frozen layers are computed once and cached, and scores do not change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from whichpeft.backbones import Backbone
from whichpeft.engine import Job
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.compute import choose_compute
from whichpeft.engine.frozen import activation_cache
from whichpeft.engine.meter import Meter
from whichpeft.engine.model_setup import PreparedTrial, prepare
from whichpeft.tasks import Batch
from whichpeft.tasks.labelled import LabelledTask

from .conftest import Trials


@pytest.fixture
def trials(tiny_backbone: Path, reviews: Path, tmp_path: Path) -> Trials:
    return Trials(tiny_backbone, reviews, tmp_path)


def prepared(job: Job) -> PreparedTrial:
    return prepare(job, choose_compute("cpu", "float32"))


@pytest.mark.parametrize(
    ("method", "layers"),
    [("head", 2), ("top-layers:k=1", 1), ("top-layers:k=2", 0), ("full", 0), ("bitfit", 0), ("lora", 0)],
)
def test_the_frozen_prefix_is_what_is_below_all_training(
    trials: Trials, method: str, layers: int
) -> None:
    assert len(prepared(trials.job(method)).frozen_prefix) == layers


def test_frozen_layers_run_without_dropout(trials: Trials) -> None:
    model = prepared(trials.job("top-layers:k=1")).model
    model.train()
    training = {name for name, module in model.named_modules() if module.training}
    assert any("layer.1." in name for name in training)
    assert not any("layer.0" in name or "embeddings" in name for name in training)


@pytest.mark.parametrize("method", ["head", "top-layers:k=1"])
def test_cached_activations_give_the_same_scores(
    trials: Trials, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method += ",learning_rate=1e-2" if ":" in method else ":learning_rate=1e-2"
    kept = trials.run(method, epochs=3)
    monkeypatch.setattr(
        "whichpeft.engine.trial.use_cached_activations", lambda prepared, *_, **__: prepared
    )
    anew = trials.run(method, epochs=3)
    assert kept.record.value("replayed_layers") == (2 if method.startswith("head") else 1)
    assert anew.record.value("replayed_layers") is None
    np.testing.assert_allclose(
        kept.predictions["outputs"], anew.predictions["outputs"], rtol=1e-3, atol=1e-4
    )
    assert [name for _, name, _ in kept.curve] == [name for _, name, _ in anew.curve]


@pytest.mark.parametrize("family", ["roberta", "llama"])
def test_other_families_are_cached_too(
    families: dict[str, Backbone], family: str, reviews: Path, tmp_path: Path
) -> None:
    record = Trials(families[family].folder, reviews, tmp_path).run("top-layers:k=1").record
    assert record.outcome.status == "completed", record.outcome
    assert record.value("replayed_layers") == 1


def test_activations_are_computed_once_for_all_trials(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    compute: Callable[..., object] = activation_cache._compute

    def count(prepared: PreparedTrial, examples: object, replay: object, path: Path) -> object:
        computed.append(path.name)
        return compute(prepared, examples, replay, path)

    monkeypatch.setattr(activation_cache, "_compute", count)
    job = trials.job("head")
    first = carry_out(job, lambda progress: None)
    again = carry_out(job, lambda progress: None)
    assert len(computed) == 3, "train, validation and test, by the first trial"
    np.testing.assert_array_equal(first.predictions["outputs"], again.predictions["outputs"])


def test_a_tuning_trial_does_not_read_the_test_split(trials: Trials) -> None:
    trials.run("head", purpose="tune")
    kept = {path.name.split(".")[2] for path in trials.scratch.rglob("*.activations")}
    assert kept == {"train", "validation"}


def test_nothing_is_cached_if_outputs_differ_with_it(trials: Trials) -> None:
    job = trials.job("head")
    ready = prepared(job)
    layer = ready.frozen_prefix[0]
    outputs = type(ready.task).outputs

    class Peeks(type(ready.task)):  # type: ignore[misc]
        """A task whose outputs also depend on the weights of a frozen layer."""

        __slots__ = ()

        def outputs(self, model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            seen: list[torch.Tensor] = []
            hook = layer.register_forward_hook(lambda _, __, output: seen.append(output))
            found = outputs(self, model, batch)
            hook.remove()
            return found + seen[0][:, 0, :1]

    object.__setattr__(ready, "task", _as(Peeks, ready.task))
    splits = {"train": "fit", "validation": "validate", "test": "test"}
    assert activation_cache.use_cached_activations(ready, job.data, splits, Meter()) is ready


def _as(kind: type, task: object) -> object:
    made = object.__new__(kind)
    for slot in task.__dataclass_fields__:  # type: ignore[attr-defined]
        object.__setattr__(made, slot, getattr(task, slot))
    return made


def test_a_full_disk_only_costs_the_next_trial_time(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc] no space left")

    monkeypatch.setattr(torch, "save", full)
    record = trials.run("head").record
    assert record.outcome.status == "completed", record.outcome
    assert record.value("replayed_layers") == 2
    assert not list(trials.scratch.rglob("*.activations*"))


def test_the_last_output_counts_if_a_layer_runs_several_times(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    from transformers import AlbertConfig, AlbertModel

    folder = tmp_path / "tiny-albert"
    config = AlbertConfig(
        vocab_size=30522, embedding_size=16, hidden_size=32, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=64,
    )  # fmt: skip
    AlbertModel(config).save_pretrained(folder)
    for path in tiny_backbone.glob("*token*"):
        shutil.copy(path, folder)
    record = Trials(folder, reviews, tmp_path).run("head").record
    assert record.outcome.status == "completed", record.outcome
    assert record.value("replayed_layers") == 1


def test_activations_too_large_for_memory_are_not_cached(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activation_cache, "_MEMORY_SHARE", 0.0)
    result = trials.run("head")
    assert result.record.outcome.status == "completed"
    assert result.record.value("replayed_layers") is None


def test_a_device_too_small_for_the_pass_that_fills_the_cache_trains_without_it(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = LabelledTask.outputs

    def limited(task: LabelledTask, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        if len(batch["input_ids"]) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return outputs(task, model, batch)

    monkeypatch.setattr(LabelledTask, "outputs", limited)
    record = trials.run("head").record
    assert record.outcome.status == "completed", record.outcome
    assert record.value("replayed_layers") is None
