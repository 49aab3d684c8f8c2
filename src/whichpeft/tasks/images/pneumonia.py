"""The bundled medical task: does a chest X-ray show pneumonia?

The images are from PneumoniaMNIST (CC BY 4.0; Yang et al. 2023, doi:10.1038/s41597-022-01721-8):
frontal X-rays of children of one to five years (Kermany et al. 2018, doi:10.1016/j.cell.2018.02.010), of
28x28 pixels. See ``tasks/embedded/README.md`` for what is kept of them. Accuracy at a threshold of 0.5
misleads, since 10 % of the training images are normal but 38 % of the test images; so the score is the
area under the ROC curve.
"""

from __future__ import annotations

import dataclasses
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.labelled import ACCURACY, AUROC, BALANCED_ACCURACY, MACRO_F1
from whichpeft.tasks.from_examples import ImageExample, image_task
from whichpeft.tasks.images.task import ImageTask

CLASSES = ("normal", "pneumonia")
SIZE = 64
"""Convolutions read 28 pixels badly; at 224 a step takes twelve times as long for the same pixels."""

_SPLITS = {"train": "train", "validation": "val", "test": "test"}


def pneumonia() -> ImageTask:
    """Load the task ``pneumonia``: 600 training, 250 validation and 624 test images."""
    with as_file(files("whichpeft.tasks.embedded") / "pneumonia.npz") as path:
        splits = medmnist_splits(path, CLASSES)
    task = image_task("pneumonia", **splits, metrics=(AUROC, ACCURACY, BALANCED_ACCURACY, MACRO_F1))
    return dataclasses.replace(task, image_size=SIZE, fingerprint=f"{task.fingerprint}-{SIZE}")


def medmnist_splits(path: Path, classes: tuple[str, ...] = ()) -> dict[str, list[ImageExample]]:
    """Read a file in MedMNIST's layout: arrays ``train_images``, ``train_labels`` and so on.

    Raises DataError if an array is missing, or labels are not one class number per image.
    """
    found: dict[str, list[ImageExample]] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for split, name in _SPLITS.items():
                images, labels = arrays[f"{name}_images"], arrays[f"{name}_labels"]
                if labels.size != len(images):
                    raise DataError(
                        f"{path}: {name}_labels has shape {labels.shape} for {len(images)} images; only "
                        "one class number per image is read"
                    )
                numbers = labels.reshape(-1).tolist()
                found[split] = [
                    (image, classes[number] if classes else str(number))
                    for image, number in zip(images, numbers, strict=True)
                ]
    except KeyError as error:
        raise DataError(
            f"{path}: {error.args[0]}; MedMNIST's files have train, val and test, each with _images and "
            "_labels"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a .npz file of arrays: {error}") from None
    return found
