"""The script that trains a chosen method runs, and what it trains predicts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whichpeft.backbones import Backbone
from whichpeft.study import TaskSource
from whichpeft.takeaway.predict import predict

from ..forks import Forks
from .written import run_folder, sentences, take, write_lines


@pytest.mark.slow
def test_the_script_trains_on_a_few_examples_of_the_study(forks: Forks, tmp_path: Path) -> None:
    data = write_lines(
        tmp_path / "cola", train=sentences(0, 90), val=sentences(90, 10), dev=sentences(100, 12)
    )
    out = take(run_folder(data, tmp_path / "run", "head", epochs=1), tmp_path / "away")
    printed = train(forks, out, tmp_path, "--max-train", "32")
    assert "train: 32 examples, validation: 10 examples, test: 12 examples" in printed
    assert "points, trained on 32 examples" in printed


def train(forks: Forks | None, out: Path, tmp_path: Path, *options: str) -> str:
    """Run a script and return its output.

    forks: starts the script with everything imported; without it, the script needs its own imports.
    """
    words = [*options, "--out", str(tmp_path / "trained")]
    env = os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    if forks is not None:
        done = forks.run(*words, env=env, script=out / "train.py")
    else:
        command = [sys.executable, out / "train.py", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora:r=4", "adalora", "lora+bitfit"])
def test_the_script_trains(forks: Forks, reviews: Path, tmp_path: Path, method: str) -> None:
    out = take(run_folder(reviews, tmp_path / "run", method), tmp_path / "away")
    files = [f"--{split}={reviews / name}.tsv" for split, name in
             (("train", "train"), ("validation", "dev"), ("test", "test"))]  # fmt: skip
    printed = train(None if "+" in method else forks, out, tmp_path, *files)
    score = float(printed.rpartition("test accuracy: ")[2].split()[0])
    assert score > 90
    assert list((tmp_path / "trained").rglob("*.safetensors"))
    # If the run kept no adapter, this one takes its place.
    shutil.rmtree(out / "adapter")
    shutil.copytree(tmp_path / "trained", out / "adapter")
    said = predict(out, reviews / "test.tsv", device="cpu")
    assert 100 * (said.score or 0.0) == pytest.approx(score, abs=0.1)
    assert set(said.answers) == {"bad", "good"}


@pytest.fixture
def parity(tiny_writer: Backbone, tmp_path: Path) -> TaskSource:
    """Prompts from a template, answered by a word."""
    rows = [{"text": f"{a} {b}", "label": b % 2} for a in range(9) for b in range(9)]
    (tmp_path / "parity.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return TaskSource(
        name=str(tmp_path / "parity.jsonl"),
        prompt="{text} is",
        verbaliser={"0": "even", "1": "odd"},
        metric="exact_match",
    )


@pytest.mark.parametrize(
    ("method", "in_script"),
    [
        ("full", "save_pretrained"),
        ("lora", "get_peft_model"),
        ("loreft:rank=2", "import whichpeft.methods.tuners"),
        ("prompt:init_text='even or odd?'", "resolve_method('adapter_config.json')"),
    ],
)
def test_the_script_of_a_language_model_names_its_data(
    parity: TaskSource, tiny_writer: Backbone, tmp_path: Path, method: str, in_script: str
) -> None:
    backbone = str(tiny_writer.files)
    out = take(run_folder(parity, tmp_path / "run", method, backbone=backbone), tmp_path / "away")
    script = (out / "train.py").read_text()
    compile(script, "train.py", "exec")
    assert in_script in script
    assert 'prompt="{text} is"' in script
    assert "train.jsonl" in (out / "README.md").read_text()
    if method.startswith("prompt"):
        config = json.loads((out / "adapter_config.json").read_text())
        assert (config["prompt_tuning_init"], config["tokenizer_name_or_path"]) == ("TEXT", backbone)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora:r=4", "prompt:init_text='even or odd?'"])
def test_the_script_of_a_language_model_trains(
    forks: Forks, parity: TaskSource, tiny_writer: Backbone, tmp_path: Path, method: str
) -> None:
    run = run_folder(parity, tmp_path / "run", method, backbone=str(tiny_writer.files), max_train=40)
    out = take(run, tmp_path / "away")
    printed = train(None if "prompt" in method else forks, out, tmp_path)
    assert "train: 40 examples, validation: 8 examples, test: 8 examples" in printed
    assert 0 <= float(printed.rpartition("test exact_match: ")[2].split(",")[0]) <= 1
    assert list((tmp_path / "trained").rglob("*.safetensors"))
