"""Folders that are sent to another machine."""

from __future__ import annotations

import os
from pathlib import Path

from whichpeft.executors.file_bundles import FileBundle, pack_backbone, pack_data, unpack


def contents(bundle: FileBundle) -> list[bytes]:
    return [(bundle.source / stamp.name).read_bytes() for stamp in bundle.stamps]


def test_data_are_delivered_with_the_arrays_that_they_link_to(tmp_path: Path) -> None:
    cache, data = tmp_path / "cache", tmp_path / "data"
    cache.mkdir()
    data.mkdir()
    (cache / "train.npy").write_bytes(b"numbers")
    (data / "task.pickle").write_bytes(b"task")
    (data / "task.2.train.activations").write_bytes(b"computed there again")
    (data / "arrays").symlink_to(cache)
    bundle = pack_data(data, "0")
    unpack(bundle, contents(bundle), tmp_path / "there" / "0")
    found = {path.relative_to(tmp_path / "there"): path for path in (tmp_path / "there").rglob("*.*")}
    assert {str(name): path.read_bytes() for name, path in found.items()} == {
        "0/task.pickle": b"task",
        "0/arrays/train.npy": b"numbers",
    }


def test_only_the_files_of_a_backbone_that_are_loaded_are_sent(tmp_path: Path) -> None:
    wanted = ("config.json", "model.safetensors", "tokenizer.json")
    for name in (*wanted, "pytorch_model.bin", "model.onnx"):
        (tmp_path / name).write_text(name)
    (tmp_path / "checkpoints").mkdir()
    names = [stamp.name for stamp in pack_backbone(tmp_path, "0").stamps]
    assert names == list(wanted)


def test_changed_files_are_not_mistaken_for_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    bundle = pack_backbone(tmp_path, "0")
    assert bundle.is_here()
    os.utime(tmp_path / "config.json", ns=(1, 1))
    assert not bundle.is_here()
    (tmp_path / "config.json").unlink()
    assert not bundle.is_here()
