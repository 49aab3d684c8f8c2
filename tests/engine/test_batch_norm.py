"""Batch normalisation gets no example alone if that fails, and other models keep their batches."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ResNetConfig, ResNetModel, ViTImageProcessorPil

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.engine import FinalWork, Job, Placement
from whichpeft.engine.batches import training_batches, with_enough
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.compute import Compute
from whichpeft.engine.model_setup import prepare
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.planning.batch_norm import fewest_together, micro_batch_note
from whichpeft.study import Budget, Study
from whichpeft.tasks import image_task
from whichpeft.tasks.encoded_data import write_data
from whichpeft.tasks.images.task import ImageTask


def test_other_batches_are_untouched() -> None:
    sizes = np.ones(49, dtype=np.int64)
    usual = training_batches(sizes, 16, seed=3, epoch=1)
    moved = training_batches(sizes, 16, seed=3, epoch=1, fewest=2)
    assert sorted(map(len, usual)) == [1, 16, 16, 16]
    assert sorted(map(len, moved)) == [2, 15, 16, 16]
    assert sorted(np.concatenate(moved)) == list(range(49))
    same = sum(any(np.array_equal(one, other) for other in moved) for one in usual)
    assert same == 2, "only the last two change"
    for count in (48, 50):
        sizes = np.ones(count, dtype=np.int64)
        pairs = zip(
            training_batches(sizes, 16, seed=3, epoch=1),
            training_batches(sizes, 16, seed=3, epoch=1, fewest=2),
            strict=True,
        )
        assert all(np.array_equal(one, other) for one, other in pairs)


def test_a_part_that_is_too_small_to_give_is_joined() -> None:
    parts = [np.array([0, 1]), np.array([2, 3]), np.array([4])]
    assert [part.tolist() for part in with_enough(parts, 2)] == [[0, 1], [2, 3, 4]]
    assert with_enough([np.array([7])], 2)[0].tolist() == [7]


def images(count: int) -> ImageTask:
    drawn = np.random.default_rng(0)

    def some(size: int) -> list[tuple[np.ndarray, int]]:  # type: ignore[type-arg]
        return [(drawn.integers(0, 255, (32, 32, 3), dtype=np.uint8), i % 2) for i in range(size)]

    return image_task("dots", train=some(count), validation=some(6), test=some(6))


@pytest.fixture
def resnet(tmp_path: Path) -> Backbone:
    """A network whose last images are of one pixel, so that one example has one value per channel."""
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1],
                          layer_type="basic")  # fmt: skip
    ResNetModel(config).save_pretrained(tmp_path / "resnet")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "resnet")
    return resolve_backbone(str(tmp_path / "resnet"))


def job_of(task: ImageTask, backbone: Backbone, folder: Path, **budget: int) -> Job:
    study = Study(
        backbone=backbone.name, task=task.name, methods=["full"], seeds=[0],
        budget=Budget(epochs=1, **budget), precision="float32",
    )  # fmt: skip
    (cell,) = make_plan(study, [backbone], [task], {"full": resolve_method("full")}).cells
    assert cell.refusal is None
    path, _ = write_data(task, backbone, study.budget, folder)
    return Job(
        trial=cell.finals[0], backbone=backbone, method=cell.method, data=path,
        placement=Placement(device="cpu"), work=FinalWork(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("count", "budget"),
    [
        (17, {"batch_size": 16}),
        (33, {"batch_size": 16, "micro_batch": 5}),
        (17, {"batch_size": 4, "micro_batch": 2}),
    ],
)
def test_a_last_example_is_not_alone(
    count: int, budget: dict[str, int], resnet: Backbone, tmp_path: Path
) -> None:
    job = job_of(images(count), resnet, tmp_path, **budget)
    record = carry_out(job, lambda progress: None).record
    assert record.outcome.status == "completed", record.outcome
    assert record.value("steps") == -(-count // budget["batch_size"])
    assert record.value("examples_trained") == count
    prepared = prepare(job, Compute(torch.device("cpu"), "float32"))
    for batch in training_batches(np.ones(count), budget["batch_size"], seed=0, epoch=0, fewest=2):
        parts = list(prepared.cut(batch))
        assert min(len(part) for part, _ in parts) >= 2
        assert sum(share for _, share in parts) == pytest.approx(1)
    halved = prepare(dataclasses.replace(job, micro_batch=1), Compute(torch.device("cpu"), "float32"))
    assert min(len(part) for part, _ in halved.cut(np.arange(5))) >= 2


@pytest.mark.parametrize(
    ("count", "budget", "words"),
    [
        (20, {"batch_size": 1}, "batches of one"),
        (20, {"batch_size": 8, "micro_batch": 1}, "micro-batches of one"),
        (17, {"batch_size": 2}, "a last batch of one"),
    ],
)
def test_where_it_cannot_be_avoided_it_is_refused(
    count: int, budget: dict[str, int], words: str, resnet: Backbone
) -> None:
    study = Study(
        backbone="r", task="dots", methods=["full"], seeds=[0], budget=Budget(epochs=1, **budget)
    )
    names = ("full", "zero-shot")
    methods = {name: resolve_method(name) for name in names}
    full, nothing = make_plan(study, [resnet], [images(count)], methods).cells
    assert full.refusal is not None
    assert words in full.refusal
    assert nothing.refusal is None, "nothing trains"


def test_only_such_models_are_concerned(resnet: Backbone, tiny_vits: dict[int, Path]) -> None:
    task = images(20)
    assert fewest_together(task, resnet) == 2
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic")
    shallow = dataclasses.replace(resnet, config=config.to_dict())
    assert fewest_together(task, shallow) == 1, "32 pixels leave several after two stages"
    vit = resolve_backbone(str(tiny_vits[1]))
    assert fewest_together(task, vit) == 1
    budget = Budget(batch_size=16, micro_batch=4)
    assert micro_batch_note(task, vit, budget) is None
    assert micro_batch_note(task, resnet, Budget(batch_size=16)) is None
    assert "4 examples at a time, not 16" in str(micro_batch_note(task, resnet, budget))


@pytest.mark.parametrize(("micro", "at_once"), [(None, 64), (4, 4), (100, 64)])
def test_evaluation_follows_the_micro_batch(
    micro: int | None, at_once: int, resnet: Backbone, tmp_path: Path
) -> None:
    budget = {"batch_size": 128} | ({"micro_batch": micro} if micro else {})
    job = job_of(images(20), resnet, tmp_path, **budget)
    prepared = prepare(job, Compute(torch.device("cpu"), "float32"))
    assert prepared.evaluated_at_once == at_once
