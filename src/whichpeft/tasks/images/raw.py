"""Images before encoding: files, the bytes of files in a table, or pixels; and how to open them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.splits import Input

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True, slots=True, eq=False)
class RawImage:
    """One image."""

    content: Path | bytes | Array
    """A file, the bytes of a file, or uint8 pixels of shape (height, width[, 3])."""
    location: str
    """Where the image comes from, for messages."""

    @property
    def name(self) -> str:
        """The file with its folder, which is often the class, or the row; empty for pixels."""
        if isinstance(self.content, Path):
            return "/".join(self.content.parts[-2:])
        return self.location if isinstance(self.content, bytes) else ""

    def fingerprint(self) -> str:
        """Hash the file's bytes or the pixels, so that copies under other names are equal.

        Raises DataError if the file cannot be read.
        """
        if isinstance(self.content, np.ndarray):
            shape = "x".join(map(str, self.content.shape))
            return hashlib.sha256(f"{shape} ".encode() + self.content.tobytes()).hexdigest()
        return hashlib.sha256(self._bytes()).hexdigest()

    def open(self, *, grey: bool) -> Image:
        """Decode the image as 8-bit greyscale or RGB, upright; animations give their first frame.

        Raises DataError, which names the file, if it cannot be read as an image.
        """
        from PIL import Image, ImageOps, UnidentifiedImageError

        if isinstance(self.content, np.ndarray):
            return Image.fromarray(self.content).convert("L" if grey else "RGB")
        try:
            with Image.open(io.BytesIO(self._bytes())) as image:
                upright = _eight_bits(ImageOps.exif_transpose(image), self.location)
                return upright.convert("L" if grey else "RGB")
        except DataError:
            raise
        except Exception as error:  # decoders raise many types of errors for a broken image
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            if isinstance(error, UnidentifiedImageError):
                reason = "Pillow does not know its format"
            raise DataError(
                f"{self.location}: cannot be read as an image ({reason}); replace or remove it"
            ) from None

    def _bytes(self) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        assert isinstance(self.content, Path)
        try:
            return self.content.read_bytes()
        except OSError as error:
            raise DataError(f"{self.location}: cannot be read: {error.strerror or error}") from None


def register_image(image: RawImage, raw_images: dict[str, RawImage]) -> Input:
    """Store an image under its fingerprint; return the fingerprint as its example's input."""
    fingerprint = image.fingerprint()
    raw_images.setdefault(fingerprint, image)
    return (fingerprint,)


def is_image_value(value: object) -> bool:
    """Whether a table's value is an image: a path, an image, or the mapping that `datasets` stores."""
    if isinstance(value, Mapping):
        return {"bytes", "path"} <= value.keys()
    return isinstance(value, Path | RawImage)


def raw_image_from(value: object, location: str) -> RawImage:
    """Return the image in a table's value; `location` names its row in messages.

    Raises DataError if the value is not an image.
    """
    if isinstance(value, Path):
        return RawImage(value, str(value))
    if isinstance(value, RawImage):
        return value
    if isinstance(value, Mapping) and value.get("bytes"):
        name = value.get("path")
        return RawImage(value["bytes"], f"{location} ({name})" if name else location)
    if isinstance(value, Mapping) and value.get("path"):
        return RawImage(Path(value["path"]), f"{location} ({value['path']})")
    raise DataError(f"{location}: does not contain an image")


def _eight_bits(image: Image, location: str) -> Image:
    """Reduce deeper greyscale to 8 bits: Pillow's conversion would clip it at 255."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DataError(f"{location}: its pixels have 32 bits; convert it to 8 or 16 bits per channel")
    return image
