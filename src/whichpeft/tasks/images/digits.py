"""The bundled image task: which digit from 5 to 9 does an image show?

The images come with scikit-learn. The other half of them, 0 to 4, is used to pretrain the backbone
``digits-vit``.
"""

from __future__ import annotations

from whichpeft.backbones.digit_images import PRETRAINED_CLASSES, digit_images
from whichpeft.tasks.from_examples import ImageExample, image_task
from whichpeft.tasks.images.raw import RawImage
from whichpeft.tasks.images.task import ImageTask
from whichpeft.tasks.protocol import SPLITS
from whichpeft.tasks.splits import content_hash

CLASSES = tuple(digit for digit in range(10) if digit not in PRETRAINED_CLASSES)
VALIDATION_SHARE, TEST_SHARE = 0.1, 0.3


def digits() -> ImageTask:
    """Load the task ``digits``: 896 images, split by a hash of their pixels."""
    splits: dict[str, list[ImageExample]] = {key: [] for key in SPLITS}
    for pixels, digit in zip(*digit_images(CLASSES), strict=True):
        share = content_hash((RawImage(pixels, "digits").fingerprint(),), "split") / 2**64
        splits[_side(share)].append((pixels, int(digit)))
    return image_task(
        "digits", train=splits["train"], validation=splits["validation"], test=splits["test"]
    )


def _side(share: float) -> str:
    if share < TEST_SHARE:
        return "test"
    return "validation" if share < TEST_SHARE + VALIDATION_SHARE else "train"
