"""The encoded task as a folder, made once per run and read by every trial of a backbone and task.

The folder holds a pickle. It is private, lives as long as the run, and is written only by the process
that started the run. The arrays are next to the pickle, or in the user's cache with a link next to it,
so that a copy of the folder is complete. Each trial maps them into memory, so trials share their pages.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.errors import FolderError
from whichpeft.storage.cache import cached, find_cached
from whichpeft.tasks.fits_model import check_examples
from whichpeft.tasks.generative.examples import GenerativeExamples
from whichpeft.tasks.generative.task import GenerativeTask
from whichpeft.tasks.images.encoding import ImageExamples
from whichpeft.tasks.images.task import ImageTask
from whichpeft.tasks.lengths import Lengths, lengths_of
from whichpeft.tasks.protocol import HELD_OUT, SPLITS, Examples
from whichpeft.tasks.retrieval import RetrievalTask
from whichpeft.tasks.retrieval.encoding import RetrievalExamples
from whichpeft.tasks.retrieval.match import MatchTask
from whichpeft.tasks.several_labels import SeveralLabelsTask
from whichpeft.tasks.tagging import TaggingTask
from whichpeft.tasks.tagging.encoding import TaggedExamples
from whichpeft.tasks.text import TextTask
from whichpeft.tasks.text_encoding import TextExamples

if TYPE_CHECKING:
    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget
    from whichpeft.tasks.protocol import Task

_SPLITS = (*SPLITS, HELD_OUT)
_KINDS = {
    kind.__name__: kind
    for kind in (
        TextExamples,
        TaggedExamples,
        RetrievalExamples,
        ImageExamples,
        GenerativeExamples,
    )
}
_WEIGHTS = frozenset(
    {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf"}
)
_ENCODING = 5  # version of the encoding; raise it when the same input is encoded differently
_LIBRARIES = ("tokenizers", "transformers", "pillow")
_ARRAYS = "arrays"
_WORTH_KEEPING = 2.0  # seconds; a slower encoding is cached for the next run


def write_data(
    task: Task, backbone: Backbone, budget: Budget, folder: Path
) -> tuple[Path, Lengths | None]:
    """Encode a task for a backbone; return the file that holds it, and the lengths of its inputs.

    The lengths are None if the inputs are not tokens. Raises BackboneError or DataError if the model
    cannot read some example.
    A slow encoding is stored in the user's cache, and the next run reuses it.
    """
    place = folder / f"data-{len(list(folder.glob('data-*')))}"
    place.mkdir()
    arrays = _find_or_encode(task, backbone, budget.max_train, place / _ARRAYS)
    examples = load_examples(arrays) if isinstance(arrays, Path) else arrays
    check_examples(task, backbone, examples)
    if isinstance(arrays, Path):
        arrays = _beside(arrays, place)
    path = place / "task.pickle"
    with path.open("wb") as file:
        pickle.dump((task.without_examples(), arrays, budget.max_validation), file, protocol=5)
    return path, lengths_of(examples)


def read_data(path: Path) -> tuple[Task, Mapping[str, Examples]]:
    """Read what `write_data` wrote."""
    with path.open("rb") as file:
        task, arrays, most = pickle.load(file)
    examples = load_examples(path.parent / arrays) if isinstance(arrays, Path) else arrays
    return task, examples if most is None else _with_fewer_to_validate(examples, most)


def _with_fewer_to_validate(examples: Mapping[str, Examples], most: int) -> Mapping[str, Examples]:
    """Return the splits with a random part of the validation split, the same for all trials.

    The examples of a plug-in's task may have no `take`; then all of them are used.
    """
    whole: Any = examples["validation"]
    if len(whole) <= most or not hasattr(whole, "take"):
        return examples
    chosen = np.random.default_rng(0).permutation(len(whole))[:most]
    return {**examples, "validation": whole.take(np.sort(chosen))}


def _beside(arrays: Path, place: Path) -> Path:
    """Return the folder of the arrays as seen from `place`, with a link to it if it is elsewhere."""
    if arrays.parent != place:
        try:
            (place / _ARRAYS).symlink_to(arrays.absolute(), target_is_directory=True)
        except OSError:  # on Windows not every user may create links
            return arrays.absolute()
    return Path(_ARRAYS)


def _find_or_encode(
    task: Task, backbone: Backbone, max_train: int | None, place: Path
) -> Path | Mapping[str, Examples]:
    """Return the folder of the arrays, or the examples themselves if they cannot be stored as files."""
    # A plug-in's task may encode the same data in its own way, and differently in its next version.
    ours = type(task) in (
        TextTask, SeveralLabelsTask, TaggingTask, RetrievalTask, MatchTask, ImageTask, GenerativeTask,
    )  # fmt: skip
    name = encoding_cache_name(task, backbone, max_train)
    found = find_cached(name) if ours else None
    if found is not None:
        return found
    began = time.perf_counter()
    examples = dict(task.encode(backbone, max_train=max_train))
    seconds = time.perf_counter() - began
    if not can_save(examples):
        return examples
    if ours and seconds > _WORTH_KEEPING:
        try:
            return cached(name, lambda made: save_examples(examples, made))
        except FolderError:
            pass  # without a writable cache the next run takes longer; this one is not affected
    place.mkdir()
    save_examples(examples, place)
    return place


def can_save(examples: Mapping[str, Examples]) -> bool:
    """Whether these splits can be stored as files; those of a plug-in may be of another type."""
    return all(type(split).__name__ in _KINDS for split in examples.values())


def save_examples(examples: Mapping[str, Examples], folder: Path) -> None:
    """Write splits into a folder: one file per array, everything else in one JSON file."""
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


def load_examples(folder: Path) -> dict[str, Examples]:
    """Map splits that `save_examples` wrote into memory."""
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


def encoding_cache_name(task: Task, backbone: Backbone, max_train: int | None) -> str:
    """Name an encoding by everything that determines it.

    That is the data, the training subset, the backbone's tokenizer or image processor, and the versions
    of the libraries that read them.
    """
    digest = hashlib.sha256()
    versions = [version(library) for library in _LIBRARIES]
    # Two sources may number the classes of the same examples differently.
    asked = [task.fingerprint, list(getattr(task, "classes", ())), task.problem, max_train]
    # Examples may get further fields, which the files of an earlier version do not have.
    fields = {name: [field.name for field in dataclasses.fields(k)] for name, k in _KINDS.items()}
    digest.update(json.dumps([*asked, _ENCODING, versions, fields]).encode())
    for path in sorted(backbone.files.iterdir()):
        if path.is_file() and path.suffix not in _WEIGHTS:
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return f"encoded-{digest.hexdigest()[:24]}"
