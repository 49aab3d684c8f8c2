"""What of a folder belongs to a backbone: the weights that are loaded, and what decides its input.

Anything else in the folder does not: a README, a licence, an adapter, the state of an optimizer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from whichpeft.errors import BackboneError
from whichpeft.units import join_words

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_config.json"

VOCABULARIES = (
    "tokenizer.json", "tokenizer.*.json", "vocab.*", "vocab-*", "*.model", "*.tiktoken", "spiece.*",
    "bpe.*", "tekken.json", "byte_maps.json", "*.tokenizer",
)  # fmt: skip
"""Names of the files that hold a tokenizer's vocabulary."""

_DECIDES_INPUT = (
    *VOCABULARIES,
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt", "dict.txt",
    "*.spm", "emoji.json", "entity_vocab.json", "normalizer.json", "word_shape.json",
    "word_pronunciation.json", "chat_template.jinja", "chat_template.json",
    "additional_chat_templates/*.jinja", "preprocessor_config.json", "processor_config.json",
)  # fmt: skip
"""Names of the files that decide what a model reads: its tokenizer, chat template, image processor."""

_OTHER_FORMATS = {
    "pytorch_model*.bin": "in PyTorch's pickle format",
    "*.gguf": "in GGUF",
    "tf_model*.h5": "of TensorFlow",
    "flax_model*.msgpack": "of Flax",
    "*.ckpt": "of TensorFlow or Lightning",
    "*.onnx": "in ONNX",
}
_POINTER = b"version https://git-lfs"


def weight_files(folder: Path, config: Mapping[str, Any], shown: str) -> list[Path]:
    """Return the files of the weights that transformers loads from a folder, by name.

    These are the file that ``config.json`` names, else ``model.safetensors``, else the parts that
    ``model.safetensors.index.json`` names. Raises BackboneError if one of them is not there or empty.

    Parameters
    ----------
    folder
        The folder.
    config
        Its ``config.json``.
    shown
        The backbone in error messages.
    """
    if any(folder.glob("shard-*-model-*.safetensors")):  # transformers prefers these to all others
        raise BackboneError(
            f"{shown}: holds a distributed checkpoint (shard-*.safetensors), which is not supported; "
            "load it with transformers and save it with save_pretrained()"
        )
    named = config.get("transformers_weights")
    names = [named] if isinstance(named, str) else [WEIGHTS, INDEX]
    found = next((folder / name for name in names if _exists(folder / name)), None)
    if found is None:
        raise BackboneError(_no_weights(folder, shown))
    files = _parts(found) if found.name.endswith(".index.json") else [found]
    for path in files:
        _check_whole(path)
    return files


def belonging_files(folder: Path, weights: Iterable[Path]) -> dict[str, Path]:
    """Return the files that decide what a backbone computes, by their names in its folder.

    Raises BackboneError if one of them is not the file itself (see `check_content`).
    """
    found = {folder / CONFIG, *weights}
    for pattern in _DECIDES_INPUT:
        found |= set(folder.glob(pattern)) if "*" in pattern else {folder / pattern}
    for path in found:
        check_content(path)
    there = {path.relative_to(folder).as_posix(): path for path in found if path.is_file()}
    return dict(sorted(there.items()))


def revision_of(files: Mapping[str, Path]) -> str:
    """Return a hash of the names and contents of a backbone's files."""
    digest = hashlib.sha256(b"whichpeft folder 2")
    for name, path in files.items():
        digest.update(json.dumps([name, sha256(path)]).encode())
    return digest.hexdigest()[:16]


def earlier_revision(folder: Path) -> str:
    """Return the revision of versions that hashed ``config.json`` and every ``*.safetensors`` alone.

    The backbones that whichpeft makes itself keep it, because their recipe decides all of their files.
    """
    digest = hashlib.sha256()
    for path in (folder / CONFIG, *sorted(folder.glob("*.safetensors"))):
        digest.update(sha256(path).encode())
    return digest.hexdigest()[:16]


def notes_on_folder(folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a user should know of files that are there and not read."""
    notes = []
    if (folder / ADAPTER).is_file():
        notes.append(
            f"the adapter in its folder ({ADAPTER}) is not loaded: methods start from the plain model"
        )
    both = all((folder / name).exists() for name in (WEIGHTS, INDEX))
    if both and not config.get("transformers_weights"):
        notes.append(f"its weights are those of {WEIGHTS}; {INDEX} and its parts are not read")
    code = config.get("auto_map")
    if code:
        notes.append(
            f"its {CONFIG} names code of its own (auto_map), which is not run: the model is "
            f"transformers' {config['model_type']}"
        )
    return tuple(notes)


def adapter_alone(folder: Path) -> str | None:
    """Return what a folder is if it holds an adapter and no model; None otherwise."""
    if not (folder / ADAPTER).is_file() or any((folder / name).exists() for name in (WEIGHTS, INDEX)):
        return None
    base = _base_model(folder / ADAPTER)
    way_out = f"its base model, {base!r}" if base else "its base model"
    return (
        f"holds a PEFT adapter ({ADAPTER}) and no weights of a model; give {way_out}, or merge the "
        "adapter with merge_and_unload() and save the whole model"
    )


def no_config(folder: Path) -> str:
    """Return what a folder without a ``config.json`` is, and what to give instead."""
    found = adapter_alone(folder)
    if found:
        return found
    # The modules of sentence-transformers, the checkpoints of a training run, the snapshots of the hub.
    inside = sorted(folder.glob(f"*/{CONFIG}")) + sorted(folder.glob(f"snapshots/*/{CONFIG}"))
    models = [path.parent for path in inside if any(path.parent.glob("*.safetensors"))]
    way_out = f"; a model is in {models[-1].relative_to(folder)}: give that folder" if models else ""
    return f"contains no {CONFIG}{way_out}"


def check_content(path: Path) -> None:
    """Raise BackboneError if a file is a pointer of Git LFS, or a link to nothing."""
    if path.is_symlink() and not path.exists():
        raise BackboneError(
            f"{path}: is a link to a file that is not there; copy the folder with the files that its "
            "links point to"
        )
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise BackboneError(
                    f"{path}: is a pointer of Git LFS instead of the file; run `git lfs pull` in its "
                    "folder, or download it from the hub"
                )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _exists(path: Path) -> bool:
    return path.is_file() or path.is_symlink()


def _check_whole(path: Path) -> None:
    check_content(path)
    if path.stat().st_size == 0:
        raise BackboneError(f"{path}: is empty; copy or download it again")


def _parts(index: Path) -> list[Path]:
    """Return the parts of weights that are split into several files."""
    check_content(index)
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        parts = [index.parent / name for name in sorted(set(named))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())[:100]
        raise BackboneError(f"{index}: cannot be read ({reason}); download it again") from None
    lost = [part.name for part in parts if not _exists(part)]
    if lost or not parts:
        raise BackboneError(
            f"{index}: names {join_words(lost[:3]) if lost else 'no file'}"
            f"{f' and {len(lost) - 3} more' if lost[3:] else ''}, which "
            f"{'is' if len(lost) < 2 else 'are'} not in its folder; copy or download all parts"
        )
    return parts


def _no_weights(folder: Path, shown: str) -> str:
    alone = adapter_alone(folder)
    if alone:
        return f"{shown}: {alone}"
    others = sorted(path.name for path in folder.glob("*.safetensors"))
    if others:
        return (
            f"{shown}: has no {WEIGHTS} and no {INDEX}, only {others[0]}"
            f"{f' and {len(others) - 1} more' if others[1:] else ''}; save the whole model with "
            "save_pretrained()"
        )
    for pattern, format_name in _OTHER_FORMATS.items():
        found = sorted(path.name for path in folder.glob(pattern))
        if found:
            return (
                f"{shown}: has no *.safetensors weights, and {found[0]} is {format_name}, which is not "
                "supported; load it with transformers and save it with save_pretrained()"
            )
    return f"{shown}: has no *.safetensors weights; save the model with save_pretrained()"


def _base_model(path: Path) -> str | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    base = found.get("base_model_name_or_path") if isinstance(found, dict) else None
    return base if isinstance(base, str) and base else None
