"""A study of proteins, from the command to the report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.running.default_study import PROTEIN_EPOCHS, PROTEIN_METHODS, default_study

from ..forks import Forks

HEAD = "head:learning_rate=1e-2"


def whichpeft(forks: Forks, *arguments: str, folder: Path) -> str:
    done = forks.run(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("task", ["antibody-origin", "antibody-immunogenicity"])
def test_a_task_alone_gets_a_backbone_and_epochs_that_fit(task: str) -> None:
    study = default_study([task])
    assert study.backbones == ("sapiens-vh",)
    assert study.methods == PROTEIN_METHODS
    assert len(study.methods) >= 6
    assert study.budget.epochs == PROTEIN_EPOCHS
    assert default_study([task, "stdlib-docs"]).budget.epochs == 3


@pytest.mark.slow
def test_residues_are_the_unit_of_speed(forks: Forks, tmp_path: Path) -> None:
    whichpeft(
        forks, "run", "--task", "antibody-origin", "--method", "head", "--seeds", "1", "--epochs", "1",
        "--max-train", "48", "--device", "cpu", "--out", "run", folder=tmp_path,
    )  # fmt: skip
    rows = json.loads(whichpeft(forks, "report", "run", "--format", "json", folder=tmp_path))
    head = next(row for row in rows if row["method"] == "head")
    assert head["tokens_per_second"] is None
    # Chains have 119 residues on average.
    assert head["residues_per_second"] == pytest.approx(119 * head["samples_per_second"], rel=0.1)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "residues/s" in page
    assert "tokens/s" not in page
    assert "Length of the inputs in residues" in page


def random_sapiens(folder: Path) -> Path:
    """Write the bundled model with random weights."""
    import torch
    from transformers import RobertaConfig, RobertaForMaskedLM

    files = resolve_backbone("sapiens-vh").files
    torch.manual_seed(0)
    RobertaForMaskedLM(RobertaConfig.from_pretrained(files)).save_pretrained(folder)
    for path in files.glob("tokenizer*"):
        shutil.copy(path, folder)
    return folder


@pytest.mark.slow
def test_pretraining_and_methods_matter_by_a_verdict(forks: Forks, tmp_path: Path) -> None:
    """Three seeds, with fewer epochs than by default."""
    study = ["--task", "antibody-origin", "--seeds", "3", "--epochs", "5"]
    methods = [word for method in ("full", "lora", HEAD) for word in ("--method", method)]
    whichpeft(forks, "run", *study, *methods, "--baseline", HEAD, "--out", "run", folder=tmp_path)
    rows = json.loads(whichpeft(forks, "report", "run", "--format", "json", folder=tmp_path))
    verdicts = {row["method"]: row["verdict"] for row in rows}
    assert (verdicts["full"], verdicts["lora"]) == ("better", "better")
    model = random_sapiens(tmp_path / "random")
    whichpeft(
        forks, "run", *study, "--backbone", str(model), "--method", "full", "--out", "drawn",
        folder=tmp_path,
    )  # fmt: skip
    changes = json.loads(whichpeft(forks, "report", "drawn", "run", "--format", "json", folder=tmp_path))
    (full,) = [row for row in changes["methods"] if row["method"] == "full"]
    assert full["verdict"] == "better"
