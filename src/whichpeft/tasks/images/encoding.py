"""Images as a backbone reads them: stored as 8-bit pixels of its size, normalised batch by batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.errors import BackboneError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.images.raw import RawImage
from whichpeft.tasks.protocol import Batch

if TYPE_CHECKING:
    from PIL.Image import Image
    from transformers import BaseImageProcessor

    from whichpeft.backbones import Backbone

PROCESSOR_FILE = "preprocessor_config.json"
# For configurations without an image size: convolutions read any size.
_USUAL_SIZE = 224
_CHUNK = 256
_CONVOLUTIONAL = frozenset(
    {"mobilenet_v1", "mobilenet_v2", "resnet", "regnet", "convnext", "convnextv2", "efficientnet", "bit"}
)


@dataclass(frozen=True, slots=True, eq=False)
class ImageExamples:
    """One split in pixels."""

    pixels: Array
    """uint8, shape (n, channels, height, width)."""
    labels: Array
    """Class numbers, shape (n,)."""
    scale: Array
    """Per channel: factor from pixels to the values that the backbone was pretrained on."""
    shift: Array
    """Per channel: summand after the scaling."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sizes(self) -> Array:
        """All equal: every image is resized to the same size."""
        return np.ones(len(self), dtype=np.int64)

    @property
    def tokens(self) -> None:
        """None: images have no tokens."""

    @property
    def truncated(self) -> float:
        """Zero: images are resized, not cut."""
        return 0.0

    def take(self, indices: Array) -> ImageExamples:
        """Return some examples of the split, in the given order."""
        return replace(self, pixels=self.pixels[indices], labels=self.labels[indices])

    def batch(self, indices: Array) -> Batch:
        """Return pixel_values of shape (n, channels, height, width) in float32, and labels."""
        import torch

        chosen = np.asarray(indices)
        values = self.pixels[chosen].astype(np.float32) * self.scale + self.shift
        return {
            "pixel_values": torch.from_numpy(values),
            "labels": torch.from_numpy(self.labels[chosen].astype(np.int64)),
        }


def encode_images(
    raw_images: Sequence[RawImage], labels: Array, processor: BaseImageProcessor, backbone: Backbone
) -> ImageExamples:
    """Open images, and resize and crop them with the backbone's own image processor.

    Raises DataError if an image cannot be opened, and BackboneError if the results differ in size.
    """
    channels, *_ = input_shape(backbone)
    pixels = np.empty(0, dtype=np.uint8)
    for start in range(0, len(raw_images), _CHUNK):
        opened = [image.open(grey=channels == 1) for image in raw_images[start : start + _CHUNK]]
        some = _resize(opened, processor, backbone)
        if start == 0:
            pixels = np.empty((len(raw_images), *some.shape[1:]), dtype=np.uint8)
        elif some.shape[1:] != pixels.shape[1:]:
            raise _unlike(backbone, f"{some.shape[2:]} after {pixels.shape[2:]}")
        pixels[start : start + len(some)] = some
    factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
    mean, deviation = np.zeros(channels), np.ones(channels)
    if processor.do_normalize:
        mean, deviation = np.atleast_1d(processor.image_mean), np.atleast_1d(processor.image_std)
        if not {len(mean), len(deviation)} <= {1, channels}:
            raise BackboneError(
                f"backbone {backbone.name!r}: its image processor normalises {len(mean)} channels, but "
                f"its config.json has num_channels={channels}; correct the mean and deviation in its "
                "preprocessor_config.json"
            )
        mean, deviation = np.broadcast_to(mean, channels), np.broadcast_to(deviation, channels)
    return ImageExamples(
        pixels=pixels,
        labels=labels,
        scale=(factor / deviation).astype(np.float32)[:, None, None],
        shift=(-mean / deviation).astype(np.float32)[:, None, None],
    )


def input_shape(backbone: Backbone) -> tuple[int, int, int]:
    """Return the channels, height and width of the images that a backbone reads."""
    config = backbone.architecture()
    # CLIP and similar models have a separate configuration for images.
    config = getattr(config, "vision_config", config)
    size = getattr(config, "image_size", None) or _USUAL_SIZE
    height, width = (size, size) if isinstance(size, int) else size
    return int(getattr(config, "num_channels", 3)), int(height), int(width)


def made_up_shape(backbone: Backbone, size: int | None = None) -> tuple[int, int, int]:
    """Return the channels, height and width of encoded images, as the image processor makes them.

    `size` is what the task asks of networks that read any size.

    They are those of the configuration if there is no processor. The two may differ: convolutions read
    any size, and some models interpolate their positions.
    """
    if size is not None and reads_any_size(backbone):
        return input_shape(backbone)[0], size, size
    if backbone.folder is None:
        return input_shape(backbone)
    return _processed_shape(backbone.name, backbone.folder) or input_shape(backbone)


@lru_cache(maxsize=64)
def _processed_shape(name: str, folder: Path) -> tuple[int, int, int] | None:
    from PIL import Image

    from whichpeft.backbones import Backbone

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        backbone = Backbone(name=name, revision="", config=config, folder=folder)
        mode = "L" if input_shape(backbone)[0] == 1 else "RGB"
        pixels = _resize([Image.new(mode, (64, 64))], load_processor(backbone), backbone)
    except (BackboneError, OSError, ValueError, KeyError):
        return None
    _, channels, height, width = pixels.shape
    return channels, height, width


def reads_any_size(backbone: Backbone) -> bool:
    """Whether a backbone is a convolutional network, which reads images of any size."""
    return backbone.family in _CONVOLUTIONAL


def processor_of_size(backbone: Backbone, size: int | None) -> BaseImageProcessor:
    """Load a backbone's image processor; with `size`, a convolutional network gets images of that size.

    Raises BackboneError if it is missing.
    """
    processor = load_processor(backbone)
    if size is not None and reads_any_size(backbone):
        processor.size = {"height": size, "width": size}
        processor.do_resize, processor.do_center_crop = True, False
    return processor


def load_processor(backbone: Backbone) -> BaseImageProcessor:
    """Load the image processor stored next to the weights. Raises BackboneError if it is missing."""
    from transformers import AutoImageProcessor

    try:
        # Always Pillow: torchvision, if installed, resizes to slightly different pixels.
        return AutoImageProcessor.from_pretrained(
            backbone.files, local_files_only=True, backend="pil", trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(
            f"backbone {backbone.name!r}: cannot load an image processor from {backbone.folder} "
            f"({reason}); save its {PROCESSOR_FILE} there with processor.save_pretrained()"
        ) from None


def _resize(images: Sequence[Image], processor: BaseImageProcessor, backbone: Backbone) -> Array:
    try:
        # Rescale and normalise only in the batch: 8-bit pixels take a quarter of the memory of float32.
        read = processor(
            images=list(images),
            do_rescale=False,
            do_normalize=False,
            do_convert_rgb=False,
            return_tensors="np",
        )
        pixels = np.asarray(read["pixel_values"])
    except (ValueError, TypeError, KeyError) as error:
        raise _unlike(backbone, " ".join(str(error).split())[:200]) from None
    if pixels.ndim != 4 or pixels.dtype != np.uint8:
        raise BackboneError(
            f"backbone {backbone.name!r}: its image processor returns {pixels.dtype} of shape "
            f"{pixels.shape} instead of pixels; choose another image backbone"
        )
    return pixels


def _unlike(backbone: Backbone, reason: str) -> BackboneError:
    return BackboneError(
        f"backbone {backbone.name!r}: its image processor does not resize images to one size "
        f"({reason}); set height and width, or crop, in its {PROCESSOR_FILE}"
    )
