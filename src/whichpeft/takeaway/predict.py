"""Predicts new data with a method that was taken away, as the study predicted its test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.backbones import BACKBONES, Backbone, resolve_backbone
from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.errors import BackboneError, DataError, FolderError, StudyError
from whichpeft.methods.adapter import AdapterBase
from whichpeft.takeaway.inputs import INPUTS, Inputs
from whichpeft.takeaway.loading import (
    ADAPTER,
    MODEL_CONFIG,
    SETTINGS,
    config_paths,
    method_in,
    read_json,
)
from whichpeft.takeaway.new_data import NewData, read_new
from whichpeft.takeaway.outputs import read_outputs
from whichpeft.takeaway.predictions import Predictions
from whichpeft.tasks import Array, GenerativeTask, ImageTask, Task, TextTask
from whichpeft.tasks.generative.scoring import Evaluation
from whichpeft.tasks.generative.scoring import metrics_by as text_metrics_by
from whichpeft.tasks.named_outputs import DEVIATION, MEAN
from whichpeft.tasks.several_labels import SeveralLabelsTask
from whichpeft.tasks.tagging import TaggingTask

if TYPE_CHECKING:
    import torch

    from whichpeft.tasks import Examples


def predict(
    folder: Path, data: Path, *, text_columns: Sequence[str] = (), device: str = "auto"
) -> Predictions:
    """Predict each row of a file, or each image in a folder.

    Parameters
    ----------
    folder
        What ``--write`` left, or the adapter's folder in it.
    data
        A file in a format that tasks are read from, a folder of images, or an image.
    text_columns
        Columns of the input, if they have other names than in the study.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    RequestError
        If the folder holds no adapter, its backbone is not on this machine, or the data cannot be read.
    """
    adapter, settings = find_adapter(folder)
    inputs = _as_trained(INPUTS.validate_python(settings["inputs"]), adapter)
    new = read_new(data, inputs, text_columns)
    backbone = _backbone(settings)
    task = _task(inputs)
    arrays = _arrays(task, inputs, new, backbone, adapter, settings, device)
    return read_outputs(arrays, inputs, new)


def find_adapter(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of the adapter, and the settings that belong to it.

    Raises
    ------
    FolderError
        If the folder holds neither, or no adapter was kept.
    """
    here = folder.resolve()
    settings = next((f for f in (here / SETTINGS, here.parent / SETTINGS) if f.is_file()), None)
    if settings is None:
        inside = sorted(path.parent.name for path in folder.glob(f"*/{SETTINGS}"))
        fix = (
            f"it has one for each of several tasks: name {' or '.join(inside)} in it"
            if inside
            else "name the folder that `choose --write DIR` or `auto --write DIR` wrote"
        )
        raise FolderError(f"{folder}: has no {SETTINGS}; {fix}")
    try:
        found = dict(read_json(settings))
    except (OSError, ValueError, TypeError) as error:
        raise FolderError(f"{settings}: cannot be read ({error}); write the folder again") from None
    if not {"method", "backbone", "backbone_source"} <= found.keys():
        raise FolderError(
            f"{settings}: is not of whichpeft; name the folder that `choose --write DIR` or "
            "`auto --write DIR` wrote"
        )
    if found.get("inputs") is None:
        raise FolderError(
            f"{settings}: does not say how inputs are read, because an earlier version wrote it or the "
            "task is of a plug-in; write the folder again with --write, or use train.py"
        )
    adapter = here / ADAPTER if settings.parent == here else here
    _check_weights(adapter)
    if found.get("trains", True) and not any(adapter.rglob("*.safetensors")):
        raise FolderError(
            f"{adapter}: holds no adapter, because the run kept none; train one with `python "
            f"{settings.parent / 'train.py'} --out {adapter}`, or run the study with --keep-adapters"
        )
    return adapter, found


def _check_weights(adapter: Path) -> None:
    """Raise FolderError if a file of weights is damaged, or a part of the adapter has none."""
    from safetensors import SafetensorError, safe_open

    again = "copy the folder again, or write it with --write"
    for path in sorted(adapter.rglob("*.safetensors")):
        try:
            with safe_open(path, framework="np"):
                pass
        except (SafetensorError, OSError, ValueError) as error:
            raise FolderError(f"{path}: is damaged ({error}); {again}") from None
    for path in config_paths(adapter):
        if not any(path.parent.glob("*.safetensors")):
            raise FolderError(f"{path.parent}: has no weights; {again}")


def _as_trained(inputs: Inputs, adapter: Path) -> Inputs:
    """Return the inputs with what the adapter's own configuration says of its outputs.

    It differs from the study's if `train.py` trained the adapter on other data.
    """
    file = adapter / MODEL_CONFIG
    if not file.is_file() or inputs.kind == "prompts":
        return inputs
    config = read_json(file)
    if inputs.problem == "regression":
        return replace(
            inputs,
            mean=config.get(MEAN, inputs.mean),
            deviation=config.get(DEVIATION, inputs.deviation),
        )
    names = config.get("id2label")
    if names is None:  # transformers leaves out names like LABEL_0
        return inputs
    return replace(inputs, classes=tuple(names[key] for key in sorted(names, key=int)))


def _backbone(settings: dict[str, Any]) -> Backbone:
    name, source = str(settings["backbone"]), str(settings["backbone_source"])
    try:
        found = resolve_backbone(name if name in BACKBONES else source)
    except BackboneError as error:
        raise BackboneError(f"{error} (backbone_source in {SETTINGS} says where it is)") from None
    conditions = settings.get("conditions") or {}
    return replace(found, **conditions)


def _task(inputs: Inputs) -> TextTask | ImageTask | GenerativeTask | TaggingTask:
    """Return the task without its data."""
    if inputs.kind == "prompts":
        _, metrics = text_metrics_by(inputs.metric)
        return GenerativeTask(
            name="new data",
            fingerprint="",
            metrics=metrics,
            evaluation=inputs.evaluation if inputs.evaluation == "choices" else "generation",
            chance=None,
            counts={},
        )
    if inputs.kind == "words":
        return TaggingTask(
            name="new data",
            fingerprint="",
            metrics=(),
            chance=0.0,
            counts={},
            classes=inputs.classes,
            majority=0,
            residues=bool(inputs.residues),
        )
    texts = SeveralLabelsTask if inputs.problem == "multilabel" else TextTask
    kind = ImageTask if inputs.kind == "images" else texts
    return kind(
        name="new data",
        problem=inputs.problem,
        fingerprint="",
        metrics=(),
        chance=0.0,
        counts={},
        classes=inputs.classes,
        majority=0,
        mean=inputs.mean,
        deviation=inputs.deviation,
    )


def _arrays(
    task: Task,
    inputs: Inputs,
    new: NewData,
    backbone: Backbone,
    adapter: Path,
    settings: dict[str, Any],
    device: str,
) -> Mapping[str, Array]:
    """Return the model's outputs, and what else the task keeps of its predictions."""
    import torch

    from whichpeft.engine.compute import Compute, choose_compute, find_devices
    from whichpeft.engine.evaluation import evaluate
    from whichpeft.engine.model_setup import PreparedTrial

    where = find_devices(device)[0]
    compute: Compute
    try:
        compute = choose_compute(where, str(settings.get("precision") or "float32"))
    except StudyError:  # this machine cannot, and the study's could
        compute = choose_compute(where, "float32")
    with quiet_warnings():
        examples = _encoded(inputs, new, backbone)
        model = method_in(adapter, str(settings["method"])).load(task.build(backbone), adapter)
        prepared = PreparedTrial(
            task=task,
            examples={"new": examples},
            adapter=_Loaded(torch.nn.Module.to(model, compute.device)),
            compute=compute,
            counts=(),
            backbone=backbone,
        )
        return evaluate(prepared, "new")


class _Loaded(AdapterBase):
    """A trained model, as evaluation expects it."""

    trains = True

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    def merge(self) -> torch.nn.Module:
        raise NotImplementedError

    def detach(self) -> torch.nn.Module:
        raise NotImplementedError


def _encoded(inputs: Inputs, new: NewData, backbone: Backbone) -> Examples:
    """Return the rows as the backbone reads them; their labels mean nothing."""
    if inputs.kind == "prompts":
        from whichpeft.tasks.generative.encoding import PromptEncoder

        if inputs.evaluation == "choices" and not all(one.choices for one in new.prompts):
            raise DataError(f"{new.table.location}: some prompts offer no choices, as the study's do")
        evaluation: Evaluation = "choices" if inputs.evaluation == "choices" else "generation"
        return PromptEncoder(backbone).encode(new.prompts, evaluation, ("",), inputs.longest)
    if inputs.kind == "images":
        from whichpeft.tasks.images.encoding import encode_images, processor_of_size

        labels = np.zeros(len(new.images), dtype=np.int64)
        processor = processor_of_size(backbone, inputs.image_size)
        return encode_images(new.images, labels, processor, backbone)
    from whichpeft.tasks.text_encoding import encode_texts, load_tokenizer

    if inputs.kind == "words":
        from whichpeft.tasks.tagging.encoding import encode_residues, encode_sentences

        tags = [np.zeros(length, dtype=np.int32) for length in new.lengths]
        if inputs.residues:
            return encode_residues(new.texts, tags, load_tokenizer(backbone), backbone)
        return encode_sentences(new.texts, tags, load_tokenizer(backbone), backbone, new.table.location)
    labels = np.zeros(len(new.texts), dtype=np.int64 if inputs.classes else np.float64)
    if inputs.residues:
        from whichpeft.tasks.residues.encoding import encode_sequences

        return encode_sequences(new.texts, labels, load_tokenizer(backbone), backbone)
    return encode_texts(new.texts, labels, load_tokenizer(backbone), backbone, new.table.location)
