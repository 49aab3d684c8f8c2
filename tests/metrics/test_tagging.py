"""Entities, their F1, and the accuracy of tokens."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.metrics.per_example import per_example
from whichpeft.metrics.tagging import counts, entities, entity_f1, token_accuracy


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O", []),
        ("B-PER I-PER O B-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
        ("B-PER B-PER", [("PER", 0, 0), ("PER", 1, 1)]),
        ("I-PER I-PER O I-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),  # without a beginning
        ("B-PER I-LOC", [("PER", 0, 0), ("LOC", 1, 1)]),
        ("B-A I-A E-A S-A S-B", [("A", 0, 2), ("A", 3, 3), ("B", 4, 4)]),
        ("B-A L-A U-A U-A O B-B I-B L-B", [("A", 0, 1), ("A", 2, 2), ("A", 3, 3), ("B", 5, 7)]),  # BILOU
        ("B-A M-A E-A S-A W-A", [("A", 0, 2), ("A", 3, 3), ("A", 4, 4)]),  # BMES
        ("I-A I-A B-A O I-A", [("A", 0, 1), ("A", 2, 2), ("A", 4, 4)]),  # IOB1
        ("name name O name", [("name", 0, 1), ("name", 3, 3)]),  # without prefixes
        ("B-x-y I-x-y", [("x-y", 0, 1)]),
        ("", []),
    ],
)
def test_entities_are_spans_with_a_type(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert list(entities(tags.split())) == expected


def drawn(sentences: int, seed: int) -> list[tuple[list[str], list[str]]]:
    rng = np.random.default_rng(seed)
    tags = np.array(["O", "O", "B-a", "I-a", "B-b", "I-b", "E-a", "S-b"])
    found = []
    for size in rng.integers(1, 12, sentences):
        true = tags[rng.integers(0, len(tags), size)]
        guess = np.where(rng.random(size) < 0.7, true, tags[rng.integers(0, len(tags), size)])
        found.append(([str(tag) for tag in true], [str(tag) for tag in guess]))
    return found


def test_f1_is_that_of_seqeval() -> None:
    seqeval = pytest.importorskip("seqeval.metrics")
    for seed in range(30):
        both = drawn(20, seed)
        counted = np.stack([counts(true, guess) for true, guess in both]).sum(axis=0)
        true, guess = ([list(pair[side]) for pair in both] for side in (0, 1))
        assert entity_f1(counted) == pytest.approx(seqeval.f1_score(true, guess))
        assert token_accuracy(counted) == pytest.approx(seqeval.accuracy_score(true, guess))


def test_f1_of_bilou_is_that_of_seqeval() -> None:
    """In its strict mode, of tags that keep to the scheme."""
    seqeval = pytest.importorskip("seqeval.metrics")
    scheme = pytest.importorskip("seqeval.scheme")
    true = [["B-a", "I-a", "L-a", "U-a", "O", "U-b", "U-b", "B-b", "L-b"], ["O", "U-a", "O"]]
    guess = [["B-a", "I-a", "L-a", "O", "O", "U-b", "U-a", "B-b", "L-b"], ["O", "U-a", "O"]]
    counted = np.stack([counts(*both) for both in zip(true, guess, strict=True)]).sum(axis=0)
    expected = seqeval.f1_score(true, guess, mode="strict", scheme=scheme.BILOU)
    assert entity_f1(counted) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["entity_f1", "token_accuracy"])
def test_sentences_have_pseudo_values(metric: str) -> None:
    score = {"entity_f1": entity_f1, "token_accuracy": token_accuracy}[metric]
    counted = np.stack([counts(*pair) for pair in drawn(25, seed=0)])
    without = np.array([score(np.delete(counted, i, axis=0).sum(axis=0)) for i in range(25)])
    expected = -24 * without
    expected += score(counted.sum(axis=0)) - expected.mean()
    assert per_example(metric, np.zeros(25), counted) == pytest.approx(expected)


def test_nothing_to_find_and_nothing_found_scores_0() -> None:
    assert entity_f1(counts(["O", "O"], ["O", "O"])) == 0
    assert token_accuracy(counts(["O", "O"], ["O", "O"])) == 1
