"""The bundled task for language models: word problems that add or subtract.

They use the words and numbers of the texts that ``tiny-llama`` is pretrained on. Those texts ask
differently and answer in words ("seven") after ``Answer:``. Training on this task teaches what these
questions ask, and that the answer is written in figures.
"""

from __future__ import annotations

import random

from whichpeft.backbones.tiny_corpus import COLOURS, NAMES, PLACES, THINGS, held_out_texts, numbers
from whichpeft.tasks.generative.from_examples import generative_task
from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.generative.task import GenerativeTask

SIZES = {"train": 2000, "validation": 200, "test": 500}
SEED = 0

_TOGETHER = (
    "{a} has {x} {things} and gets {y} more. How many {things} does {a} have?",
    "{a} has {x} {things} and {b} has {y} {things}. How many {things} do they have together?",
    "There are {x} {things} {here}. {a} brings {y} {things}. How many {things} are there now?",
    "{a} found {x} {colour} {things} and {y} {shade} {things}. How many {things} is that?",
    "{x} {things} are {here} and {y} are {there}. How many {things} are there?",
)
_AWAY = (
    "{a} has {z} {things} and gives {y} to {b}. How many {things} are left?",
    "There were {z} {things} {here}. {a} took {y} away. How many {things} are left?",
    "{a} had {z} {things} and lost {y} of them {here}. How many {things} does {a} have left?",
    "{a} has {z} {things} and {b} has {y} {things}. How many more {things} does {a} have than {b}?",
    "{z} {things} were {here}. {y} of them are gone. How many {things} are left?",
)


def sums() -> GenerativeTask:
    """Build the task ``sums``. No question is in two splits."""
    drawn = random.Random(SEED)
    found: dict[str, Prompted] = {}
    while len(found) < sum(SIZES.values()):
        example = _problem(drawn)
        found.setdefault(example.prompt, example)
    examples = iter(found.values())
    splits = {split: [next(examples) for _ in range(size)] for split, size in SIZES.items()}
    return generative_task(
        "sums",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        metric="exact_match",
        held_out=held_out_texts(),
    )


def _problem(drawn: random.Random) -> Prompted:
    x, y, z = numbers(drawn)
    a, b = drawn.sample(NAMES, 2)
    here, there = drawn.sample(PLACES, 2)
    colour, shade = drawn.sample(COLOURS, 2)
    away = drawn.random() < 0.5
    question = drawn.choice(_AWAY if away else _TOGETHER).format(
        x=x, y=y, z=z, a=a, b=b, here=here, there=there, colour=colour, shade=shade,
        things=drawn.choice(THINGS),
    )  # fmt: skip
    return Prompted(prompt=f"{question}\nAnswer:", completion=str(x if away else z))
