"""A trial with packed examples gives the same result as one without, and measures what it computes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whichpeft.backbones import Backbone
from whichpeft.engine import FinalWork, Job, Placement, ProfileWork
from whichpeft.engine.batches import training_batches
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.compute import choose_compute
from whichpeft.engine.model_setup import prepare
from whichpeft.engine.profiling.profile import _about_bytes, _Training
from whichpeft.errors import TrialFailed
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.study import Budget, Study
from whichpeft.tasks import Prompted, generative_task
from whichpeft.tasks.encoded_data import write_data


@pytest.fixture
def packed(tiny_writer: Backbone, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Make jobs of final trials on prompts of very different lengths."""
    rng = np.random.default_rng(0)
    words = ["three", "plus", "four", "is", "seven"]
    examples = [
        Prompted(
            prompt=" ".join(rng.choice(words, 1 + i % 7 + 20 * (i % 8 == 0))), completion=words[i % 5]
        )
        for i in range(48)
    ]
    task = generative_task(
        "t", train=examples, validation=examples[:8], test=examples, metric="log_likelihood"
    )
    budget = Budget(epochs=2, batch_size=16, micro_batch=8)
    data, _ = write_data(task, tiny_writer, budget, tmp_path)

    def make(method: str) -> Job:
        study = Study(
            backbone="w", task="t", methods=[method], budget=budget, precision="float32", packing=True
        )
        cell = make_plan(study, [tiny_writer], [task], {method: resolve_method(method)}).cells[0]
        trial = cell.finals[0]
        assert trial.conditions.packing
        placement = Placement(device="cpu")
        return Job(
            trial=trial,
            backbone=tiny_writer,
            method=cell.method,
            data=data,
            placement=placement,
            work=FinalWork(),
        )

    return make


def test_packing_gives_the_result_of_padding(packed) -> None:  # type: ignore[no-untyped-def]
    job = packed("lora:r=4,lora_dropout=0")
    conditions = replace(job.trial.conditions, packing=False)
    plain = replace(job, trial=replace(job.trial, conditions=conditions))
    assert job.trial.fingerprint != plain.trial.fingerprint
    one, other = (carry_out(each, lambda progress: None) for each in (job, plain))
    assert one.record.value("score") == pytest.approx(other.record.value("score"), rel=1e-4)
    np.testing.assert_allclose(
        [value for *_, value in one.curve], [value for *_, value in other.curve], rtol=1e-4
    )
    np.testing.assert_allclose(one.predictions["outputs"], other.predictions["outputs"], rtol=1e-3)


def test_examples_that_mix_end_the_trial_before_it_trains(packed) -> None:  # type: ignore[no-untyped-def]
    """The plan refuses prompts; this check also catches a plug-in that mixes examples."""
    with pytest.raises(TrialFailed, match="packed examples are not kept apart"):
        prepare(packed("prompt:num_virtual_tokens=3"), choose_compute("cpu", "float32"))


def test_a_profile_measures_memory_on_the_largest_micro_batch(packed) -> None:  # type: ignore[no-untyped-def]
    job = packed("full")
    prepared = prepare(job, choose_compute("cpu", "float32"))
    training, train = _Training(job, ProfileWork(), prepared), prepared.examples["train"]

    def shapes(batch: np.ndarray) -> list[tuple[int, int]]:
        return [tuple(part["input_ids"].shape) for part, _ in prepared.parts(batch)]

    batches = training_batches(train.sizes, 16, seed=0, epoch=0)
    assert any(rows < job.micro_batch_size for batch in batches for rows, _ in shapes(batch))
    most = max(math.prod(shape) for batch in batches for shape in shapes(batch))
    assert max(map(math.prod, shapes(training.largest))) == most


def test_many_logits_can_make_a_shorter_batch_the_largest(tiny_writer: Backbone) -> None:
    examples = [
        Prompted(prompt="three " * 40, completion="four"),
        Prompted(prompt="three", completion="four " * 30),
    ]
    task = generative_task("t", train=examples, validation=examples, test=examples)
    train = task.encode(tiny_writer, max_train=None)["train"]

    def largest(vocabulary: int) -> int:
        backbone = replace(tiny_writer, config={**tiny_writer.config, "vocab_size": vocabulary})
        return max((0, 1), key=lambda i: _about_bytes(backbone, train, np.array([i])))

    assert (largest(100), largest(100_000)) == (0, 1)
