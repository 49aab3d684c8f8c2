"""Images as they are found: files, the bytes of files inside a table, or pixels; and opening them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.splits import Input

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True, eq=False)
class RawImage:
    """One image: a file, a file's bytes, or uint8 pixels of shape (height, width[, 3]).

    where: what a message calls it.
    """

    content: Path | bytes | Array
    where: str

    def fingerprint(self) -> str:
        """Hash the file's bytes, or the pixels: equal for copies, whatever they are called.

        Raises DataError where the file cannot be read.
        """
        if isinstance(self.content, np.ndarray):
            shape = "x".join(map(str, self.content.shape))
            return hashlib.sha256(f"{shape} ".encode() + self.content.tobytes()).hexdigest()
        return hashlib.sha256(self._bytes()).hexdigest()

    def open(self, *, grey: bool) -> Image:
        """Decode it as greyscale or RGB of 8 bits, upright, animations at their first frame.

        Raises DataError, which names the file, where it is no image that can be read.
        """
        from PIL import Image, ImageOps, UnidentifiedImageError

        if isinstance(self.content, np.ndarray):
            return Image.fromarray(self.content).convert("L" if grey else "RGB")
        try:
            with Image.open(io.BytesIO(self._bytes())) as image:
                upright = _eight_bits(ImageOps.exif_transpose(image), self.where)
                return upright.convert("L" if grey else "RGB")
        except DataError:
            raise
        except Exception as error:  # decoders raise many kinds for one fact: no image
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            if isinstance(error, UnidentifiedImageError):
                reason = "of no format that Pillow knows"
            raise DataError(
                f"{self.where}: is no image that can be read ({reason}); replace it or take it out"
            ) from None

    def _bytes(self) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        assert isinstance(self.content, Path)
        try:
            return self.content.read_bytes()
        except OSError as error:
            raise DataError(f"{self.where}: cannot be read: {error.strerror or error}") from None


def register_image(image: RawImage, raw_images: dict[str, RawImage]) -> Input:
    """Put an image under its fingerprint, which is returned as its example's input."""
    fingerprint = image.fingerprint()
    raw_images.setdefault(fingerprint, image)
    return (fingerprint,)


def is_image_value(value: Any) -> bool:
    """True for a value that a table holds an image by: a path, or what `datasets` stores."""
    return isinstance(value, Path) or (isinstance(value, Mapping) and {"bytes", "path"} <= value.keys())


def raw_image_from(value: Any, where: str) -> RawImage:
    """Make an image of a table's value; `where` names its row.

    Raises DataError where the row holds none.
    """
    if isinstance(value, Path):
        return RawImage(value, str(value))
    if isinstance(value, Mapping) and value.get("bytes"):
        name = value.get("path")
        return RawImage(value["bytes"], f"{where} ({name})" if name else where)
    if isinstance(value, Mapping) and value.get("path"):
        return RawImage(Path(value["path"]), f"{where} ({value['path']})")
    raise DataError(f"{where}: holds no image")


def _eight_bits(image: Image, where: str) -> Image:
    """Bring deeper greyscale to 8 bits: converting as Pillow does would cut it off at 255."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DataError(f"{where}: its pixels have 32 bits; convert it to 8 or 16 bits a channel")
    return image
