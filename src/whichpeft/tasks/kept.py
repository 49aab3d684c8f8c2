"""Encoded splits as files: arrays that are mapped into memory, so that trials share their pages."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.tasks.encoding import TextExamples
from whichpeft.tasks.generative.examples import GenerativeExamples
from whichpeft.tasks.image_encoding import ImageExamples
from whichpeft.tasks.protocol import HELD_OUT, SPLITS, Examples

if TYPE_CHECKING:
    from whichpeft.backbones import Backbone
    from whichpeft.tasks.protocol import Task

_SPLITS = (*SPLITS, HELD_OUT)
_KINDS = {kind.__name__: kind for kind in (TextExamples, ImageExamples, GenerativeExamples)}
_WEIGHTS = frozenset(
    {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf"}
)
_ENCODING = 1  # of this package: raised when what it makes of the same input changes
_LIBRARIES = ("tokenizers", "transformers", "pillow")


def can_keep(examples: Mapping[str, Examples]) -> bool:
    """Whether these splits are of a kind that can be kept as files; a plug-in's may not be."""
    return all(type(split).__name__ in _KINDS for split in examples.values())


def keep_examples(examples: Mapping[str, Examples], folder: Path) -> None:
    """Write splits into a folder: an array a file, everything else in one JSON file."""
    plain: dict[str, Any] = {}
    for name, split in examples.items():
        plain[name] = {"kind": type(split).__name__}
        for field in dataclasses.fields(split):  # type: ignore[arg-type]
            value = getattr(split, field.name)
            if isinstance(value, np.ndarray):
                np.save(folder / f"{name}.{field.name}.npy", value, allow_pickle=False)
            else:
                plain[name][field.name] = value
    (folder / "splits.json").write_text(json.dumps(plain), encoding="utf-8")


def kept_examples(folder: Path) -> dict[str, Examples]:
    """Map splits that `keep_examples` wrote into memory."""
    plain = json.loads((folder / "splits.json").read_text(encoding="utf-8"))
    found: dict[str, Examples] = {}
    for name in sorted(plain, key=_SPLITS.index):
        fields = dict(plain[name])
        kind: Any = _KINDS[fields.pop("kind")]
        for field in dataclasses.fields(kind):
            if field.name not in fields:
                path = folder / f"{name}.{field.name}.npy"
                fields[field.name] = np.load(path, mmap_mode="r", allow_pickle=False)
            elif isinstance(fields[field.name], list):
                fields[field.name] = tuple(fields[field.name])
        found[name] = kind(**fields)
    return found


def encoding_name(task: Task, backbone: Backbone, max_train: int | None) -> str:
    """Name an encoding by all that decides it: data, cut, the backbone's tokenizer or image
    processor, and the versions of what reads them."""
    digest = hashlib.sha256()
    versions = [version(library) for library in _LIBRARIES]
    # Two sources may number the classes of the same examples differently.
    asked = [task.fingerprint, list(getattr(task, "classes", ())), task.problem, max_train]
    digest.update(json.dumps([*asked, _ENCODING, versions]).encode())
    for path in sorted(backbone.files.iterdir()):
        if path.is_file() and path.suffix not in _WEIGHTS:
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return f"encoded-{digest.hexdigest()[:24]}"
