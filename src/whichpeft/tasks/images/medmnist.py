"""Files of images in MedMNIST's layout: ``train_images``, ``train_labels`` and so on in a .npz."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.images.raw import RawImage
from whichpeft.tasks.tables.table import Table

SUFFIX = ".npz"
SMALLEST = 64
"""Size at which convolutions read smaller images; at 224 a step takes twelve times as long."""
_SPLITS = {"train": "train", "validation": "val", "test": "test"}


def medmnist_tables(path: Path) -> Mapping[str, Table]:
    """Read a file as tables by split, with columns ``image`` and ``label``; classes are numbers.

    Raises DataError as `medmnist_splits` does.
    """
    tables: dict[str, Table] = {}
    for split, (pixels, numbers) in medmnist_splits(path).items():
        images = [RawImage(image, f"{path}: {split} image {i}") for i, image in enumerate(pixels)]
        tables[split] = Table(f"{path} ({split})", ("image", "label"), (images, numbers))
    return tables


def medmnist_splits(path: Path) -> dict[str, tuple[Array, list[int]]]:
    """Return the images and the class numbers of each split.

    Raises DataError if an array is missing, images are not of 8 bits, or labels are not one class number
    per image.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {split: _split(path, arrays, name) for split, name in _SPLITS.items()}
    except KeyError as error:
        raise DataError(
            f"{path}: {error.args[0]}; MedMNIST's files have train, val and test, each with _images and "
            "_labels"
        ) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: cannot be read as a .npz file of arrays: {error}; download it again"
        ) from None


def _split(path: Path, arrays: Mapping[str, Array], name: str) -> tuple[Array, list[int]]:
    images, labels = arrays[f"{name}_images"], arrays[f"{name}_labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] not in ((), (3,)):
        raise DataError(
            f"{path}: {name}_images is {images.dtype} of shape {images.shape}; images have 8 bits "
            "(uint8) and shape (count, height, width) or (count, height, width, 3)"
        )
    if labels.size != len(images) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{path}: {name}_labels is {labels.dtype} of shape {labels.shape} for {len(images)} images; "
            "only one class number per image is read"
        )
    return images, labels.reshape(-1).tolist()
