"""The name of a backbone resolves to bundled files, a folder or the hub, or is refused clearly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from whichpeft.backbones import resolve, resolve_backbone
from whichpeft.errors import BackboneError

from ..hub_stub import COMMIT, hub

RESOLVE = """
import sys
from whichpeft.backbones import resolve_backbone
from whichpeft.errors import BackboneError
try:
    found = resolve_backbone(sys.argv[1])
    print(found.name, found.revision, sorted(path.name for path in found.folder.iterdir()))
except BackboneError as error:
    print("refused:", error)
"""


def resolve_apart(name: str, home: Path, **environment: str) -> str:
    """Resolve in a separate process with the given hub and cache."""
    settings = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    settings |= {"HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, name], env=settings, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_minilm_is_bundled_with_the_package() -> None:
    backbone = resolve_backbone("minilm")
    assert backbone.revision == resolve.MINILM_SHA256[:16]
    assert backbone.config["model_type"] == "bert"
    assert (backbone.width, backbone.positions) == (384, 512)
    assert (backbone.folder / "model.safetensors").stat().st_size > 90_000_000


def test_other_weights_under_its_name_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "MINILM_SHA256", "0" * 64)
    with pytest.raises(BackboneError, match=r"all-MiniLM-L6-v2.*not on this machine"):
        resolve_backbone("minilm")


def test_the_revision_of_a_folder_follows_its_weights(tiny_backbone: Path, tmp_path: Path) -> None:
    first = resolve_backbone(str(tiny_backbone))
    assert (first.name, first.width) == ("tiny-bert", 32)
    other = tmp_path / "other"
    other.mkdir()
    for path in tiny_backbone.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    assert resolve_backbone(str(other)).revision == first.revision
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    assert resolve_backbone(str(other)).revision != first.revision


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "no config.json"),
        ({"config.json": "{"}, "cannot be read"),
        ({"config.json": "{}"}, "no model_type"),
        ({"config.json": '{"model_type": "bert"}'}, r"no \*.safetensors weights"),
        ({"config.json": '{"model_type": "bert"}', "pytorch_model.bin": "x"}, r"no \*.safetensors"),
    ],
)
def test_an_unusable_folder_is_named(files: dict[str, str], complaint: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(BackboneError, match=complaint) as caught:
        resolve_backbone(str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_a_hub_model_is_fetched_and_pinned_by_its_commit(tmp_path: Path) -> None:
    files = {
        "config.json": json.dumps({"model_type": "bert", "hidden_size": 32}).encode(),
        "model.safetensors": b"weights",
        "tokenizer.json": b"{}",
        "pytorch_model.bin": b"a pickle",
    }
    with hub({"someone/small": files}) as address:
        found = resolve_apart("someone/small", tmp_path, HF_ENDPOINT=address)
    assert found.startswith(f"someone/small {COMMIT[:16]}")
    assert "model.safetensors" in found
    assert "pytorch_model.bin" not in found  # a pickle is never fetched
    assert resolve_apart("someone/small", tmp_path, HF_HUB_OFFLINE="1") == found  # from the cache


def test_a_busy_hub_is_asked_again(tmp_path: Path) -> None:
    files = {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"weights"}
    with hub({"someone/small": files}, busy_for=2.0) as address:
        found = resolve_apart("someone/small", tmp_path, HF_ENDPOINT=address)
    assert found.startswith(f"someone/small {COMMIT[:16]}")


def test_a_model_missing_on_the_hub_is_named(tmp_path: Path) -> None:
    with hub({}) as address:
        found = resolve_apart("someone/nothing", tmp_path, HF_ENDPOINT=address)
    assert "refused: backbone 'someone/nothing'" in found


def test_a_missing_network_is_reported_with_the_fix(tmp_path: Path) -> None:
    found = resolve_apart("someone/small", tmp_path, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in found
    assert "after several attempts" not in found  # no request was made
    assert "give a local folder, or use `minilm`" in found
