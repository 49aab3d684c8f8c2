"""What a language model learnt in pretraining shows with every method."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from whichpeft.analysis import paired_gap
from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.engine import FinalWork, Job, Placement
from whichpeft.engine.carry_out import carry_out
from whichpeft.methods import resolve_method
from whichpeft.metrics.per_example import per_example
from whichpeft.planning import make_plan
from whichpeft.study import Budget, Study
from whichpeft.tasks import GenerativeTask, Prompted, generative_task
from whichpeft.tasks.encoded_data import write_data

STORIES = Path(__file__).parents[4] / "shared" / "data" / "weights" / "stories260K"
METHODS = (
    "zero-shot",
    "full",
    "top-layers:k=1",
    "lora:r=8",
    "dora:r=8",
    "adalora",
    "ia3",
    "ln-tuning",
    "prefix",
    "prompt",
    "p-tuning",
    "adaption-prompt",
    "series-adapter",
    "parallel-adapter",
    "loreft",
)
NAMES = ("Lily", "Tom", "Sue", "Ben", "Mia", "Max")
THINGS = ("ball", "cat", "cake", "kite", "toy car", "red flower", "big dog", "little bird")
PLACES = ("park", "garden", "house", "forest")


def stories() -> list[str]:
    """Newly written stories like those the model was trained on."""
    return [
        f"One day, {name} went to the {place} with her mom. {name} saw a {thing} under a tree. "
        f'"Look, mom! A {thing}!" she said. Her mom smiled and said, "Yes, {name}. It is very nice." '
        f"They played with the {thing} all day. Then they went home, and {name} was happy."
        for name in NAMES
        for thing in THINGS
        for place in PLACES
    ][::4]


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> tuple[Backbone, Backbone]:
    """The pretrained model, and the same model with random weights."""
    if not STORIES.is_dir():
        pytest.skip(f"no real weights at {STORIES}")
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    pretrained = resolve_backbone(str(STORIES))
    folder = tmp_path_factory.mktemp("random") / "untrained"
    shutil.copytree(pretrained.files, folder)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    return pretrained, resolve_backbone(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_held_out_stories_are_likelier_to_the_pretrained_model(
    method: str, backbones: tuple[Backbone, Backbone], tmp_path: Path
) -> None:
    """Compare log-likelihoods per token, with a verdict over seeds and stories."""
    texts = [Prompted(prompt="", completion=story) for story in stories()]
    asked = generative_task("stories", train=texts[:24], validation=texts[24:32], test=texts[32:])
    found = [scores(method, backbone, asked, tmp_path) for backbone in backbones]
    gap = paired_gap(*found, margin=0.02, rng=np.random.default_rng(0))
    assert gap.verdict == "better", gap
    assert gap.low > 0.5  # nats per token


def scores(method: str, backbone: Backbone, asked: GenerativeTask, folder: Path) -> np.ndarray:
    """Return the contribution of each story to the score, (seeds, stories)."""
    study = Study(
        backbone=backbone.name,
        task="stories",
        methods=[method],
        seeds=3,
        # Prefix tuning from a random start takes longest.
        budget=Budget(epochs=8 if method == "prefix" else 4, batch_size=8),
        precision="float32",
    )
    data, _ = write_data(asked, backbone, study.budget, folder)
    (cell,) = make_plan(study, [backbone], [asked], {method: resolve_method(method)}).cells
    assert cell.refusal is None
    rows = []
    for trial in cell.finals:
        job = Job(
            trial=trial,
            backbone=backbone,
            method=cell.method,
            data=data,
            placement=Placement(device="cpu"),
            work=FinalWork(),
        )
        result = carry_out(job, lambda progress: None)
        assert result.record.outcome.status == "completed", result.record.outcome
        values = per_example(
            "log_likelihood", result.predictions["labels"], result.predictions["outputs"]
        )
        assert values is not None
        assert values.mean() == pytest.approx(result.record.value("score"), abs=1e-4)
        rows.append(values)
    return np.stack(rows)
