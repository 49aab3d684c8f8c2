"""Check reads the files of an old folder again, and says where its numbers are not of what they seem."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import whichpeft as wp
from whichpeft.analysis.check.findings import Finding
from whichpeft.backbones import resolve_backbone
from whichpeft.backbones.folder import earlier_revision
from whichpeft.cli import app as cli
from whichpeft.records import Reading, Store
from whichpeft.running.recheck.recheck import recheck as everything
from whichpeft.tasks import load_task
from whichpeft.tasks.assemble import fingerprint_of
from whichpeft.tasks.labelled import LabelledTask

from .. import builders


@pytest.fixture
def place(tmp_path: Path, tiny_backbone: Path) -> Path:
    """A folder with a table, a backbone and an adapter config."""
    rows = [f"payment number {i} of an honest customer,genuine" for i in range(24)]
    rows += [f"payment number {i} that nobody ever made,fraud" for i in range(16)]
    (tmp_path / "cards.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    shutil.copytree(tiny_backbone, tmp_path / "tiny-bert")
    config = {"peft_type": "LORA", "r": 2, "target_modules": ["query"], "lora_alpha": 4}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    return tmp_path


def old_folder(place: Path, *methods: str, trained: int | None = None, **source: Any) -> Store:
    """Make a folder as an earlier version left it: records and a study, but nothing on what was read."""
    path = str(place / "cards.csv")
    asked = wp.Study(
        name="old",
        backbone=str(place / "tiny-bert"),
        task=wp.TaskSource(name=path, **source),
        methods=methods or ("head",),
        seeds=1,
    )
    store = Store(place / "run")
    store.keep_study(asked)
    backbone = resolve_backbone(str(place / "tiny-bert"))
    head = 2 * backbone.config["hidden_size"] + 2
    for method in asked.methods:
        store.add(
            builders.final(
                method, 0, 0.75, adapter=(head if trained is None else trained) - builders.HEAD,
                backbone=backbone.name, backbone_revision=backbone.revision, task="cards",
                data=load_task(asked.tasks[0]).fingerprint, metric=source.get("metric", "accuracy"),
            )
        )  # fmt: skip
    return store


def changed(store: Store, place: Path, **trial: Any) -> Store:
    """Return the folder with other values in its records' trials."""
    other = Store(place / "changed")
    other.keep_study(store.study())
    for record in store:
        other.add(replace(record, trial=replace(record.trial, **trial)))
    return other


def recheck(store: Store) -> list[Finding]:
    """Return the findings but for the notes that a run of this version prints too."""
    return [one for one in everything(store) if not one.fix.startswith("if this is not what you want")]


def test_a_folder_that_is_read_the_same_has_only_the_notes_of_its_data(place: Path) -> None:
    found = everything(old_folder(place))
    assert {finding.severity for finding in found} == {"note"}
    assert [f.task for f in found if "held out as the test set" in f.what] == ["cards"]
    assert not recheck(old_folder(place))


def test_data_that_are_read_otherwise_are_a_problem(place: Path) -> None:
    store = changed(old_folder(place), place, data="another")
    three = {"outputs": np.zeros((872, 3), dtype=np.float32), "labels": np.zeros(872, dtype=int)}
    for record in list(store):
        store.add(record, predictions=three)
    (finding,) = recheck(store)
    assert (finding.severity, finding.task) == ("problem", "cards")
    assert "3 classes in the records, 2 classes now" in finding.what
    assert "its scores are of other data than this version reads" in finding.what
    assert "2,000 train examples in the records, 32 now" in finding.what
    assert "text from text, label from label, classification into fraud and genuine" in finding.what
    assert finding.fix == "run the study again with another --out"


def test_test_rows_that_were_trained_on_are_found_in_old_folders_too(place: Path) -> None:
    lines = (place / "cards.csv").read_text().splitlines()
    (place / "test.csv").write_text("\n".join(lines[:1] + lines[20:30]) + "\n")
    store = old_folder(place, test=str(place / "test.csv"), train=str(place / "cards.csv"))
    problems = [finding for finding in recheck(store) if finding.severity == "problem"]
    assert any("test examples" in f.what and "in the training data too" in f.what for f in problems)


def test_data_that_are_gone_or_elsewhere_are_a_note(place: Path) -> None:
    store = old_folder(place)
    (place / "cards.csv").unlink()
    (finding,) = recheck(store)
    assert finding.severity == "note"
    assert "cards.csv is gone, so the data were not read again" in finding.what

    store.keep_study(replace(store.study(), tasks=(wp.TaskSource(name="owner/cards"),)))
    (finding,) = recheck(store)
    assert finding.severity == "note"
    assert "owner/cards is not a file on this machine" in finding.what


def test_data_that_are_refused_now_are_a_problem(place: Path) -> None:
    store = old_folder(place)
    (place / "cards.csv").write_text("text,label\n" + "one and the same text,genuine\n" * 30)
    (finding,) = recheck(store)
    assert finding.severity == "problem"
    assert "this version refuses the data" in finding.what


def test_another_revision_or_a_backbone_that_is_gone_is_said(place: Path) -> None:
    store = changed(old_folder(place), place, backbone_revision="older")
    (finding,) = recheck(store)
    assert (finding.severity, finding.backbone) == ("problem", "tiny-bert")
    assert finding.what.endswith("now, older then")
    shutil.rmtree(place / "tiny-bert")
    (finding,) = recheck(store)
    assert finding.severity == "note"
    assert "tiny-bert is gone, so it was not read again" in finding.what


def test_modules_that_a_config_trains_whole_and_records_did_not_are_a_problem(place: Path) -> None:
    path = place / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "modules_to_save": ["pooler"]}))
    found = [f for f in recheck(old_folder(place, str(path))) if "modules_to_save" in f.what]
    assert [(f.severity, f.method) for f in found] == [("problem", str(path))]
    assert "modules_to_save (pooler)" in found[0].what


def test_another_number_of_trained_parameters_is_a_problem(place: Path) -> None:
    store = old_folder(place, trained=123)
    (finding,) = recheck(store)
    assert (finding.severity, finding.method) == ("problem", "head")
    assert finding.what.startswith("it trained 123 parameters; this version trains ")


def test_a_config_that_is_gone_is_a_note_and_a_damaged_one_a_problem(place: Path) -> None:
    path = place / "adapter_config.json"
    store = old_folder(place, str(path))
    path.write_text("{")
    (finding,) = recheck(store)
    assert (finding.severity, finding.method) == ("problem", str(path))
    path.unlink()
    (finding,) = recheck(store)
    assert finding.severity == "note"


def by_f1(place: Path, *, fraud_first: bool = True) -> Store:
    """Return an old folder that was scored by F1 of the class that comes second in the alphabet."""
    if not fraud_first:  # then the rarer class is also the second one
        text = (place / "cards.csv").read_text().replace("genuine", "fair")
        (place / "cards.csv").write_text(text)
    store = old_folder(place, metric="f1")
    task = load_task(store.study().tasks[0])
    assert isinstance(task, LabelledTask)
    return changed(store, place, data=fingerprint_of(task.splits, task.classes, "f1"))


def test_f1_of_the_class_that_comes_second_in_the_alphabet_is_a_problem(place: Path) -> None:
    store = by_f1(place)
    (finding,) = recheck(store)
    assert (finding.severity, finding.task) == ("problem", "cards")
    assert "comes second in the alphabet, genuine, and not of fraud, the rarer one" in finding.what
    (place / "cards.csv").unlink()
    found = recheck(store)
    assert [f.severity for f in found] == ["note", "problem"]
    assert "second in the alphabet, whichever was meant" in found[1].what


def test_f1_of_the_class_that_is_meant_is_no_problem(place: Path) -> None:
    assert not recheck(by_f1(place, fraud_first=False))


def test_weights_that_an_earlier_version_named_otherwise_are_the_same(place: Path) -> None:
    store = changed(old_folder(place), place, backbone_revision=earlier_revision(place / "tiny-bert"))
    (finding,) = recheck(store)
    assert finding.severity == "note"
    assert "did not record which tokenizer" in finding.what


def test_an_adapter_that_an_earlier_version_loaded_is_a_problem(place: Path) -> None:
    shutil.copy(place / "adapter_config.json", place / "tiny-bert")
    store = changed(old_folder(place), place, backbone_revision=earlier_revision(place / "tiny-bert"))
    (finding,) = [found for found in recheck(store) if found.severity == "problem"]
    assert finding.backbone == "tiny-bert"
    assert "holds an adapter too, which an earlier version loaded" in finding.what


def test_weights_without_a_layer_are_a_problem_and_without_a_pooler_a_note(place: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = place / "tiny-bert" / "model.safetensors"
    weights = load_file(path)

    def found(without: str) -> Finding:
        save_file({k: v for k, v in weights.items() if without not in k}, path, {"format": "pt"})
        shutil.rmtree(place / "run", ignore_errors=True)
        (finding,) = [found for found in recheck(old_folder(place)) if found.method is None]
        return finding

    assert found("layer.1.").severity == "problem"
    note = found("pooler")
    assert note.severity == "note"
    assert "every seed draws at random: " in note.what
    assert "pooler" in note.what


def test_the_command_reads_again_only_what_an_earlier_version_wrote(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = changed(old_folder(place), place, data="another")

    def found() -> list[dict[str, Any]]:
        monkeypatch.setattr("sys.argv", ["whichpeft", "check", str(store.folder), "--format", "json"])
        with pytest.raises(SystemExit):
            cli.main()
        rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return [row for row in rows if "other data than this version reads" in row["what"]]

    assert len(found()) == 1
    store.keep_reading(Reading(earlier_records=True))
    assert len(found()) == 1
    store.keep_reading(Reading())
    assert not found()


def test_a_merged_latency_of_an_adapter_on_embeddings_is_a_note(place: Path) -> None:
    path = place / "adapter_config.json"
    path.write_text(json.dumps({"peft_type": "LORA", "r": 2, "target_modules": ["word_embeddings"]}))
    store = changed(old_folder(place, str(path)), place, hyperparameters={"from_file": path.read_text()})
    merged = builders.measurements({"merged_inference_milliseconds": 3.0}, "profile")
    for record in list(store):
        store.add(replace(record, measurements=(*record.measurements, *merged)))
    (finding,) = [f for f in recheck(store) if "merged latency" in f.what]
    assert (finding.severity, finding.method) == ("note", str(path))
