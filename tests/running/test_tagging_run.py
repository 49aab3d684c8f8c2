"""Studies of tagging and of several labels, from the data to the answer and the page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import whichpeft as wp
from whichpeft.analysis import paired_gap
from whichpeft.analysis.check.check import check
from whichpeft.backbones import resolve_backbone
from whichpeft.executors import SilentObserver
from whichpeft.metrics.per_example import per_example
from whichpeft.records import Store

METHODS = ["full", "lora:r=4", "head"]


def tagged(folder: Path) -> Path:
    people, places = ("Ada", "Grace", "Alan", "Linus"), ("Zurich", "Paris", "Rome")
    rows = [
        {"tokens": [person, verb, place, "."], "ner_tags": ["B-PER", "O", "B-LOC", "O"]}
        for person in people
        for place in places
        for verb in ("saw", "left", "liked", "reached", "missed")
    ]
    (folder / "people.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "people.jsonl"


def labelled(folder: Path) -> Path:
    rows = [
        {"text": f"a {how} film {i} about {what}", "labels": [how, *(["war"] if what == "war" else [])]}
        for i in range(15)
        for how in ("funny", "sad")
        for what in ("war", "us")
    ]
    (folder / "films.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "films.jsonl"


@pytest.mark.parametrize(
    ("data", "metric", "words"),
    [(tagged, "entity_f1", "Scores by type"), (labelled, "micro_f1", "Scores by label")],
)
def test_a_study_ends_in_pairs_an_answer_and_a_page(
    data, metric: str, words: str, tiny_backbone: Path, tmp_path: Path
) -> None:
    study = wp.Study(
        backbone=str(tiny_backbone),
        task=str(data(tmp_path)),
        methods=METHODS,
        seeds=2,
        budget=wp.Budget(epochs=3, batch_size=8),
    )
    out = tmp_path / "run"
    report = wp.run(study, out=out, device="cpu", observer=SilentObserver())
    rows = {row["method"]: row for row in report.rows}
    for method in METHODS:
        assert (rows[method]["status"], rows[method]["metric"]) == ("completed", metric)
    assert rows["lora:r=4"]["gap_low"] is not None  # paired by sentence or text
    report.write_html(tmp_path / "page.html")
    assert words in (tmp_path / "page.html").read_text()
    store = Store(out)
    kept = {row[1] for key in store.fingerprints() for row in store.curve_rows(key) or ()}
    assert "validation_loss" in kept
    found = check(store.study(), store.each(), predictions=store.predictions, curves=store.curve_rows)
    assert not [one.what for one in found if "other test examples" in one.what]


@pytest.mark.slow
def test_pretraining_and_training_show_in_a_verdict(tmp_path: Path) -> None:
    """Full fine-tuning and LoRA beat the chance level, and MiniLM beats itself with random weights."""
    from transformers import AutoConfig, AutoModel

    minilm = resolve_backbone("minilm")

    folder = tmp_path / "random"
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.from_pretrained(minilm.files)).save_pretrained(folder)
    for path in Path(minilm.files).glob("*token*"):
        shutil.copy(path, folder)
    shutil.copy(Path(minilm.files) / "vocab.txt", folder)
    study = wp.Study(
        backbones=["minilm", str(folder)],
        task="stdlib-names",
        methods=["zero-shot", "full", "lora:r=8"],
        baseline="zero-shot",
        seeds=3,
        budget=wp.Budget(epochs=3),
    )
    out = tmp_path / "run"
    report = wp.run(study, out=out, device="cpu", observer=SilentObserver())
    verdicts = {(row["backbone"], row["method"]): row["verdict"] for row in report.rows}
    assert verdicts["minilm", "full"] == verdicts["minilm", "lora:r=8"] == "better"
    store = Store(out)
    scores: dict[str, list[np.ndarray]] = {"minilm": [], "random": []}
    for record in sorted(store, key=lambda one: one.trial.seed):
        if (record.trial.method, record.trial.purpose) == ("full", "final"):
            arrays = store.predictions(record.trial.fingerprint)
            assert arrays is not None
            values = per_example("entity_f1", arrays["labels"], arrays["outputs"])
            assert values is not None
            scores[record.trial.backbone].append(values)
    gap = paired_gap(*(np.stack(scores[name]) for name in scores), rng=np.random.default_rng(0))
    assert gap.low > 0
