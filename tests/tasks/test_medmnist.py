"""Files of images in MedMNIST's layout, and the bundled chest X-rays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import ImageTask, is_image_task, load_task
from whichpeft.tasks.images.pneumonia import pneumonia

COUNTS = {"train": 40, "val": 8, "test": 12}


def write(path: Path, side: int = 28, **changes: Any) -> Path:
    """Write a small file as medmnist's do: 28x28 images in grey, labels of shape (n, 1)."""
    drawn = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for name, count in COUNTS.items():
        arrays[f"{name}_images"] = drawn.integers(0, 255, (count, side, side), dtype=np.uint8)
        arrays[f"{name}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def load(path: Path) -> ImageTask:
    task = load_task(TaskSource(name=str(path)))
    assert isinstance(task, ImageTask)
    return task


def test_a_file_by_path(tmp_path: Path, tiny_mobilenet: Path) -> None:
    path = write(tmp_path / "breastmnist.npz")
    assert is_image_task(str(path))
    task = load(path)
    assert task.name == "breastmnist.npz"
    assert task.counts == {"train": 40, "validation": 8, "test": 12}
    assert task.classes == ("0", "1")
    encoded = task.encode(resolve_backbone(str(tiny_mobilenet)), max_train=None)
    assert encoded["test"].batch(np.arange(12))["pixel_values"].shape == (12, 3, 64, 64)
    with np.load(path) as arrays:
        first = arrays["test_images"][0]
    image = task.raw_images[task.splits["test"].inputs[0][0]]
    assert np.array_equal(image.content, first)


def test_larger_images_keep_their_size(tmp_path: Path, tiny_vits: dict[int, Path]) -> None:
    task = load(write(tmp_path / "large.npz", side=128))
    assert task.image_size == 128
    assert task.fingerprint != load(write(tmp_path / "small.npz", side=64)).fingerprint
    encoded = task.encode(resolve_backbone(str(tiny_vits[3])), max_train=None)
    assert encoded["test"].batch(np.arange(2))["pixel_values"].shape == (2, 3, 16, 16), "a ViT's own"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"val_labels": None}, ("val_labels", "_images and _labels")),
        ({"test_labels": np.zeros((12, 14), dtype=np.uint8)}, ("test_labels", "(12, 14)", "one class")),
        ({"train_images": np.zeros((40, 9, 9, 9), dtype=np.uint8)}, ("train_images", "(40, 9, 9, 9)")),
        ({"train_images": np.zeros((40, 28, 28))}, ("train_images", "float64", "8 bits")),
        ({"train_labels": np.array([None] * 40, dtype=object)}, ("allow_pickle", "download")),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file(
    changes: dict[str, Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    path = write(tmp_path / "wrong.npz", **changes)
    with pytest.raises(DataError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(DataError, match=r"cut\.npz: cannot be read as a \.npz file of arrays"):
        load(tmp_path / "cut.npz")


def test_the_bundled_chest_x_rays() -> None:
    task = pneumonia()
    assert task.counts == {"train": 600, "validation": 250, "test": 624}
    assert [metric.name for metric in task.metrics] == [
        "auroc",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
    ]
    labels = task.splits["test"].labels
    assert (labels == task.classes.index("normal")).mean() == pytest.approx(0.375, abs=1e-3)
