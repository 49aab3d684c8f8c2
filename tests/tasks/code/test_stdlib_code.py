"""The tasks made from the functions of the standard library."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from whichpeft.backbones import resolve_backbone
from whichpeft.errors import DataError
from whichpeft.tasks.code import functions as code
from whichpeft.tasks.code.doc_match import OTHER, OWN, stdlib_doc_match
from whichpeft.tasks.code.search import stdlib_search
from whichpeft.tasks.code.summary import stdlib_summary
from whichpeft.tasks.retrieval.match import MatchTask
from whichpeft.testing import TaskContract

SOURCE = '''
class A:
    @property
    def total_of(self, numbers):
        """Return the total of some numbers, as total_of says.

        This is not in the first sentence.
        """
        # total_of also has a comment.
        total = 0

        for number in numbers:
            total  +=  number
        return self.total_of(total)

    def stub(self, numbers, and_others_too):
        """Do what a subclass does with numbers."""
        # This is long enough to be kept.
        raise NotImplementedError


def undocumented(numbers):
    return sum(number * number for number in numbers if number is not None and number > 0)
'''


@pytest.fixture(scope="module")
def found() -> dict[str, list[code.Function]]:
    return code.functions_by_split("a test")


@pytest.fixture(scope="module")
def match() -> MatchTask:
    return stdlib_doc_match()


def test_a_function_without_its_docstring_and_its_name(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    (one,) = code.functions_of(path, tmp_path)
    assert one.file == Path("module.py")
    assert one.summary == "Return the total of some numbers, as function says."
    assert one.code == (
        "@property\ndef function(self, numbers):\n    # function also has a comment.\n    total = 0\n\n"
        "    for number in numbers:\n        total  +=  number\n    return self.function(total)"
    )


def test_a_library_without_sources_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "library_folder", lambda: tmp_path)
    with pytest.raises(DataError, match=r"^stdlib-search: .* has no documented functions.*--task"):
        stdlib_search()


def test_functions_are_code_without_docstrings(found: dict[str, list[code.Function]]) -> None:
    for split in found.values():
        for one in split:
            (tree,) = ast.parse(one.code).body
            assert isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef))
            assert tree.name == code.HIDDEN
            assert ast.get_docstring(tree) is None
            assert code.FEWEST_CHARACTERS <= len(one.code) <= code.MOST_CHARACTERS


def test_splits_are_large_enough_and_share_no_module(found: dict[str, list[code.Function]]) -> None:
    counts = {split: len(own) for split, own in found.items()}
    assert counts["train"] >= 300  # in any Python
    assert counts["validation"] >= 100
    assert counts["test"] >= 300
    modules = [{one.file.parts[0].removesuffix(".py") for one in own} for own in found.values()]
    assert not modules[0] & modules[1] | modules[0] & modules[2] | modules[1] & modules[2]
    every = [one for own in found.values() for one in own]
    assert len({one.summary.casefold() for one in every}) == len({one.code for one in every})
    assert len({one.code for one in every}) == len(every)


def test_no_text_alone_tells_if_a_docstring_matches(match: MatchTask) -> None:
    for split, own in match.splits.items():
        times = 2 if split == "train" else 1
        for side in (0, 1):
            counts = Counter(pair[side] for pair in own.inputs)
            assert set(counts.values()) == {times}
        if split == "train":
            assert match.class_rows["train"][OWN] == match.class_rows["train"][OTHER]
        else:
            assert 0.4 < np.mean(own.labels) < 0.6


def test_common_words_tell_something_but_not_all(match: MatchTask) -> None:
    """The share of a docstring's words that occur in the code: what a model has to do better than."""
    test = match.splits["test"]

    def share(summary: str, source: str) -> float:
        words = {word.strip(".,").casefold() for word in summary.split()}
        return sum(word in source.casefold() for word in words) / len(words)

    scores = [share(*pair) for pair in test.inputs]
    assert 0.55 < roc_auc_score(test.labels, scores) < 0.8


def test_doc_match_keeps_the_contract(match: MatchTask, tiny_backbone: Path) -> None:
    TaskContract(load=lambda: match, backbone=resolve_backbone(str(tiny_backbone))).check()
    assert match.fingerprint == stdlib_doc_match().fingerprint
    assert match.metrics[0].name == "auroc"
    assert match.chance == 0.5


def test_search_has_a_query_per_function(found: dict[str, list[code.Function]]) -> None:
    task = stdlib_search()
    assert task.counts["test"] >= 300
    assert {*task.splits["test"]} <= {(one.summary, one.code) for one in found["test"]}
    assert task.chance < 0.05


def test_summaries_follow_the_code(found: dict[str, list[code.Function]]) -> None:
    task = stdlib_summary()
    one = task.splits["test"][0]
    known = {own.summary: own.code for own in found["test"]}
    assert one.prompt == f"{known[one.completion]}\n\nThis function does:\n"
    assert task.metrics[0].name == "rouge_l"
