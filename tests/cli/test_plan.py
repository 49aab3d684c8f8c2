"""`whichpeft plan`, run like a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import whichpeft as wp
from whichpeft.cli import app as cli
from whichpeft.running.default_study import default_study

KEYS = [
    "backbone", "task", "method", "method_id", "hyperparameters", "trainable_parameters",
    "adapter_parameters", "head_parameters", "base_parameters", "trainable_percent", "percent_of_full",
    "adapter_bytes", "training_memory_bytes", "flops_per_sample", "refusal",
]  # fmt: skip

CLASSIFIER = 384 * 12 + 12  # minilm's head for the packages of stdlib-docs


def plan(
    *arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["whichpeft", "plan", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def rows(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def ask(*arguments: str) -> list[dict[str, Any]]:
        found = plan(*arguments, "--format", "json", capsys=capsys, monkeypatch=monkeypatch)
        assert found[0] == 0, found[2]
        read: list[dict[str, Any]] = json.loads(found[1])
        return read

    return ask


def test_without_a_task_there_is_no_head(rows: Any) -> None:
    full, lora = rows("--method", "full", "--method", "lora:r=8", "--batch-size", "2", "--length", "16")
    assert set(KEYS) <= set(full)
    assert (lora["task"], lora["head_parameters"], lora["adapter_parameters"]) == (None, 0, 110_592)
    assert lora["method_id"] == "lora"
    assert lora["hyperparameters"]["r"] == 8
    assert lora["base_parameters"] == full["trainable_parameters"] == 22_713_216
    assert lora["trainable_percent"] == pytest.approx(100 * 110_592 / (22_713_216 + 110_592))
    assert lora["percent_of_full"] == pytest.approx(100 * 110_592 / 22_713_216)
    assert lora["train_seconds"] is None  # the number of examples is unknown
    assert sum(lora["memory_parts"].values()) == lora["training_memory_bytes"]


def test_a_task_gives_head_lengths_examples_and_time(rows: Any) -> None:
    (row,) = rows(
        "--task", "stdlib-docs", "--method", "head", "--epochs", "2", "--max-train", "96", "--speed",
        "1 GFLOPS",
    )  # fmt: skip
    assert (row["task"], row["head_parameters"], row["adapter_parameters"]) == (
        "stdlib-docs",
        CLASSIFIER,
        0,
    )
    assert row["train_seconds"] == pytest.approx(row["flops_per_sample"] * 96 * 2 / 1e9)
    # Set-up, and the evaluation of two validations and a test, come in addition.
    assert row["train_seconds"] + 1 < row["trial_seconds"]
    assert row["trial_seconds_low"] < row["trial_seconds"] < row["trial_seconds_high"]
    assert 16 < row["length"] <= 446


def test_memory_marks_what_does_not_fit(rows: Any) -> None:
    (row,) = rows(
        "--backbone", "llama-7b", "--method", "full", "--memory", "24 GB", "--batch-size", "1",
        "--length", "16",
    )  # fmt: skip
    assert row["fits"] is False
    assert row["largest_batch"] == 0


def test_a_refusal_is_a_row_with_its_reason(rows: Any) -> None:
    (row,) = rows("--backbone", "llama-7b", "--method", "bitfit")
    assert "biases" in row["refusal"]
    assert row["training_memory_bytes"] is None
    assert row["adapter_parameters"] is None


def test_a_device_of_another_machine_can_be_planned_for(rows: Any) -> None:
    (row,) = rows("--method", "lora", "--device", "cuda", "--batch-size", "1", "--length", "8")
    assert (row["device"], row["precision"]) == ("cuda", "bfloat16")
    assert row["training_memory_bytes"] > 0


@pytest.mark.parametrize(
    "name", ["vit-base", "wav2vec2-base", "whisper-small", "deberta-v3-base", "esm2-t12"]
)
def test_backbones_of_all_kinds_are_planned(name: str) -> None:
    study = wp.Study(backbone=name, methods=["lora"], budget=wp.Budget(batch_size=1))
    (row,) = wp.plan(study).rows
    assert row["refusal"] is None
    assert row["training_memory_bytes"] > 4 * row["adapter_parameters"]
    assert row["flops_per_sample"] > 1e9


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--backbone", "lama-7b"], "did you mean 'llama-7b'"),
        (["--backbone", "someone/some-model"], "hub cannot be reached"),
        (["--memory", "24"], "'24' is not a size"),
        (["--speed", "fast"], "'fast' is not a speed"),
        (["--length", "0"], "--length is 0"),
        (["--length", "9999"], "minilm reads 446 at most"),
        (["--precision", "float8"], "unknown precision 'float8'"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--method", "lorra"], "did you mean 'lora'"),
        (["--format", "yaml"], "unknown format 'yaml'"),
        (["--backbone", "llama-7b", "--task", "stdlib-docs", "--text-column", "x"], "stdlib-docs"),
        (["--backbone", "vit-base", "--task", "stdlib-docs"], "does not classify text"),
    ],
)
def test_a_wrong_request_is_one_line(
    arguments: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, out, err = plan(*arguments, capsys=capsys, monkeypatch=monkeypatch)
    assert (code, out) == (2, "")
    assert complaint in err
    assert len(err.strip().splitlines()) == 1


def test_a_run_needs_a_task() -> None:
    with pytest.raises(wp.WhichpeftError, match="tasks is empty; name at least one"):
        wp.run(wp.Study(backbone="minilm", methods=["lora"]))


@pytest.mark.slow
def test_a_plan_of_thirteen_billion_is_quick_and_small() -> None:
    methods = [
        "full",
        "lora:r=8",
        "lora:r=32",
        "dora",
        "adalora",
        "ia3",
        "prefix",
        "prompt",
        "p-tuning",
        "bitfit",
    ]
    options = [word for method in methods for word in ("--method", method)]
    command = [sys.executable, "-c", SCRIPT, "plan", "--backbone", "llama-13b", *options]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    seconds = time.perf_counter() - began
    used, peak = (float(word) for word in done.stderr.split()[-2:])
    print(f"{seconds:.1f} s, {used:.1f} s of processor, {peak / 1e6:.2f} GB")
    # Processor time, since other processes may be running.
    assert used < 30
    assert peak < 2e6


SCRIPT = """
import atexit, resource, sys
from whichpeft.cli.app import main
def say():
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
atexit.register(say)
main()
"""


def test_the_table_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = plan(
        "--method", "lora", "--batch-size", "1", "--length", "8", "--memory", "1GB", "--max-train", "9",
        capsys=capsys, monkeypatch=monkeypatch,
    )  # fmt: skip
    assert code == 0
    assert "110,592" in out
    assert "no task, so no head" in out
    assert max(map(len, out.splitlines()[:3])) <= 120


def test_a_folder_with_a_configuration_alone_is_planned(tmp_path: Path) -> None:
    facts = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 2, "vocab_size": 100}
    (tmp_path / "config.json").write_text(json.dumps(facts))
    study = wp.Study(backbone=str(tmp_path), methods=["lora"], budget=wp.Budget(batch_size=1))
    (row,) = wp.plan(study, length=8).rows
    assert row["refusal"] is None
    assert row["adapter_parameters"] == 2 * 8 * (64 + 3 * 64)


SURVEY = {
    "prefix:num_virtual_tokens=10": 2_621_440,
    "series-adapter:bottleneck=256,target_modules=[down_proj]": 67_108_864,
    "parallel-adapter:bottleneck=256,target_modules=[up_proj,down_proj]": 247_463_936,
    "lora:r=32,target_modules=[q_proj,k_proj,v_proj,up_proj,down_proj]": 56_098_816,
    "dora:r=32,target_modules=[q_proj,k_proj,v_proj,up_proj,down_proj]": 56_975_360,
    "loreft:rank=8": 2_097_408,
    "full": 6_738_415_616,
}
"""Trainable parameters on LLaMA 7B as published."""


@pytest.mark.slow
def test_the_methods_of_the_survey_are_planned_without_data(rows: Any) -> None:
    """Neither LLaMA 7B nor the data sets are on this machine, and no network is used."""
    methods = [word for method in SURVEY for word in ("--method", method)]
    found = rows("--backbone", "llama-7b", "--task", "commonsense", "--speed", "80TFLOPS", *methods)
    assert {row["method"]: row["adapter_parameters"] for row in found} == SURVEY
    assert {(row["task"], row["length"], row["refusal"]) for row in found} == {
        ("commonsense", 256, None)
    }
    for row in found:
        assert row["training_memory_bytes"] > 2 * 6_738_415_616
        assert row["train_seconds"] > 3_600
    usual = default_study(["commonsense"])
    assert {method.partition(":")[0] for method in usual.methods} == {
        method.partition(":")[0] for method in SURVEY
    }


def test_what_cannot_be_told_is_marked_and_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    methods = ("lora", "loha", "lokr", "adamss:subspace_rank=2")
    chosen = [word for method in methods for word in ("--method", method)]
    code, out, _ = plan(*chosen, "--length", "8", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    cells = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert "?" not in cells["lora"]
    assert cells["loha"].count("?") == 2
    assert cells["adamss:subspace_rank=2"][1:3] == ["?", "?"]
    assert "loha, lokr: memory and GFLOP cannot be told without a run: it reads the content" in out
    assert "adamss:subspace_rank=2: the number of parameters, file, memory and GFLOP cannot" in out
