"""Models and messages from outside cannot run code, leave a folder or reveal a secret."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import whichpeft as wp
from whichpeft.api import folder_of
from whichpeft.backbones import resolve_backbone
from whichpeft.engine.trial import explain
from whichpeft.errors import BackboneError, StudyError, without_secrets
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task

from .forks import Forks

TOKEN = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345"


def test_code_that_comes_with_a_model_does_not_run(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_backbone, folder)
    (folder / "modeling_evil.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n"
        "class EvilModel: ...\nclass EvilConfig: ...\n"
    )
    config = json.loads((folder / "config.json").read_text())
    auto_map = {
        "AutoConfig": "modeling_evil.EvilConfig",
        "AutoModel": "modeling_evil.EvilModel",
        "AutoModelForSequenceClassification": "modeling_evil.EvilModel",
    }
    task = load_task(TaskSource(name=str(reviews)))
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": auto_map}))
    task.build(resolve_backbone(str(folder)))  # transformers uses its own BERT
    (folder / "config.json").write_text(
        json.dumps(config | {"auto_map": auto_map, "model_type": "evil"})
    )
    with pytest.raises(BackboneError, match="evil"):
        task.build(resolve_backbone(str(folder)))
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_not_read(tiny_backbone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_backbone, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        BackboneError, match=r"has no \*.safetensors weights, and pytorch_model.bin is in PyTorch"
    ):
        resolve_backbone(str(folder))


@pytest.mark.parametrize("name", ["../up", "/etc/x", "..", "a\\b", "C:x", "a\0b"])
def test_a_study_name_cannot_leave_the_runs_folder(name: str) -> None:
    study = wp.Study(name=name, backbone="minilm", task="stdlib-docs", methods=["head"])
    with pytest.raises(StudyError, match="name"):
        folder_of(study, None)
    assert folder_of(study, "here") == Path("here")


def test_tokens_are_removed_from_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-token-of-another-form")
    for text in (f"403 for {TOKEN}", "a-token-of-another-form was refused", f"Bearer {TOKEN}"):
        assert "[secret]" in without_secrets(text)
        assert TOKEN not in without_secrets(text)
        assert "another-form" not in without_secrets(text)
    assert explain(RuntimeError(f"no access with {TOKEN}")) == "RuntimeError: no access with [secret]"


def test_a_run_leaves_no_token_anywhere(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    done = forks.run(
        *("run", "--backbone", str(tiny_backbone), "--task", str(reviews)),
        *("--method", "head", "--method", "full:learning_rate=1e30"),
        *("--seeds", "1", "--epochs", "1", "--device", "cpu", "--out", str(tmp_path / "out")),
        env=os.environ | {"HF_TOKEN": TOKEN},
    )
    assert done.returncode == 1  # the diverging one
    assert TOKEN not in done.stdout + done.stderr
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
