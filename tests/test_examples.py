"""The examples: each loads and would run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from whichpeft.backbones import Backbone
from whichpeft.cli.app import main
from whichpeft.cli.choose import NOTHING_FITS
from whichpeft.methods import resolve_method
from whichpeft.study import Budget, load_study
from whichpeft.tasks import load_task

from .forks import Forks

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_the_example_study_has_the_documented_settings() -> None:
    study = load_study(EXAMPLES / "study.yaml")
    assert study.name == "example"
    assert study.budget == Budget(epochs=2, max_train=400)
    assert len({resolve_method(text).identity for text in study.methods}) == len(study.methods)


@pytest.mark.slow
def test_the_tuned_example_ends_in_verdicts_and_an_answer(
    forks: Forks, tmp_path: Path, shared_data: Path, tiny_backbone: Path
) -> None:
    study = load_study(EXAMPLES / "tuned-study.yaml")
    assert [Path(task.name).name for task in study.tasks] == ["stdlib-kinds", "sst2"]
    assert len(study.methods) >= 8
    assert study.budget.tuning_trials >= 8
    # The whole study takes most of an hour. This runs two methods on a tiny model with a tenth of its
    # budget.
    small = {
        "--backbone": tiny_backbone,
        "--task": "stdlib-kinds",
        "--max-train": 96,
        "--epochs": 1,
        "--tuning-trials": 2,
        "--seeds": 1,
    }
    options = [str(word) for option in small.items() for word in option]
    folder = str(tmp_path / "run")
    example = str(EXAMPLES / "tuned-study.yaml")
    done = forks.run(
        "run", example, "--method", "full", "--method", "head", *options, "--quiet", "--out", folder
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(forks.run("report", folder, "--format", "json").stdout)
    assert {(row["method"], row["variant"]) for row in rows} >= {
        (method, variant) for method in ("full", "head") for variant in ("default", "tuned")
    }
    assert all(row["verdict"] for row in rows)
    answer = forks.run("choose", folder, "--max-trainable", "5%")
    # After so little training, the head may not be shown to beat chance; then nothing is recommended.
    starts = {0: "Use ", NOTHING_FITS: "No method "}
    assert answer.returncode in starts, answer.stderr
    subject, advice, *_ = answer.stdout.splitlines()
    assert subject == "tiny-bert on stdlib-kinds"
    assert advice.startswith(starts[answer.returncode])


def installed(example: str, folder: Path) -> Path:
    """Install an example as pip would: its module, and the entry points of its pyproject.toml."""
    project = tomllib.loads((EXAMPLES / example / "pyproject.toml").read_text())["project"]
    for module in (EXAMPLES / example).glob("*.py"):
        shutil.copy(module, folder)
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
def test_the_own_method_is_listed_keeps_the_contract_and_runs(
    tmp_path: Path, tiny_backbone: Path, reviews: Path
) -> None:
    place = installed("own_method", tmp_path)
    (module,) = place.glob("*.py")
    assert len(module.read_text().splitlines()) < 40
    environment = {**os.environ, "PYTHONPATH": str(place), "COLUMNS": "200"}
    script = (
        "from whichpeft.backbones import resolve_backbone\n"
        "from whichpeft.cli.app import main\n"
        "from whichpeft.testing import MethodContract\n"
        f"MethodContract('selective:words=[query]', resolve_backbone({str(tiny_backbone)!r})).check()\n"
        "main()"
    )
    study = ["--backbone", str(tiny_backbone), "--task", str(reviews), "--epochs", "1", "--seeds", "1"]
    for command, expected in (
        (["-m", "whichpeft", "methods", "selective"], "trains the weights whose names"),
        (["-c", script, "run", *study, "--method", "selective", "--device", "cpu"], "selective"),
    ):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


@pytest.mark.usefixtures("untimed")
def test_the_example_study_would_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["whichpeft", "run", str(EXAMPLES / "study.yaml"), "--dry-run"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert not ended.value.code, err
    assert "18 trials to run" in out


def test_the_example_of_tagging_loads_its_data() -> None:
    study = load_study(EXAMPLES / "names.yaml")
    (source,) = study.tasks
    assert load_task(source).problem == "tagging"
    assert len(study.methods) >= 6


@pytest.mark.slow
def test_the_commonsense_example_runs_on_the_real_files(
    forks: Forks, tmp_path: Path, shared_data: Path, tiny_writer: Backbone
) -> None:
    # The first rows of the real files: generating answers to all of them takes ten minutes.
    data = tmp_path / "data"
    for file in ("ARC-Easy/train", "ARC-Easy/test", "boolq/train", "boolq/test"):
        rows = json.loads((shared_data / "llm_adapters" / f"{file}.json").read_text())
        (data / file).parent.mkdir(parents=True, exist_ok=True)
        (data / f"{file}.json").write_text(json.dumps(rows[:24]))
    study = load_study(EXAMPLES / "commonsense.yaml")
    assert study.tasks[0].sets == ("arc-easy", "boolq")
    assert Path(study.tasks[0].folder or "") == EXAMPLES / "llm_adapters"
    small = {
        "--backbone": tiny_writer.folder,
        "--folder": data,
        "--max-train": 32,
        "--epochs": 1,
        "--seeds": 1,
    }
    options = [str(word) for option in small.items() for word in option]
    folder = str(tmp_path / "run")
    done = forks.run("run", str(EXAMPLES / "commonsense.yaml"), *options, "--quiet", "--out", folder)
    assert done.returncode == 0, done.stderr
    rows = json.loads(forks.run("report", folder, "--format", "json").stdout)
    assert [row["method"] for row in rows] == [*study.methods, "zero-shot"]
    assert {row["status"] for row in rows} == {"completed"}
    assert all(0 <= row["score_mean"] <= 1 for row in rows)
