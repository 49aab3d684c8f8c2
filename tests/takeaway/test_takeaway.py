"""The files of a choice: PEFT reads the configuration, and the script trains with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.errors import FolderError, RequestError
from whichpeft.methods import resolve_method
from whichpeft.records import Store
from whichpeft.report import Report
from whichpeft.study import TaskSource
from whichpeft.study.spec import short_name
from whichpeft.takeaway import write_takeaway
from whichpeft.takeaway.data import script_data
from whichpeft.takeaway.predict import predict
from whichpeft.takeaway.script import _f1_of
from whichpeft.tasks import load_task

from .. import builders
from ..forks import Forks


def run_folder(
    data: Path | str | TaskSource,
    folder: Path,
    method: str,
    tuned: dict[str, Any] | None = None,
    backbone: str = "minilm",
    **limits: Any,
) -> Path:
    """Return a folder with synthetic records of one real method on a backbone and some data."""
    source = data if isinstance(data, TaskSource) else TaskSource(name=str(data))
    default = resolve_method(method)
    configured = default.with_options(tuned or {}).resolved_for(resolve_backbone(backbone))
    budget = builders.Budget(**{"epochs": 2, "batch_size": 16} | limits)
    shared = {
        "backbone": short_name(backbone),
        "task": short_name(source.name),
        "method_id": default.identity,
        "hyperparameters": configured.hyperparameters,
        "budget": budget,
    }
    store = Store(folder)
    study = builders.study([method], backbone=backbone, task=source, budget=budget, baseline=method)
    store.keep_study(study)
    store.add(builders.profile(method, **shared))
    for seed, score in enumerate((0.80, 0.82, 0.81)):
        record = builders.final(method, seed, score, **shared)
        best = builders.measurements({"validation_score": score}, "validate")
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


def read(out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> dict[str, Any]:
    """Run the part of a script that reads the data, and return its names."""
    script = (out / "train.py").read_text().partition("\nprocessor = ")[0]
    monkeypatch.setattr(sys, "argv", ["train.py", *options])
    names: dict[str, Any] = {"__file__": str(out / "train.py")}
    exec(compile(script, "train.py", "exec"), names)
    return names


def write_lines(folder: Path, **lines: list[str]) -> Path:
    folder.mkdir()
    for name, written in lines.items():
        (folder / f"{name}.tsv").write_text("\n".join(written) + "\n")
    return folder


def sentences(start: int, count: int) -> list[str]:
    """Return lines like those of CoLA: source, label, mark and text, without a header."""
    return [
        f'gj{i % 3}\t{i % 2}\t{"*" if i % 2 else ""}\t"we saw {i} birds'
        for i in range(start, start + count)
    ]


def on_the_hub(monkeypatch: pytest.MonkeyPatch, splits: dict[str, list[int]], names: list[str]) -> None:
    """Make the hub return one data set of pairs, with these labels."""
    label = datasets.ClassLabel(names=names)
    kinds = {"premise": datasets.Value("string"), "hypothesis": datasets.Value("string"), "label": label}
    held = datasets.DatasetDict({
        split: datasets.Dataset.from_dict({
            "premise": [f"{split} has {i} birds" for i in range(len(labels))],
            "hypothesis": [f"there are {i} of them" for i in range(len(labels))],
            "label": labels,
        }, features=datasets.Features(kinds))
        for split, labels in splits.items()
    })  # fmt: skip
    monkeypatch.setattr("whichpeft.tasks.tables.hub.download", lambda *_: held)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: held)


def test_files_without_a_header_and_both_val_and_dev(tmp_path: Path, monkeypatch) -> None:
    data = write_lines(
        tmp_path / "cola", train=sentences(0, 40), val=sentences(40, 10), dev=sentences(50, 12)
    )
    out = take(run_folder(data, tmp_path / "run", "head"), tmp_path / "away")
    names = read(out, monkeypatch)
    assert names["options"].text == ["3"]
    assert names["options"].label == "1"
    assert {split: len(part) for split, part in names["data"].items()} == {
        "train": 40, "validation": 10, "test": 12,
    }  # fmt: skip
    assert names["data"]["test"][0]["3"] == '"we saw 50 birds'
    assert names["classes"] == ["0", "1"]
    # Your own files replace all of the study's.
    own = tmp_path / "own.csv"
    own.write_text("text,kind\n" + "".join(f"bird {i},{'ab'[i % 2]}\n" for i in range(100)))
    names = read(out, monkeypatch, "--train", str(own), "--text", "text", "--label", "kind")
    assert [len(part) for part in names["data"].values()] == [80, 10, 10]
    with pytest.raises(SystemExit):
        read(out, monkeypatch, "--train", str(own), "--label", "kind")


def test_labels_are_read_as_in_the_study(tmp_path: Path, monkeypatch) -> None:
    written = ["0.0", "1.0", "2.0", "NA", "1"]
    rows = [f"we saw {i} birds\t{written[i % 5]}" for i in range(100)]
    data = write_lines(
        tmp_path / "birds", train=["text\tlabel", *rows], test=["text\tlabel", *rows[50:]]
    )
    task = load_task(TaskSource(name=str(data)))
    found = read(take(run_folder(data, tmp_path / "run", "head"), tmp_path / "away"), monkeypatch)
    assert found["classes"] == list(task.classes) == ["0", "1", "2"]
    assert len(found["data"]["test"]) == task.counts["test"] == 40
    assert set(found["data"]["test"]["label"]) == {"0", "1", "2"}


@pytest.mark.parametrize("name", ["fraud", 'a "b" {x}', "it's: 100 %"])
def test_the_script_computes_f1_of_the_class_in_the_metrics_name(name: str) -> None:
    needed, code = _f1_of(name)
    names: dict[str, Any] = {
        "number": {"other": 0, name: 1, "third": 2},
        "truth": np.array([0, 1, 1, 2, 1]),
        "found": np.eye(3)[[0, 1, 2, 1, 1]],
    }
    exec(needed, names)
    # Two hits, one miss and one false alarm.
    assert eval(code, names) == pytest.approx(4 / 6)


def one_file(tmp_path: Path, kind: str) -> Path:
    """Write all examples into one file, or images into one folder, some of them twice."""
    texts = [f"we saw {i % 270} birds" for i in range(300)]
    if kind == "images":
        from PIL import Image

        for i in range(255):
            place = tmp_path / "birds" / "ab"[i % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (2, 2), (i, 0, 0)).save(place / f"{i}.png")
        return tmp_path / "birds"
    labels = [f"{i % 270 / 7:.3f}" for i in range(300)]
    if kind == "classes":  # one class has few examples, which all stay in train
        labels = ["rare" if i in (7, 8) else "ab"[i % 270 % 2] for i in range(300)]
    path = tmp_path / f"{kind}.csv"
    path.write_text("text,label\n" + "".join(map("{},{}\n".format, texts, labels)))
    return path


@pytest.mark.parametrize("kind", ["classes", "values", "images"])
def test_the_sets_of_the_script_are_those_of_the_study(
    kind: str, tiny_vits: dict[int, Path], tmp_path: Path, monkeypatch
) -> None:
    """A test set that overlaps with the study's training set would flatter the taken adapter."""
    data = one_file(tmp_path, kind)
    task = load_task(TaskSource(name=str(data)))
    backbone = str(tiny_vits[3]) if kind == "images" else "minilm"
    run = run_folder(data, tmp_path / "run", "head", backbone=backbone, max_train=200)
    out = take(run, tmp_path / "away")
    compile((out / "train.py").read_text(), "train.py", "exec")
    found = read(out, monkeypatch, "--max-train", "200")
    studied = task.cut_splits(200)
    assert list(found["data"]) == ["train", "test", "validation"]
    for split, part in found["data"].items():
        assert found["inputs_of"](part) == list(studied[split].inputs), split
        labels = [float(label) if kind == "values" else task.classes.index(label)
                  for label in part[found["options"].label]]  # fmt: skip
        assert labels == studied[split].labels.tolist()


def test_only_validation_is_held_out_if_a_test_set_is_given(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "own").mkdir()
    for split, count in (("train", 700), ("test", 40)):
        lines = "".join(f"{split} has {i} birds,{'ab'[i % 2]}\n" for i in range(count))
        (tmp_path / "own" / f"{split}.csv").write_text("text,label\n" + lines)
    task = load_task(TaskSource(name=str(tmp_path / "own")))
    found = read(
        take(run_folder(tmp_path / "own", tmp_path / "run", "head"), tmp_path / "away"), monkeypatch
    )
    assert len(found["data"]["validation"]) == 100
    for split, part in found["data"].items():
        assert found["inputs_of"](part) == list(task.splits[split].inputs), split


def test_nothing_is_written_among_other_files(reviews: Path, tmp_path: Path) -> None:
    folder, out = run_folder(reviews, tmp_path / "run", "lora+bitfit"), tmp_path / "away"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    report = Report.read(folder)
    with pytest.raises(FolderError, match="away: holds other files; name a new folder with --write"):
        write_takeaway(report, report.choose(), folder=folder, out=out, overwrite=True)
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_what_was_written_before_is_replaced_on_request(reviews: Path, tmp_path: Path) -> None:
    out = take(run_folder(reviews, tmp_path / "run", "lora+bitfit"), tmp_path / "away")
    (out / "notes.txt").write_text("mine")
    other = run_folder(reviews, tmp_path / "other", "head")
    with pytest.raises(FolderError, match="was written before; add --overwrite to replace it"):
        take(other, out)
    assert (out / "lora" / "adapter_config.json").is_file()
    report = Report.read(other)
    write_takeaway(report, report.choose(), folder=other, out=out, overwrite=True)
    # Nothing of the other method stays, and everything of the user's does.
    assert {path.name for path in out.iterdir()} == {
        "README.md", "adapter", "hyperparameters.json", "notes.txt", "predict.py", "train.py",
    }  # fmt: skip


def test_hub_splits_keep_their_names(tmp_path: Path, monkeypatch) -> None:
    names = ["entailment", "neutral", "contradiction"]
    splits = {
        "train": [i % 3 for i in range(60)],
        "validation_matched": [i % 3 for i in range(12)],
        "validation_mismatched": [i % 3 for i in range(15)],
        "test_matched": [-1] * 6,
        "test_mismatched": [-1] * 6,
    }
    on_the_hub(monkeypatch, splits, names)
    out = take(run_folder("glue/mnli", tmp_path / "run", "head"), tmp_path / "away")
    found = read(out, monkeypatch)
    assert found["STUDY"] == {
        "train": ["train"], "test": ["validation_matched"], "data": "nyu-mll/glue:mnli",
    }  # fmt: skip
    assert found["data"]["test"][:2]["premise"] == [
        "validation_matched has 0 birds", "validation_matched has 1 birds",
    ]  # fmt: skip
    assert len(found["data"]["test"]) == 12
    assert found["classes"] == names  # in the order that the hub numbers them
    assert found["INPUTS"] == ["premise", "hypothesis"]


def test_a_test_set_without_labels_is_ignored(reviews: Path, tmp_path: Path, monkeypatch) -> None:
    splits = {"train": [i % 2 for i in range(60)], "validation": [0, 1, 1], "test": [-1] * 6}
    on_the_hub(monkeypatch, splits, ["no", "yes"])
    out = take(run_folder(reviews, tmp_path / "run", "head"), tmp_path / "away")
    found = read(out, monkeypatch, "--data", "owner/pairs", "--text", "premise", "hypothesis")
    assert found["data"]["test"]["label"][:] == ["no", "yes", "yes"]
    assert {split: len(part) for split, part in found["data"].items()} == {
        "train": 48, "test": 3, "validation": 12,
    }  # fmt: skip


def test_file_formats_are_those_detected_by_the_study(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    rows = [f'"a; text of {i} words";{i % 2};{i}' for i in range(20)]
    (folder / "train.csv").write_text("Text;Label;id\n" + "\n".join(rows))
    (folder / "test.csv").write_text(
        "id;label;text\n" + "\n".join(f"{i};{i % 2};text {i}" for i in range(9))
    )
    found = script_data(TaskSource(name=str(folder), text_columns=("0",)))
    assert found.columns == (("Text",), "Label")
    assert found.study == {"train": [str(folder / "train.csv")], "test": [str(folder / "test.csv")]}
    assert [how["names"] for how in found.formats.values()] == [
        ["Text", "Label", "id"], ["id", "Label", "Text"],
    ]  # fmt: skip
    assert {(how["sep"], how["header"]) for how in found.formats.values()} == {(";", 0)}


def test_image_folders_have_the_same_roles_as_in_the_study(tmp_path: Path) -> None:
    from PIL import Image

    for place in ("train/a", "train/b", "val/a", "val/b", "dev/a", "dev/b"):
        (tmp_path / place).mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / place / "one.png")
    found = script_data(TaskSource(name=str(tmp_path)))
    served = {"train": "train", "validation": "val", "test": "dev"}
    assert found.study == {role: [str(tmp_path / name)] for role, name in served.items()}
    assert (found.columns, found.formats) == ((("image",), "label"), {})


def test_the_readme_states_differences_from_the_study(reviews: Path, tmp_path: Path) -> None:
    folder = run_folder(reviews, tmp_path / "run", "head", max_train=60, early_stopping=2)
    out = take(folder, tmp_path / "away")
    readme = (out / "README.md").read_text()
    assert "Its training, validation and test sets are the study's." in readme
    assert "The study trained on at most 60 examples: `--max-train 60` takes the same ones." in readme
    assert "after 2 epochs without a better validation score; the script does not" in readme
    assert "told by file names" not in readme + (out / "train.py").read_text()


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
