"""scikit-learn's handwritten digits, and which of them ``digits-vit`` is pretrained on."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from whichpeft.metrics.metric import Array

# The other half of the classes are the task `digits`: no image is met in both.
PRETRAINED_CLASSES = (0, 1, 2, 3, 4)
_DEEPEST = 16  # what scikit-learn's pixels count up to


def digit_images(classes: Collection[int]) -> tuple[Array, Array]:
    """Return images of these digits as uint8 of shape (n, 8, 8), and the digits of shape (n,).

    They are the 1,797 of Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, that
    come with scikit-learn.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    chosen = np.isin(found.target, list(classes))
    pixels = np.rint(found.images[chosen] * (255 / _DEEPEST)).astype(np.uint8)
    return pixels, found.target[chosen]
