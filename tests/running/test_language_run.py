"""A study of a language model, from its file to its report."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from whichpeft.backbones import Backbone
from whichpeft.records.store import Store

from ..forks import Forks

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture
def study(tiny_writer: Backbone, tmp_path: Path) -> Path:
    """A study of a tiny model: classification by a verbaliser, and held-out text."""
    folder = tmp_path / "tiny-writer"
    shutil.copytree(tiny_writer.files, folder)
    rows = [{"text": f"{a} {b}", "label": i % 2} for i, a in enumerate(NAMES) for b in NAMES]
    (tmp_path / "words.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "held.txt").write_text("What is three plus four?\n\nThe answer is seven.")
    path = tmp_path / "study.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "backbones": ["./tiny-writer"],
                "tasks": [
                    {
                        "name": "./words.jsonl",
                        "prompt": "{text} is",
                        "verbaliser": {"0": "even", "1": "odd"},
                        "metric": "exact_match",
                        "held_out": "./held.txt",
                    }
                ],
                "methods": ["full", "lora:r=4", "head", "few-shot:shots=2"],
                "seeds": [0, 1],
                "budget": {"epochs": 4, "batch_size": 8},
            }
        )
    )
    return path


def whichpeft(forks: Forks, *arguments: str) -> str:
    done = forks.run(*arguments, env={**os.environ, "COLUMNS": "160"})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_study_from_its_file_to_its_report(forks: Forks, study: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shown = whichpeft(forks, "run", str(study), "--out", str(out), "--device", "cpu", "--keep-adapters")
    shown_rows = json.loads(whichpeft(forks, "report", str(out), "--format", "json"))
    rows = {row["method"]: row for row in shown_rows}
    assert list(rows) == ["full", "lora:r=4", "head", "few-shot:shots=2", "zero-shot"]
    assert rows["head"]["status"] == "refused"
    assert "a language model gets none" in rows["head"]["error"]
    for method in ("full", "lora:r=4", "few-shot:shots=2", "zero-shot"):
        assert rows[method]["status"] == "completed", rows[method]
        assert rows[method]["metric"] == "exact_match"
        assert rows[method]["head_parameters"] == 0
    assert rows["full"]["score_mean"] > rows["zero-shot"]["score_mean"]
    assert rows["few-shot:shots=2"]["trainable_parameters"] == 0
    assert "answers found: full " in shown
    assert "zero-shot +0.000" in shown  # how much the backbone itself forgot
    page = (out / "report.html").read_text()
    for title in ("answers found", "held-out perplexity", "forgetting"):
        assert title in page

    store = Store(out)
    record = next(r for r in store if r.trial.purpose == "final" and r.trial.method == "full")
    kept = store.predictions(record.trial.fingerprint)
    assert kept is not None
    assert {text.strip() for text in kept["answers"].tolist()} & {"even", "odd"}
    assert np.mean(kept["outputs"][:, 0]) == pytest.approx(record.value("score", "test"))
    card = (store.adapter_folder(record.trial.fingerprint) / "README.md").read_text()
    assert "AutoModelForCausalLM.from_pretrained" in card
    assert "type: text-generation" in card
