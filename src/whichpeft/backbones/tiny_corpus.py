"""The text that ``tiny-llama`` is pretrained on: short made-up English texts with small numbers.

Things are counted, compared, added and taken away. Some texts are statements, more are questions with
answers: after ``Answer:`` always in words, after ``In figures:`` always in figures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

NAMES = ("Tom", "Mia", "Ben", "Anna", "Sam", "Lily", "Max", "Rosa", "Leo", "Eva", "Paul", "Nora")
THINGS = (
    "apples", "balls", "books", "birds", "boats", "cards", "coins", "cups", "dolls", "eggs",
    "flowers", "hats", "keys", "nuts", "pears", "pens", "shells", "stars", "stones", "toys",
)  # fmt: skip
PLACES = (
    "in the box", "on the table", "in the garden", "at school", "in the kitchen", "by the river",
    "in the park", "under the bed", "on the shelf", "in the basket", "at home", "in the shop",
)  # fmt: skip
COLOURS = ("red", "blue", "green", "white", "black", "yellow")
MOST = 10
"""The largest sum, and the largest number to subtract from."""
TEXTS, HELD_OUT, SEED = 16_000, 200, 0

_TOGETHER = (
    "{x} plus {y} is {z}.",
    "{x} and {y} make {z}.",
    "{a} has {x} {things}. {b} gives {a} {y} more. Now {a} has {z} {things}.",
    "{a} found {x} {things} {here} and {y} {there}. That makes {z} {things}.",
    "There are {x} {things} {here}. {a} brings {y} more. Then there are {z} {things} {here}.",
    "{a} has {x} {things} and {b} has {y} {things}. Together they have {z} {things}.",
    "{x} {colour} {things} and {y} {shade} {things} are {z} {things}.",
)
_AWAY = (
    "{z} minus {y} is {x}.",
    "{y} from {z} leaves {x}.",
    "{a} had {z} {things} and gave {y} to {b}. {a} has {x} {things} left.",
    "There were {z} {things} {here}. {a} took {y} of them away. Now {x} {things} are left {here}.",
    "{a} has {z} {things}. {y} of the {things} are lost. So {a} has {x} {things} left.",
    "{a} has {z} {things} and {b} has {y} {things}. {a} has {x} more {things} than {b}.",
)
_ADDED = (
    "What is {x} plus {y}?\n{sum}",
    "{a} has {x} {things}. {b} gives {a} {y} more. How many {things} does {a} have now?\n{sum}",
    "There are {x} {things} {here} and {y} {there}. How many {things} are there together?\n{sum}",
    "{a} found {x} {things} {here} and {y} {there}. How many {things} did {a} find?\n{sum}",
    "{x} {colour} {things} and {y} {shade} {things}: how many {things} are they?\n{sum}",
)
_TAKEN = (
    "What is {z} minus {y}?\n{rest}",
    "{a} had {z} {things} and gave {y} to {b}. How many {things} does {a} still have?\n{rest}",
    "There were {z} {things} {here}. {a} took {y} of them away. How many are still {here}?\n{rest}",
    "{a} has {z} {things}. {y} of the {things} are lost. How many are not lost?\n{rest}",
    "{a} has {z} {things} and {b} has {y}. How many {things} has {a} more than {b}?\n{rest}",
)
_PLAIN = (
    "{a} and {b} play {here} with the {colour} {things}.",
    "{a} looks for {colour} {things} {here}, but they are {there}.",
    "{b} wants to know how many {things} {a} has.",
    "{a} does not know the answer, so {a} counts the {things} again.",
    "{a} counts {z} {things} {here}: {count}.",
    "{z} is more than {y}, and {y} is less than {z}.",
    "After {x} comes {next}, and before {next} comes {x}.",
)
_KINDS, _WEIGHTS = (_TOGETHER, _AWAY, _ADDED, _TAKEN, _PLAIN), (2, 2, 3, 3, 1)
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def training_texts() -> list[str]:
    """Return the training texts in order, without those that are held out."""
    held_out = set(held_out_texts())
    return [text for text in _texts(random.Random(SEED), TEXTS) if text not in held_out]


def held_out_texts() -> tuple[str, ...]:
    """Return other texts of the same kind."""
    return tuple(_texts(random.Random(SEED + 1), HELD_OUT))


def numbers(drawn: random.Random) -> tuple[int, int, int]:
    """Draw two numbers of at least 1, and their sum, of at most `MOST`."""
    total = drawn.randint(2, MOST)
    first = drawn.randint(1, total - 1)
    return first, total - first, total


def _texts(drawn: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        # Most sentences add or subtract, which takes longest to learn.
        kinds = drawn.choices(_KINDS, _WEIGHTS, k=drawn.randint(2, 4))
        yield " ".join(_sentence(drawn, drawn.choice(kind)) for kind in kinds)


def _sentence(drawn: random.Random, template: str) -> str:
    x, y, z = numbers(drawn)
    a, b = drawn.sample(NAMES, 2)
    here, there = drawn.sample(PLACES, 2)
    colour, shade = drawn.sample(COLOURS, 2)
    return template.format(
        x=x, y=y, z=z, sum=_answer(drawn, z), rest=_answer(drawn, x), a=a, b=b,
        here=here, there=there, colour=colour, shade=shade,
        things=drawn.choice(THINGS), next=x + 1, count=", ".join(map(str, range(1, z + 1))),
    )  # fmt: skip


def _answer(drawn: random.Random, number: int) -> str:
    return drawn.choice(("Answer: {1}.", "Answer: {1}.", "In figures: {0}.")).format(
        number, _WORDS[number - 1]
    )
