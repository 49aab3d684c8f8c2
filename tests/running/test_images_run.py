"""A study of images, from the command to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whichpeft.methods import resolve_method
from whichpeft.running.default_study import CONVOLUTION_METHODS, DEFAULT, IMAGE_METHODS, default_study

from ..forks import Forks

METHODS = ("full", "head", "lora:r=8", "bitfit")


def whichpeft(forks: Forks, *arguments: str, folder: Path) -> str:
    done = forks.run(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_task_alone_gets_a_backbone_and_methods_that_fit(shapes: Path) -> None:
    digits = default_study(["digits"])
    assert digits.backbones == ("digits-vit",)
    assert digits.name == "digits-digits-vit"
    assert digits.methods == IMAGE_METHODS
    assert default_study([str(shapes)]).methods == IMAGE_METHODS
    pneumonia = default_study(["pneumonia"])
    assert pneumonia.backbones == ("mobilenet-v2",)
    assert pneumonia.methods == CONVOLUTION_METHODS
    assert default_study([str(shapes)], ["mobilenet-v2"]).methods == CONVOLUTION_METHODS
    assert default_study(["stdlib-docs"]).methods == DEFAULT.methods
    assert default_study(["stdlib-docs", "digits"]).backbones == ("minilm", "digits-vit")


def test_at_least_ten_methods_are_compared_on_images() -> None:
    assert len({resolve_method(text).identity for text in IMAGE_METHODS}) >= 10


@pytest.mark.slow
def test_digits_run_from_the_command_to_the_report(forks: Forks, tmp_path: Path) -> None:
    methods = [word for method in METHODS for word in ("--method", method)]
    table = whichpeft(
        forks, "run", "--task", "digits", *methods, "--seeds", "1", "--epochs", "1", "--device", "cpu",
        folder=tmp_path,
    )  # fmt: skip
    assert "lora:r=8" in table
    out = tmp_path / "whichpeft-runs" / "digits-digits-vit"
    rows = json.loads(whichpeft(forks, "report", str(out), "--format", "json", folder=tmp_path))
    assert [row["method"] for row in rows] == [*METHODS, "zero-shot"]
    for row in rows:
        assert row["status"] == "completed"
        assert row["tokens_per_second"] is None
        if row["method"] != "zero-shot":
            assert row["samples_per_second"] > 0
            assert row["score_mean"] > row["chance"] + 0.2
    page = (out / "report.html").read_text()
    assert "digits-vit on digits" in page


@pytest.mark.slow
def test_a_folder_of_images_runs_and_methods_for_tokens_are_refused(
    forks: Forks, tiny_vits: dict[int, Path], shapes: Path, tmp_path: Path
) -> None:
    given = ["--task", str(shapes), "--backbone", str(tiny_vits[3]), "--method", "head"]
    given += ["--method", "prefix", "--seeds", "1", "--epochs", "1", "--device", "cpu", "--out", "out"]
    whichpeft(forks, "run", *given, folder=tmp_path)
    rows = json.loads(whichpeft(forks, "report", "out", "--format", "json", folder=tmp_path))
    by_method = {row["method"]: row for row in rows}
    assert by_method["head"]["status"] == "completed"
    assert by_method["prefix"]["status"] == "refused"
    assert "tokens" in by_method["prefix"]["error"]
