"""Retrieval: the loss and ranks of small cases, the task's contract, and tables of pairs."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.errors import BackboneError, DataError
from whichpeft.methods import resolve_method
from whichpeft.metrics.loss import mean_loss
from whichpeft.metrics.per_example import per_example
from whichpeft.metrics.ranking import mean_of_random_ranks, reciprocal_ranks
from whichpeft.study import Budget, TaskSource
from whichpeft.tasks import load_task, text_task
from whichpeft.tasks.retrieval import RetrievalTask
from whichpeft.tasks.retrieval.assemble import retrieval_task
from whichpeft.tasks.retrieval.encoder import embed
from whichpeft.tasks.retrieval.match import THRESHOLD, encoded_apart
from whichpeft.tasks.retrieval.two_texts import SCALE
from whichpeft.testing import TaskContract

WORDS = ["open", "close", "read", "write", "sort", "join", "split", "parse"]


def pairs(first: int, count: int) -> list[tuple[str, str]]:
    return [
        (f"{WORDS[i % 8]} the file number {i}", f"def f(x):\n    return {WORDS[i % 8]}(x, {i})")
        for i in range(first, first + count)
    ]


def files() -> RetrievalTask:
    return retrieval_task("files", train=pairs(0, 40), validation=pairs(40, 10), test=pairs(50, 12))


def test_ranks_of_a_small_case() -> None:
    scores = np.array([[3.0, 1.0, 2.0], [5.0, 4.0, 4.0], [1.0, 1.0, 1.0]])
    # First; behind one and beside one; beside two.
    np.testing.assert_allclose(reciprocal_ranks(scores), [1, 1 / 2.5, 1 / 2])


def test_chance_is_the_mean_over_random_orders() -> None:
    rng = np.random.default_rng(0)
    drawn = [reciprocal_ranks(rng.normal(size=(12, 12))).mean() for _ in range(4000)]
    assert mean_of_random_ranks(12) == pytest.approx(np.mean(drawn), abs=0.004)
    assert files().chance == mean_of_random_ranks(12)


def test_predictions_and_their_loss() -> None:
    """Two queries that find their documents, and one that prefers another one's."""
    queries = np.eye(3, 4)
    documents = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0.6, 0.8]])
    found = files().predictions(np.hstack([queries, documents]), None, None)["outputs"]
    np.testing.assert_allclose(found[:, 0], [1, 1 / 2, 1 / 2], rtol=1e-6)
    logits = torch.tensor(SCALE * queries @ documents.T)
    expected = functional.cross_entropy(logits, torch.arange(3)).item()
    assert mean_loss("retrieval", "mrr", np.arange(3), found) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(per_example("mrr", np.arange(3), found), found[:, 0])


def test_the_mean_leaves_out_padding_and_counts_virtual_tokens() -> None:
    states = torch.tensor([[[1.0, 0], [3, 4], [9, 9]]])

    def model(input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=states)

    ids: Any = torch.zeros(1, 3, dtype=torch.int64)
    found = embed(model, ids, torch.tensor([[1, 1, 0]]))  # type: ignore[arg-type]
    torch.testing.assert_close(found, functional.normalize(torch.tensor([[2.0, 2.0]]), dim=1))
    found = embed(model, ids[:, :2], torch.tensor([[1, 0]]))  # type: ignore[arg-type]
    torch.testing.assert_close(found, functional.normalize(torch.tensor([[2.0, 2.0]]), dim=1))


def test_the_loss_contrasts_the_batch(tiny_backbone: Path) -> None:
    backbone = resolve_backbone(str(tiny_backbone))
    task = files()
    model = task.build(backbone).eval()
    batch = task.encode(backbone, max_train=None)["train"].batch(np.arange(6))
    with torch.no_grad():
        loss, outputs = task.loss(model, batch), task.outputs(model, batch)
    queries, documents = outputs.double().chunk(2, dim=1)
    torch.testing.assert_close(queries.norm(dim=1), torch.ones(6, dtype=torch.float64))
    likelihoods = (SCALE * queries @ documents.T).log_softmax(dim=1).diagonal()
    assert loss.item() == pytest.approx(-likelihoods.mean().item(), rel=1e-4)


def test_the_task_keeps_the_contract(tiny_backbone: Path) -> None:
    TaskContract(load=files, backbone=resolve_backbone(str(tiny_backbone))).check()


def test_pairs_that_match_are_decided_by_their_cosine(tiny_backbone: Path) -> None:
    rows = [(pair, i % 2) for i, pair in enumerate(pairs(0, 60))]
    task = encoded_apart(text_task("match", train=rows))
    backbone = resolve_backbone(str(tiny_backbone))
    TaskContract(load=lambda: task, backbone=backbone).check()
    model = task.build(backbone).eval()
    batch = task.encode(backbone, max_train=None)["train"].batch(np.arange(5))
    with torch.no_grad():
        logits, loss = task.outputs(model, batch), task.loss(model, batch)
        first = embed(model, batch["query_ids"], batch["query_mask"])
        second = embed(model, batch["document_ids"], batch["document_mask"])
    cosines = functional.cosine_similarity(first, second)
    torch.testing.assert_close(logits[:, 1], SCALE * (cosines - THRESHOLD), atol=1e-4, rtol=1e-4)
    assert not logits[:, 0].any()
    torch.testing.assert_close(
        loss, functional.binary_cross_entropy_with_logits(logits[:, 1], batch["labels"].float())
    )


def test_a_model_has_no_pooler(minilm: Backbone) -> None:
    task = files()
    assert not any("pooler" in name for name, _ in task.build(minilm).named_parameters())
    with torch.device("meta"):
        meta = task.build_on_meta(minilm)
    assert not any("pooler" in name for name, _ in meta.named_parameters())
    assert task.compare_weights(minilm).new_layers == ()


def test_lengths_count_both_texts(minilm: Backbone) -> None:
    task = files()
    examples = task.encode(minilm, max_train=8)["train"]
    batch = examples.batch(np.arange(8))
    both = batch["query_mask"].sum(1) + batch["document_mask"].sum(1)
    assert both.tolist() == examples.tokens.tolist()
    part = examples.take(np.array([5, 2]))  # type: ignore[attr-defined]
    again = part.batch(np.array([0, 1]))
    length = again["document_ids"].shape[1]
    assert again["document_ids"].tolist() == batch["document_ids"][[5, 2], :length].tolist()
    with torch.device("meta"):
        dummy = task.dummy_batch(minilm, 2, 100)
    assert dummy["query_ids"].shape[1] + dummy["document_ids"].shape[1] == 100


def test_the_head_alone_is_refused(minilm: Backbone) -> None:
    reason = resolve_method("head").refuses(minilm, files(), Budget())
    assert reason == "it trains only a new head, and embeddings are compared without one"


def test_images_are_not_encoded() -> None:
    with pytest.raises(BackboneError, match="does not encode texts on their own"):
        files().encode(resolve_backbone("digits-vit"), max_train=None)


def test_a_table_of_pairs(tmp_path: Path) -> None:
    rows = pairs(0, 40)
    frame = pd.DataFrame(
        {"id": range(41), "query": [*(q for q, _ in rows), ""], "code": [*(c for _, c in rows), "x = 1"]}
    )
    path = tmp_path / "pairs.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"name both with --text-column.*id, query and code"):
        load_task(TaskSource(name=str(path), problem="retrieval"))
    frame.rename(columns={"code": "Document"}).to_csv(path, index=False)
    task = load_task(TaskSource(name=str(path), problem="retrieval"))
    assert isinstance(task, RetrievalTask)
    assert sum(task.counts.values()) == 40
    assert task.columns is not None
    assert (task.columns.text, task.columns.unused) == (("query", "Document"), ("id",))
    assert any("1 row without a query or a document was skipped" in note for note in task.notes)
    assert task.splits["train"][0][1].startswith("def f(x):\n    return")
    assert math.isclose(task.chance, mean_of_random_ranks(task.counts["test"]))
    with pytest.raises(DataError, match=r"unknown metric 'accuracy'.*retrieval is scored by mrr"):
        load_task(TaskSource(name=str(path), problem="retrieval", metric="accuracy"))
