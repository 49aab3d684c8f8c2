"""The files of a choice: PEFT reads the configuration, and nothing of others is replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whichpeft.errors import FolderError, RequestError
from whichpeft.report import Report
from whichpeft.takeaway import check_place, write_takeaway

from .written import run_folder, take


def test_peft_reads_the_config_of_a_tuned_lora(reviews: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, PeftConfig

    tuned = {"r": 32, "learning_rate": 5e-4}
    folder = run_folder(reviews, tmp_path / "run", "lora", tuned)
    out = take(folder, tmp_path / "away")
    assert {path.name for path in out.iterdir()} == {
        "README.md", "adapter", "adapter_config.json", "hyperparameters.json", "predict.py", "train.py",
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
    # An earlier version kept adapters without the names of the classes.
    named = json.loads((out / "adapter" / "config.json").read_text())
    assert named["id2label"] == {"0": "bad", "1": "good"}
    (answer,) = Report.read(folder).answers
    assert answer.next_command == f"whichpeft predict {out} FILE"
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
def test_every_kind_of_method_has_its_files_and_script(
    reviews: Path, tmp_path: Path, method: str, files: list[str], in_script: str
) -> None:
    out = take(run_folder(reviews, tmp_path / "run", method), tmp_path / "away")
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
    if method == "pissa":  # as trained, not the replacement used without weights
        assert json.loads((out / files[0]).read_text())["init_lora_weights"] == "pissa"
    if method == "adalora":  # 160 examples in batches of 16, twice
        assert json.loads((out / files[0]).read_text())["total_step"] == 20


def test_missing_data_are_named(reviews: Path, tmp_path: Path) -> None:
    folder = run_folder(reviews, tmp_path / "run", "head")
    study = (folder / "study.yaml").read_text()
    (folder / "study.yaml").write_text(study.replace(str(reviews), str(tmp_path / "reviews")))
    with pytest.raises(RequestError, match="reviews"):
        take(folder, tmp_path / "away")
    assert not (tmp_path / "away").exists()


def test_nothing_is_written_among_other_files(reviews: Path, tmp_path: Path) -> None:
    folder, out = run_folder(reviews, tmp_path / "run", "lora+bitfit"), tmp_path / "away"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    report = Report.read(folder)
    with pytest.raises(FolderError, match="away: holds other files; name a new folder with --write"):
        write_takeaway(report, report.choose(), folder=folder, out=out, overwrite=True)
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_a_folder_that_holds_a_written_one_is_not_written(reviews: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    take(run_folder(reviews, tmp_path / "run", "head"), project / "chosen")
    (project / "README.md").write_text("mine")
    with pytest.raises(FolderError, match="project: holds other files"):
        check_place(project, overwrite=True)
    (project / "README.md").unlink()
    (project / "chosen" / "hyperparameters.json").write_text('{"lr": 1}')  # of another program
    with pytest.raises(FolderError, match="project: holds other files"):
        check_place(project, overwrite=True)


def test_if_writing_fails_what_was_written_before_stays(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_folder(reviews, tmp_path / "run", "head")
    out = take(folder, tmp_path / "away")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("whichpeft.takeaway.write.training_script", full)
    report = Report.read(folder)
    with pytest.raises(OSError, match="disk is full"):
        write_takeaway(report, report.choose(), folder=folder, out=out, overwrite=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert not list(tmp_path.glob(".away*"))


def test_what_was_written_before_is_replaced_on_request(reviews: Path, tmp_path: Path) -> None:
    out = take(run_folder(reviews, tmp_path / "run", "lora+bitfit"), tmp_path / "away")
    (out / "notes.txt").write_text("mine")
    (out / "own").mkdir()
    (out / "own" / "adapter_config.json").write_text("{}")
    other = run_folder(reviews, tmp_path / "other", "head")
    with pytest.raises(FolderError, match="was written before; add --overwrite to replace it"):
        take(other, out)
    assert (out / "lora" / "adapter_config.json").is_file()
    report = Report.read(other)
    write_takeaway(report, report.choose(), folder=other, out=out, overwrite=True)
    # Nothing of the other method stays, and everything of the user's does.
    assert {path.name for path in out.iterdir()} == {
        "README.md", "adapter", "hyperparameters.json", "notes.txt", "own", "predict.py", "train.py",
    }  # fmt: skip
    assert (out / "own" / "adapter_config.json").is_file()


def test_the_readme_states_differences_from_the_study(reviews: Path, tmp_path: Path) -> None:
    folder = run_folder(reviews, tmp_path / "run", "head", max_train=60, early_stopping=2)
    out = take(folder, tmp_path / "away")
    readme = (out / "README.md").read_text()
    assert "Its training, validation and test sets are the study's." in readme
    assert "The study trained on at most 60 examples: `--max-train 60` takes the same ones." in readme
    assert "after 2 epochs without a better validation score; the script does not" in readme
    assert "told by file names" not in readme + (out / "train.py").read_text()
