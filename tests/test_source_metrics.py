"""The package stays easy to find your way around in, and reads as plain English."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import source_metrics as figures

# What native readers stumble over, and what to write instead.
IDIOMS = {
    r"\b(?:held?|holds|holding) (?:\w+ ){0,3}against\b": "compare with",
    r"\bgo(?:es|ing)? on\b(?!\?)|\bgone on\b|\bwent on\b": "continue",
    r"\bfor want of\b": "because ... is missing",
    r"\bways? out\b": "fix",
    r"\b(?:it|they|which|that|this|model|one) ha(?:s|ve) not\b(?! been\b| yet\b| \w+ed\b)": (
        "does not have"
    ),
    r"\banew\b": "again",
    r"\bbesides\b": "also",
    r"\bno (?:clock|number) to trust\b": "unreliable",
    r"\b(?:tells|told) (?:of|how|what|that|apart)\b|\b(?:is|are) told\b": "report or distinguish",
    r"\b(?:seconds|bytes|steps|examples|trials|row|file|line|column|result|seeds) an? "
    r"(?:method|trial|seed|step|second|row|task|epoch|layer|token|example|member|worker|node)\b": "per",
    r"\blies (?:in|on|at|beside|under|there|within|outside|above|below)\b": "is",
    r"\bthe like\b": "the same",
    r"\bwhatever (?:broke|was|is|they)\b": "any",
    r"\bso many (?:of|examples|trials|steps|times|devices|epochs)\b": "that many, or the number",
    r"\bcame to (?:its|an) end\b|\bcomes to (?:its|an) end\b": "finish",
    r"\bwhat (?:nobody|no one) thought\b": "say what it is",
    r"\bthe house\b": "the project",
}
QUOTES_THEM = (Path(__file__), figures.ROOT / "tests" / "records" / "test_older_run.py")


def test_there_are_five_modules_at_the_top():
    assert figures.loose_modules() == ["__init__", "__main__", "api", "errors", "units"]


def test_fourteen_layers_and_no_circle():
    assert figures.layers() <= 14
    assert figures.circles() == []


@pytest.mark.parametrize(("folder", "most"), [("report", 15), ("analysis", 23), ("engine", 22)])
def test_no_folder_is_a_heap(folder: str, most: int):
    assert figures.flat_files(folder) <= most


def test_two_attributes_are_read_before_a_method_is_written():
    own = figures.class_variables("methods/method.py", "Method")
    assert own + figures.class_variables("methods/peft_method.py", "PeftMethod") <= 2


def test_types_say_what_is_meant():
    assert figures.any_per_thousand() < 11


def test_if_and_when_are_not_written_as_where():
    assert figures.where_per_thousand(figures.texts()) < 1.5


@pytest.mark.parametrize("idiom", IDIOMS)
def test_no_awkward_idiom(idiom: str):
    found = [
        f"{path.relative_to(figures.ROOT)}:{number}: {line.strip()}"
        for path in figures.texts()
        if path not in QUOTES_THEM
        for number, line in figures.prose(path)
        if re.search(idiom, line, flags=re.IGNORECASE)
    ]
    assert found == [], f"write: {IDIOMS[idiom]}"
