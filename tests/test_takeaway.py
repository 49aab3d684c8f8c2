"""What is left for the taking: PEFT reads the configuration, and the script trains with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.errors import RequestError
from whichpeft.methods import resolve_method
from whichpeft.records import Store
from whichpeft.report import Report
from whichpeft.takeaway import write_takeaway


def run_folder(
    made: ModuleType, reviews: Path, folder: Path, method: str, tuned: dict[str, Any] | None = None
) -> Path:
    """Return a folder with synthetic records of one real method on minilm and the reviews."""
    typed = resolve_method(method)
    settled = typed.with_options(tuned or {}).suited_to(resolve_backbone("minilm"))
    budget = made.Budget(epochs=2, batch_size=16)
    shared = {
        "task": "reviews",
        "method_id": typed.identity,
        "hyperparameters": settled.hyperparameters,
        "budget": budget,
    }
    store = Store(folder)
    store.keep_study(made.study([method], task=str(reviews), budget=budget, baseline=method))
    store.add(made.profile(method, **shared))
    for seed, score in enumerate((0.80, 0.82, 0.81)):
        record = made.final(method, seed, score, **shared)
        best = made.measurements({"validation_score": score}, "validate")
        store.add(type(record)(
            trial=record.trial, setting=record.setting, outcome=record.outcome,
            measurements=(*record.measurements, *best),
        ))  # fmt: skip
        kept = store.adapter_folder(record.trial.fingerprint)
        kept.mkdir(parents=True)
        (kept / "seed.txt").write_text(str(seed))
    return folder


def take(folder: Path, out: Path) -> Path:
    report = Report.read(folder)
    (written,) = write_takeaway(report, report.choose(), folder=folder, out=out)
    assert written == out
    return written


def test_a_tuned_lora_is_a_config_that_peft_reads(made, reviews: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, PeftConfig

    tuned = {"r": 32, "learning_rate": 5e-4}
    folder = run_folder(made, reviews, tmp_path / "run", "lora", tuned)
    out = take(folder, tmp_path / "away")
    assert {path.name for path in out.iterdir()} == {
        "README.md", "adapter", "adapter_config.json", "hyperparameters.json", "train.py",
    }  # fmt: skip
    config = PeftConfig.from_pretrained(out)
    assert isinstance(config, LoraConfig)
    assert (config.r, config.task_type, config.inference_mode) == (32, "SEQ_CLS", False)
    assert sorted(config.target_modules) == ["key", "query", "value"]
    facts = json.loads((out / "hyperparameters.json").read_text())
    assert facts["learning_rate"] == 5e-4
    assert (facts["epochs"], facts["batch_size"], facts["seeds"]) == (2, 16, [0, 1, 2])
    assert facts["score_mean"] == pytest.approx(0.81)
    assert (out / "adapter" / "seed.txt").read_text() == "1"  # the best on validation
    readme = (out / "README.md").read_text()
    assert "Use lora for minilm on reviews: 81.0 points" in readme
    assert "seed 1" in readme


@pytest.mark.parametrize(
    ("method", "files", "in_script"),
    [
        ("full", [], ""),
        ("head", [], 'name in SETTINGS["trained"]'),
        ("bitfit", ["adapter_config.json"], "import whichpeft.methods.tuners"),
        ("pissa", ["adapter_config.json"], "get_peft_model"),
        ("adalora", ["adapter_config.json"], "adapter.after_step"),
        ("prompt", ["adapter_config.json"], "resolve_method('adapter_config.json')"),
        (
            "lora+bitfit",
            ["bitfit/adapter_config.json", "lora/adapter_config.json"],
            "resolve_method('bitfit/adapter_config.json+lora/adapter_config.json')",
        ),
    ],
)
def test_every_kind_of_method(
    made, reviews: Path, tmp_path: Path, method: str, files: list[str], in_script: str
) -> None:
    out = take(run_folder(made, reviews, tmp_path / "run", method), tmp_path / "away")
    found = sorted(str(path.relative_to(out)) for path in out.rglob("adapter_config.json"))
    assert found == files
    script = (out / "train.py").read_text()
    compile(script, "train.py", "exec")
    facts = json.loads((out / "hyperparameters.json").read_text())
    if method == "full":
        assert facts["trained"] is None
        assert "requires_grad_" not in script
        return
    assert in_script in script
    if method == "head":
        assert facts["trained"] == ["classifier.weight", "classifier.bias"]
    if method == "pissa":  # as it is trained, not what stood in for it without weights
        assert json.loads((out / files[0]).read_text())["init_lora_weights"] == "pissa"
    if method == "adalora":  # 160 examples in batches of 16, twice
        assert json.loads((out / files[0]).read_text())["total_step"] == 20


def test_data_that_are_gone_are_named(made, reviews: Path, tmp_path: Path) -> None:
    folder = run_folder(made, reviews, tmp_path / "run", "head")
    study = (folder / "study.yaml").read_text()
    (folder / "study.yaml").write_text(study.replace(str(reviews), str(tmp_path / "reviews")))
    with pytest.raises(RequestError, match="reviews"):
        take(folder, tmp_path / "away")
    assert not (tmp_path / "away").exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora:r=4", "adalora", "lora+bitfit"])
def test_the_script_trains(made, reviews: Path, tmp_path: Path, method: str) -> None:
    out = take(run_folder(made, reviews, tmp_path / "run", method), tmp_path / "away")
    files = [f"--{split}={reviews / name}.tsv" for split, name in
             (("train", "train"), ("validation", "dev"), ("test", "test"))]  # fmt: skip
    backbone = str(resolve_backbone("minilm").files)
    done = subprocess.run(
        [
            sys.executable,
            out / "train.py",
            *files,
            "--backbone",
            backbone,
            "--out",
            tmp_path / "trained",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    score = float(done.stdout.rpartition("test accuracy: ")[2].split()[0])
    assert score > 90
    assert list((tmp_path / "trained").rglob("*.safetensors"))
