"""Tasks that are small enough to check a method in seconds."""

from __future__ import annotations

import numpy as np

from whichpeft.tasks import Task, image_task, text_task
from whichpeft.tasks.tagging.assemble import tagging_task

_POSITIVE = ("a warm and funny film", "gripping from start to finish", "the cast is a delight")
_NEGATIVE = ("a dull and endless mess", "nothing here works", "i wanted my money back at once")


def small_task() -> Task:
    """Return a task with two classes of short sentences, enough for a training step."""
    examples = [(text, "good") for text in _POSITIVE] + [(text, "bad") for text in _NEGATIVE]
    return text_task("small", train=examples, validation=examples, test=examples)


def small_tagging_task() -> Task:
    """Return a task with a tag for each word, of the same sentences."""
    examples = [(text.split(), ["B-it", *["O"] * text.count(" ")]) for text in (*_POSITIVE, *_NEGATIVE)]
    return tagging_task("small-tags", train=examples, validation=examples, test=examples)


def small_protein_task() -> Task:
    """Return a task with two classes of short proteins: fragments of antibodies, and of globins."""
    antibodies = ("EVQLVESGGGLVQPGGSLRLSCAAS", "QVQLQQSGAELARPGASVKMSCKAS", "QVTLKESGPVLVKPTETLTLTCTVS")
    globins = ("VLSPADKTNVKAAWGKVGAHAGEYG", "VHLTPEEKSAVTALWGKVNVDEVGG", "GLSDGEWQLVLNVWGKVEADIPGHG")
    examples = [(one, "antibody") for one in antibodies] + [(one, "globin") for one in globins]
    return text_task("small-proteins", train=examples, validation=examples, test=examples)


def small_image_task() -> Task:
    """Return a task with two classes of digits that `digits-vit` was not pretrained on."""
    from sklearn.datasets import load_digits

    found = load_digits(n_class=7)
    pixels = np.rint(found.images * 15.9).astype(np.uint8)
    examples = [
        (pixels[i], str(digit)) for digit in (5, 6) for i in np.flatnonzero(found.target == digit)[:3]
    ]
    return image_task("small-images", train=examples, validation=examples, test=examples)
