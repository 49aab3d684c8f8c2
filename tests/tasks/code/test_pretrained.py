"""A pretrained backbone knows more of code than the same one with random weights, and methods learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from whichpeft.backbones import Backbone
from whichpeft.metrics.metric import Array
from whichpeft.metrics.per_example import per_example
from whichpeft.tasks.code.doc_match import stdlib_doc_match
from whichpeft.tasks.code.search import stdlib_search
from whichpeft.tasks.retrieval import RetrievalTask
from whichpeft.tasks.retrieval.match import MatchTask

from ...forks import Forks


def scores(task: RetrievalTask | MatchTask, backbone: Backbone, model: torch.nn.Module) -> Array:
    """Return the score of each test example, without training."""
    test = task.encode(backbone, max_train=64)["test"]
    with torch.inference_mode():
        parts = [
            task.outputs(model.eval(), test.batch(np.arange(i, min(i + 25, len(test)))))
            for i in range(0, len(test), 25)
        ]
    outputs = torch.cat(parts).numpy()
    if isinstance(task, RetrievalTask):
        outputs = task.predictions(outputs, test, backbone)["outputs"]
    found = per_example(task.metrics[0].name, test.labels, outputs)
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("load", "least"), [(stdlib_doc_match, 0.7), (stdlib_search, 0.3)])
def test_pretrained_weights_beat_random_ones(load: object, least: float, minilm: Backbone) -> None:
    task = load()  # type: ignore[operator]
    pretrained = scores(task, minilm, task.build(minilm))
    torch.manual_seed(0)
    random = AutoModel.from_config(minilm.architecture(), add_pooling_layer=False)
    gaps = pretrained - scores(task, minilm, random)
    assert pretrained.mean() > least
    assert gaps.mean() > 4 * gaps.std(ddof=1) / len(gaps) ** 0.5


@pytest.mark.slow
def test_full_and_lora_beat_chance_on_three_seeds(forks: Forks, tmp_path: Path) -> None:
    methods = ("--method", "full", "--method", "lora:r=8")
    budget = ("--seeds", "3", "--epochs", "1", "--max-train", "128")
    folder = str(tmp_path / "run")
    done = forks.run("run", "--task", "stdlib-doc-match", *methods, *budget, "--quiet", "--out", folder)
    assert done.returncode == 0, done.stderr
    rows = json.loads(forks.run("report", folder, "--format", "json").stdout)
    scored = {row["method"]: row for row in rows}
    for method in ("full", "lora:r=8"):
        assert scored[method]["score_low"] > scored[method]["chance"]
