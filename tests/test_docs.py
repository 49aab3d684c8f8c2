"""Every command and example in the documentation works."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from whichpeft.cli.app import main
from whichpeft.engine.profiling.budget import QUICK

from . import builders
from .forks import Forks
from .protein_models import sequences

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for page in PAGES for lang, text in BLOCK.findall(page.read_text()) if lang == kind]


def commands(start: str) -> list[str]:
    """Return documented commands: lines of ``sh`` blocks and ``$`` lines of ``console`` blocks."""
    lines = [line for text in blocks("sh") for line in text.splitlines()]
    shown = [line for text in blocks("console") for line in text.splitlines()]
    lines += [line.removeprefix("$ ") for line in shown if line.startswith("$ ")]
    stripped = {line.partition("  #")[0].strip() for line in lines}
    return sorted(line for line in stripped if line.startswith(start))


@pytest.fixture(scope="module")
def folder(reviews: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the documentation mentions."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copytree(reviews, folder / "my-data")
    shutil.copytree(shapes, folder / "pictures")
    shutil.copytree(ROOT / "examples", folder / "examples")
    lines = [(f"the {i} is here", f"there is a {i}", "yes" if i % 2 else "no") for i in range(60)]
    pairs = "\n".join(",".join(line) for line in lines)
    (folder / "pairs.csv").write_text(f"premise,hypothesis,label\n{pairs}\n")
    chains = "\n".join(f">P{i} TARGET={i / 7:.2f}\n{one}" for i, one in enumerate(sequences(60, 40)))
    (folder / "proteins.fasta").write_text(chains)
    (folder / "my").mkdir()
    config = {"peft_type": "LORA", "r": 4, "target_modules": ["query"]}
    (folder / "my" / "adapter_config.json").write_text(json.dumps(config))
    scores = "\n".join(f'{{"text": "a film of {i} stars", "stars": {i % 5}}}' for i in range(60))
    (folder / "scores.jsonl").write_text(scores)
    (folder / "people").mkdir()
    for name, count in (("train", 40), ("dev", 10), ("test", 20)):
        texts = [f"Ada{i} B-PER\nsaw O\nRome{i} B-LOC\n" for i in range(count)]
        (folder / "people" / f"{name}.conll").write_text("\n".join(texts))
    films = [{"text": f"a film of {i} wars", "labels": ["war", "comedy"][: i % 3]} for i in range(60)]
    (folder / "films.jsonl").write_text("\n".join(map(json.dumps, films)))
    return folder


Run = Callable[[str, Path], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(forks: Forks) -> Run:
    """Run a command in a folder."""

    def done(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
        words = shlex.split(command)
        assert words[0] == "whichpeft"
        return forks.run(*words[1:], cwd=folder)

    return done


def dry(command: str) -> str:
    """Return the command as a dry run, with one method if it would run a task's usual ones."""
    asked = command.removesuffix("--dry-run") + " --dry-run"
    return asked + " --method head" if "--task" in command and "--method" not in command else asked


@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize("command", commands("whichpeft run"))
def test_documented_runs_are_planned(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error in options, names, data or methods is found before any step is timed."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", shlex.split(dry(command)))
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    for owner in ("glue/", "meta-llama/"):  # needs the hub, and reports that
        if owner in command:
            assert ended.value.code == 2
            assert owner in err
            return
    assert not ended.value.code, err
    assert "trials to run" in out


@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize("command", commands("whichpeft auto"))
def test_documented_races_are_planned(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With two methods instead of all, since each takes a fraction of a second to check."""
    monkeypatch.chdir(folder)
    asked = command.removesuffix("--dry-run") + " --dry-run --method full --method head --jobs 1"
    monkeypatch.setattr("sys.argv", shlex.split(asked))
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert not ended.value.code, err
    assert "2 methods with up to" in out


# The commands whose trials differ most: all usual methods; images; a composition and a file.
@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "whichpeft run",
        "whichpeft run --task pictures --backbone digits-vit",
        "whichpeft run --task my-data --method lora --method lora+bitfit --method vera "
        "--method my/adapter_config.json",
    ],
)
def test_documented_runs_have_no_failing_trial(run: Run, command: str, folder: Path) -> None:
    assert command in commands("whichpeft run")
    done = run(dry(command), folder)
    assert done.returncode == 0, done.stderr
    assert "trials to run" in done.stdout
    assert "fails:" not in done.stdout


@pytest.mark.parametrize("name", ["study.yaml", "rte.yaml"])
def test_the_studies_behind_the_defaults_load(name: str) -> None:
    from whichpeft.methods import resolve_method
    from whichpeft.study import load_study

    study = load_study(ROOT / "docs" / "defaults" / name)
    assert [resolve_method(method).identity for method in study.methods] == list(study.methods)
    assert (study.budget.max_train, study.budget.tuning_trials) == (2000, 8)


# Other commands plan the same model and methods, which takes most of the time.
REPEATED = [
    "whichpeft plan --backbone llama-7b --method lora:r=8 --memory 24GB",
    "whichpeft plan --backbone llama-7b --method lora:r=8 --memory 24GB --device cuda",
    "whichpeft plan --backbone llama-7b --method full --method lora:r=8 --memory 80GB --device cuda "
    "--shards 4",
    "whichpeft plan --backbone llama-7b --method full --method lora:r=8 --memory 24GB --device cuda "
    "--batch-size 4",
]
# So do these, for other machines.
LARGE = re.compile(r"--backbone llama-3\S* --task commonsense (?!.*(?:--quantise|--shards))")


@pytest.mark.slow
@pytest.mark.parametrize("command", commands("whichpeft plan"))
def test_documented_plans_work(run: Run, command: str, folder: Path) -> None:
    if command in REPEATED:
        command = command.replace("llama-7b", "minilm")
    command = LARGE.sub("--backbone minilm ", command)
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    assert "lora" in done.stdout


@pytest.mark.parametrize("command", commands("whichpeft methods"))
def test_documented_lists_are_printed(run: Run, command: str, folder: Path) -> None:
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    assert "vera" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=pytest.mark.slow if "--figures" in command else ())
        for command in commands("whichpeft reference")
    ],
)
def test_documented_published_results_are_shown(run: Run, command: str, folder: Path) -> None:
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    assert "LoReFT" in done.stdout + done.stderr or "ublished in" in done.stdout + done.stderr


def test_documented_study_files_load(tmp_path: Path) -> None:
    from whichpeft.study import load_study

    for place, text in enumerate(blocks("yaml")):
        path = tmp_path / f"{place}.yaml"
        path.write_text(text)
        study = load_study(path)
        assert study.methods or study.auto


@pytest.fixture(scope="module")
def finished(reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records of a finished run, in which lora is as good as full and cheaper."""
    from whichpeft.backbones import resolve_backbone
    from whichpeft.methods import resolve_method
    from whichpeft.records import Reading, Store

    user = tmp_path_factory.mktemp("user")
    shutil.copytree(reviews, user / "my-data")
    records = []
    for text, score, seconds in (("full", 0.9, 60), ("head", 0.7, 5), ("lora:r=8", 0.9, 30)):
        method = resolve_method(text).resolved_for(resolve_backbone("minilm"))
        shared = {
            "task": "my-data",
            "method_id": resolve_method(text).identity,
            "hyperparameters": method.hyperparameters,
            "adapter": {"full": builders.BASE, "head": 0}.get(text, 99_000),
        }
        memory = 4e8 if text == "full" else 2e8
        records.append(builders.profile(text, seconds=seconds, memory=memory, **shared))
        records += [builders.final(text, seed, score + seed / 1000, **shared) for seed in range(3)]
    folder = user / "whichpeft-runs" / "my-data-minilm"
    store, predictions = Store(folder), builders.predictions(records)
    store.keep_study(builders.study(["full", "head", "lora:r=8"], task=str(user / "my-data")))
    store.keep_reading(Reading())
    for record in records:
        store.add(record, predictions=predictions(record.trial.fingerprint))
    shutil.copytree(folder, folder.with_name("default"))
    return user


@pytest.mark.slow
def test_documented_reports_work(run: Run, finished: Path, tmp_path: Path) -> None:
    folder = tmp_path  # no other test's study is here
    runs = folder / "whichpeft-runs"
    for name in ("my-data-minilm", "my-data-longer"):
        shutil.copytree(finished / "whichpeft-runs" / "my-data-minilm", runs / name)
    documented = commands("whichpeft report")
    assert len(documented) >= 2
    for command in documented:
        done = run(command, folder)
        assert done.returncode == 0, done.stderr
        assert "head" in done.stdout
    assert list((folder / "figures").glob("*.pdf"))
    assert (folder / "figures" / "beside-domains.pdf").exists()
    assert (folder / "rows.parquet").exists()
    assert (folder / "two.html").exists()
    assert (folder / "answers.json").exists()
    assert (folder / "summary.html").exists()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=pytest.mark.slow if "--write" in command else ())
        for command in commands("whichpeft choose")
    ],
)
def test_documented_choices_work(run: Run, command: str, finished: Path) -> None:
    done = run(command, finished)
    assert done.returncode == 0, done.stderr
    assert "lora:r=8" in done.stdout
    if "--write" in command:
        assert (finished / "chosen" / "adapter_config.json").exists()


@pytest.mark.parametrize("command", commands("whichpeft predict"))
def test_documented_predictions_are_understood(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their options are known; tests/takeaway/test_predict.py predicts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "chosen: has no hyperparameters.json" in capsys.readouterr().err


@pytest.mark.parametrize("command", commands("whichpeft check"))
def test_documented_checks_work(run: Run, command: str, finished: Path) -> None:
    done = run(command, finished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 problems" in done.stdout


@pytest.mark.slow
def test_the_documented_python_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Uses one seed and short profiles; tests/executors/test_local.py covers a script of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("whichpeft.engine.profiling.budget.PROFILE_BUDGETS", {"standard": QUICK})
    (text,) = blocks("python")
    assert text.count("seeds=3") == 1
    text = text.replace("seeds=3", "seeds=1")
    names: dict[str, object] = {}
    exec(compile(text, "example.py", "exec"), names)
    print(names["report"].table()[["method", "score_mean"]])
    assert "lora:r=8" in capsys.readouterr().out
    assert (tmp_path / "whichpeft-runs" / "stdlib-docs-minilm" / "report.html").exists()


def test_documented_targets_and_scripts_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in commands("make "):
        assert re.search(rf"^{shlex.split(command)[1]}:", makefile, re.MULTILINE), command
    for command in [*commands("python "), *commands(".venv/bin/python ")]:
        assert (ROOT / shlex.split(command)[1]).is_file(), command
