"""scikit-learn's images of handwritten digits, and the classes that ``digits-vit`` is pretrained on."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from whichpeft.metrics.metric import Array

# The other classes form the task `digits`, so the two share no image.
PRETRAINED_CLASSES = (0, 1, 2, 3, 4)
_DEEPEST = 16  # the largest value of scikit-learn's pixels


def digit_images(classes: Collection[int]) -> tuple[Array, Array]:
    """Return images of these digits as uint8 of shape (n, 8, 8), and the digits of shape (n,).

    All 1,797 images are from Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, and
    come with scikit-learn.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    chosen = np.isin(found.target, list(classes))
    pixels = np.rint(found.images[chosen] * (255 / _DEEPEST)).astype(np.uint8)
    return pixels, found.target[chosen]
