"""What a run says of its backbone's files before the first trial, and folders of earlier versions."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import whichpeft as wp
from whichpeft.backbones import resolve, resolve_backbone
from whichpeft.backbones.folder import earlier_revision
from whichpeft.cli import app as cli
from whichpeft.errors import BackboneError, FolderError
from whichpeft.executors import SilentObserver
from whichpeft.records import Store

from .test_run import run, study


@pytest.fixture
def folder(tiny_backbone: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "bert"
    shutil.copytree(tiny_backbone, copy)
    return copy


def keep(folder: Path, *, lack: str) -> None:
    path = folder / "model.safetensors"
    tensors = {name: value for name, value in load_file(path).items() if lack not in name}
    save_file(tensors, path, {"format": "pt"})


class Told(SilentObserver):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def notify(self, line: str) -> None:
        self.lines.append(line)


def test_a_new_pooler_and_an_adapter_are_said_and_kept(
    folder: Path, reviews: Path, tmp_path: Path
) -> None:
    keep(folder, lack="pooler")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2}')
    (folder / "adapter_model.safetensors").write_bytes(b"would fail if it were loaded")
    told, out = Told(), tmp_path / "out"
    wp.run(study(folder, reviews, methods=["head"], seeds=1), out=out, device="cpu", observer=told)
    reading = Store(out).reading()
    assert reading is not None
    (backbone,) = reading.backbones
    assert backbone.new_layers == ("bert.pooler.dense",)
    adapter, pooler = backbone.notes
    assert "adapter_config.json" in adapter
    assert pooler == "its bert.pooler.dense is newly drawn: its weights have no pooler"
    for note in backbone.notes:
        assert f"bert: {note}" in told.lines


@pytest.mark.usefixtures("untimed")
def test_missing_layers_are_refused_before_anything_runs(
    folder: Path, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    keep(folder, lack="encoder.layer.1.")
    with pytest.raises(
        BackboneError, match=r"says 2 layers, but the weights have 1: bert.encoder.layer.1"
    ):
        run(study(folder, reviews, methods=["head"], seeds=1), tmp_path / "out")
    assert not list(tmp_path.glob("out/records/*"))
    command = ["whichpeft", "run", "--task", str(reviews), "--backbone", str(folder), "--method", "head"]
    monkeypatch.setattr("sys.argv", [*command, "--dry-run"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "bert.encoder.layer.1 is missing" in " ".join(capsys.readouterr().err.split())


def test_another_tokenizer_is_another_backbone(folder: Path, reviews: Path, tmp_path: Path) -> None:
    asked, out = study(folder, reviews, methods=["head"], seeds=1), tmp_path / "out"
    run(asked, out)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "do_lower_case": False}))
    with pytest.raises(FolderError, match="its records are of another bert; its content has changed"):
        run(asked, out)


def test_a_folder_of_an_earlier_version_is_reported_and_not_continued(
    folder: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, out = study(folder, reviews, methods=["head"], seeds=1), tmp_path / "out"
    old = dataclasses.replace(resolve_backbone(str(folder)), revision=earlier_revision(folder))
    monkeypatch.setattr("whichpeft.running.setup.resolve_backbone", lambda name: old)
    run(asked, out)
    monkeypatch.undo()
    assert list(wp.Report.read(out).table()["status"]) == ["completed"] * 2
    with pytest.raises(FolderError, match=r"same weights of bert.*did not record which tokenizer"):
        run(asked, out)


def test_an_option_of_the_configuration_that_changes_outputs_is_not_followed(folder: Path) -> None:
    """A configuration may ask for plain tuples, which have no names."""
    from whichpeft.tasks.classifier import build_classifier, build_classifier_on_meta

    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "return_dict": False}))
    backbone = resolve.resolve_backbone(str(folder))
    model = build_classifier(backbone, modality="text", classes=["a", "b"])
    assert model(torch.tensor([[1, 2]])).logits.shape == (1, 2)
    with torch.device("meta"):
        bare = build_classifier_on_meta(backbone, modality="text", classes=["a", "b"])
        assert bare(torch.tensor([[1, 2]])).logits.shape == (1, 2)
