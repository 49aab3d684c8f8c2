"""benchmarks/on_gpu.py runs to its end on a CPU, so that a typo does not cost its first run on a GPU."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "on_gpu.py"
PARTS = [
    "environment", "bert-base", "llama-1b", "loops-llama-lora", "quantised", "batched", "side-by-side",
    "peft-suite", "llama-8b", "tests",
]  # fmt: skip


def run(out: Path, *options: str) -> tuple[int, str]:
    """Run the script with narrow models; return its exit code and its report."""
    command = [sys.executable, str(SCRIPT), "--narrow", "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, (out / "report.md").read_text(encoding="utf-8") + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_part_runs_to_its_end(part: str, tmp_path: Path) -> None:
    code, report = run(tmp_path, "--device", "cpu", "--only", part)
    assert code == 0, report
    assert "FAILED" not in report
    assert report.count("| ") >= 6
    if part == "quantised":
        assert "4 bits are left out: quantise 4bit: needs a CUDA device" in report
        assert "| 16bit |" in report
    if part == "loops-llama-lora":
        for side in ("whichpeft", "by hand", "HF Trainer", "by hand, all in bfloat16"):
            assert f"| {side} |" in report


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="the parts do not fail on a machine with CUDA")
def test_parts_that_fail_leave_the_others_alone(tmp_path: Path) -> None:
    code, report = run(tmp_path, "--device", "cuda", "--only", "environment", "llama-8b", "tests")
    assert code == 1
    assert "environment: **FAILED** with exit code 1" in report
    assert "llama-8b: **FAILED** with exit code 1" in report
    assert "skipped" in report


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("on_gpu", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_part_that_takes_too_long_is_ended_and_keeps_its_rows(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    (tmp_path / "environment.jsonl").write_text('{"table": "T", "row": {"a": 1.5, "b": null}}\n')
    asked = argparse.Namespace(device="cpu", narrow=True, out=tmp_path)
    text, fine = script.run_apart(asked, "environment", tmp_path, 0.2)
    assert not fine
    assert "## T\n\n| a |\n| --: |\n| 1.5 |" in text
    assert "environment: **ENDED**: it took too long" in text
