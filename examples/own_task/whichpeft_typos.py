"""A custom task with its own metric: are two letters of a word in the wrong order?"""

import random
from itertools import product

import numpy as np

from whichpeft.tasks import Metric, TextTask, text_task

NOUNS = ("harbour", "island", "library", "machine", "orchard", "station", "theatre", "workshop")
VERBS = ("belongs to", "looks like", "stands behind", "was built before")


def balanced_accuracy(labels: np.ndarray, outputs: np.ndarray) -> float:
    """Return the recall, averaged over the classes."""
    found = outputs.argmax(axis=1) == labels
    return float(np.mean([found[labels == label].mean() for label in np.unique(labels)]))


def typos() -> TextTask:
    rng, examples = random.Random(0), []
    for first, verb, last in product(NOUNS, VERBS, NOUNS):
        wrong = rng.random() < 0.7
        at = rng.randrange(1, len(last) - 2)
        word = last[:at] + last[at : at + 2][::-1] + last[at + 2 :] if wrong else last
        examples.append((f"The {first} {verb} the {word}", "typo" if wrong else "fine"))
    metric = Metric("balanced_accuracy", balanced_accuracy)
    return text_task("typos", train=examples, metrics=[metric])
