"""digits-vit is pretrained once and reproducibly; a damaged copy in the cache is rebuilt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from whichpeft.backbones import BACKBONES, digits_vit, resolve_backbone
from whichpeft.errors import FolderError
from whichpeft.storage.cache import cache_folder, cached


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHICHPEFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(folder: Path) -> None:
    (folder / "weights").write_text("whole")


def never(folder: Path) -> None:
    raise AssertionError(f"{folder} is built again")


def test_the_cache_is_in_the_usual_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHICHPEFT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("WHICHPEFT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "whichpeft"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().is_relative_to(Path.home())


def test_a_folder_is_built_once(cache: Path) -> None:
    place = cached("it", write)
    assert place == cache / "it"
    assert cached("it", never) == place
    assert [path.name for path in cache.iterdir()] == ["it"]


@pytest.mark.parametrize("damage", ["change", "remove", "empty", "file"])
def test_a_damaged_folder_is_rebuilt(cache: Path, damage: str) -> None:
    place = cached("it", write)
    if damage == "change":
        (place / "weights").write_text("half")
    elif damage == "remove":
        (place / "weights").unlink()
    else:
        shutil.rmtree(place)
        place.write_text("") if damage == "file" else place.mkdir()
    assert (cached("it", write) / "weights").read_text() == "whole"
    assert [path.name for path in cache.iterdir()] == ["it"]


def test_an_interrupted_build_leaves_nothing(cache: Path) -> None:
    def interrupted(folder: Path) -> None:
        write(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("it", interrupted)
    assert list(cache.iterdir()) == []


def test_the_first_of_two_concurrent_builds_wins(cache: Path) -> None:
    def overtaken(folder: Path) -> None:
        cached("it", write)
        (folder / "weights").write_text("later")

    assert (cached("it", overtaken) / "weights").read_text() == "whole"


def test_a_cache_that_is_not_writable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WHICHPEFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(FolderError, match="set WHICHPEFT_CACHE to a writable folder"):
        cached("it", write)


def test_it_is_listed() -> None:
    assert "whichpeft pretrains it" in BACKBONES["digits-vit"].description


RESOLVE = (
    "from whichpeft.backbones import resolve_backbone; print(resolve_backbone('digits-vit').revision)"
)


@pytest.mark.slow
def test_pretraining_always_gives_the_same_weights(tmp_path: Path) -> None:
    """Compare this process with one of two threads: pretraining is seeded and uses one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "WHICHPEFT_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE],
        env=environment, text=True, capture_output=True, timeout=300, check=True,
    )  # fmt: skip
    assert "pretraining it once on the digits 0 to 4" in done.stderr
    assert resolve_backbone("digits-vit").revision == done.stdout.strip()


def test_pretraining_does_not_change_the_random_state(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(digits_vit, "EPOCHS", 1)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    resolve_backbone("digits-vit")
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.slow
def test_its_features_help_on_digits_it_never_saw() -> None:
    """Compare nearest-mean classifiers on the first output position, with trained and random weights."""
    import torch
    from transformers import ViTConfig, ViTModel

    from whichpeft.tasks.images.digits import digits

    backbone = resolve_backbone("digits-vit")
    examples = digits().encode(backbone, max_train=None)

    def score(model: torch.nn.Module) -> float:
        def features(split: str) -> np.ndarray:
            batch = examples[split].batch(np.arange(len(examples[split])))
            with torch.no_grad():
                return model(pixel_values=batch["pixel_values"]).last_hidden_state[:, 0].numpy()

        labels = examples["train"].labels
        means = np.stack([features("train")[labels == i].mean(axis=0) for i in range(5)])
        nearest = np.linalg.norm(features("test")[:, None] - means, axis=2).argmin(axis=1)
        return float(np.mean(nearest == examples["test"].labels))

    torch.manual_seed(0)
    drawn = ViTModel(ViTConfig(**digits_vit.ARCHITECTURE), add_pooling_layer=False).eval()
    trained = ViTModel.from_pretrained(backbone.files, add_pooling_layer=False).eval()
    assert score(trained) > max(0.6, score(drawn) + 0.1)
