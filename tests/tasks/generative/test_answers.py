"""Answers are found in real texts, and in all spellings of numbers and choices."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from whichpeft.tasks.generative.answers import final_number, find_choice, is_number, same_number

Shared = Callable[[str], Path]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is -5.", -5),
        ("so x is \N{MINUS SIGN}5", -5),
        ("5-3", 3),
        ("16 - 3 - 4 = 9", 9),
        ("it loses -$5", -5),
        ("It costs $1,234.50.", 1234.5),
        ("#### 1,000", 1000),
        ("#### $1,200.00", 1200),
        ("The answer is .5", 0.5),
        ("The answer is 12.", 12),
        ("The answer is 50%.", 50),
        ("The answer is 3/4.", 0.75),
        ("The answer is 2 1/2 cups", 2.5),
        ("on 1/2/2024", 2024),
        ("nothing over 7/0", 0),
        ("The answer is \\boxed{7}", 7),
        ("The final answer is **18** apples, of 20", 18),
        ("Answer: 7. There were 9 before", 7),
        ("The answer is\n5", 5),
        ("The answer is 49 - 34 = 15 customers.", 15),
        ("The answer is 15. Check: 49 - 34 = 16", 15),
        ("#### 12\n\n#### 13", 12),
        ("The answer is 12.\n\n### Instruction:\nThe answer is 99", 12),
        ("The answer is 12.\nQ: What is 4 + 4?", 12),
        ("The answer is 3. No, the answer is 4.", 4),
        ("first 3 and then 4", 4),
        ("no idea", None),
        ("", None),
    ],
)
def test_the_final_number_of_a_text(text: str, number: float | None) -> None:
    assert final_number(text) == (None if number is None else pytest.approx(number))


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("the correct answer is answer2", "answer2"),
        ("Answer3", "answer3"),
        ("answer1 or answer2? The answer is answer2.", "answer2"),
        ("answer12", None),
        ("the answer is answer4\n\n### Instruction: answer1", None),
        ("none", None),
    ],
)
def test_the_choice_named_in_a_text(text: str, choice: str | None) -> None:
    assert find_choice(text, ("answer1", "answer2", "answer3")) == choice


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("A train leaves at 5. The answer is (D).", "D"),
        ("A train leaves at 5, so (B)", "B"),
        ("A", "A"),
        ("A) 12", "A"),
        ("The answer is A because", "A"),
        ("the answer is b", None),
    ],
)
def test_an_article_is_not_a_choice(text: str, letter: str | None) -> None:
    assert find_choice(text, tuple("ABCDE")) == letter


def test_only_plain_numbers_are_numbers() -> None:
    assert all(map(is_number, ("5", " -5.0 ", "1,000", "3/4", ".5")))
    assert not any(map(is_number, ("5 apples", "", "A", "1/2/2024")))


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_worked_answer_in_gsm8k_gives_its_number(shared: Shared, split: str) -> None:
    lines = (shared("gsm8k") / f"{split}.jsonl").read_text().splitlines()
    for line in lines:
        answer = json.loads(line)["answer"]
        number = final_number(answer)
        assert number is not None
        assert same_number(number, float(answer.rpartition("####")[2].replace(",", "")))


# The outputs come from a language model that was asked for worked answers. Some are wrong; the shares
# are the proportions of right ones.
@pytest.mark.parametrize(
    ("folder", "agreeing", "without"),
    [
        ("gsm8k", 0.58, 0),
        ("AddSub", 0.93, 0),
        ("MultiArith", 0.93, 0),
        ("SVAMP", 0.80, 0),
        ("SingleEq", 0.95, 0),
    ],
)
def test_real_worked_answers_give_a_number(
    shared: Shared, folder: str, agreeing: float, without: int
) -> None:
    rows = json.loads((shared("llm_adapters") / folder / "test.json").read_text())
    rows = [row for row in rows if row["output"].strip()]
    found = [(final_number(row["output"]), float(row["answer"])) for row in rows]
    assert sum(number is None for number, _ in found) == without
    right = sum(number is not None and same_number(number, answer) for number, answer in found)
    assert right / len(found) >= agreeing


def test_real_worked_answers_give_their_final_letter(shared: Shared) -> None:
    rows = json.loads((shared("llm_adapters") / "AQuA" / "test.json").read_text())
    read = [(find_choice(row["output"], tuple("ABCDE")), row["output"]) for row in rows]
    assert sum(letter is None for letter, _ in read) == 2  # they stop before any letter
    for letter, text in read:
        if letter is not None:
            assert letter == re.findall(r"\(([A-E])\)", text)[-1]
