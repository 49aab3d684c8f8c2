"""BLEU, chrF and ROUGE-L of free text, and the contribution of each text."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sacrebleu")

from whichpeft.metrics import text as text_scores
from whichpeft.metrics.per_example import per_example
from whichpeft.tasks.generative.free_text import rouge_l, text_counts
from whichpeft.tasks.generative.scoring import metrics_by

TEXTS = [
    "The cat sat on the mat.",
    "hello there",
    "nothing",
    "",
    "A quick brown fox jumps over the lazy dogs, twice.",
    "It costs 3.5 dollars, or so it seems to me!",
]
REFERENCES = [
    "The cat is on the mat.",
    "hello there general",
    "something else entirely here",
    "an answer",
    "The quick brown fox jumps over the lazy dog twice.",
    "It costs 3.5 dollars, or so they say.",
]
SUBSETS = ([0], [1], [2], [3], [2, 3], [0, 1], [4, 5], [0, 2, 4], [1, 3], range(6))


@pytest.mark.parametrize("chosen", SUBSETS, ids=str)
def test_scores_from_counts_match_sacrebleu(chosen: list[int]) -> None:
    from sacrebleu.metrics import BLEU, CHRF

    texts, references = [TEXTS[i] for i in chosen], [REFERENCES[i] for i in chosen]
    counts = text_counts(texts, references).sum(axis=0)
    bleu = BLEU().corpus_score(texts, [references]).score
    chrf = CHRF().corpus_score(texts, [references]).score
    assert 100 * text_scores.bleu(counts[text_scores.BLEU]) == pytest.approx(bleu, abs=1e-4)
    assert 100 * text_scores.chrf(counts[text_scores.CHRF]) == pytest.approx(chrf, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [  # computed with rouge-score 0.1.2
        ("the cat sat on the mat", "the cat is on the mat", 0.8333333333333334),
        ("hello there", "hello there general", 0.8),
        ("nothing", "something else entirely here", 0.0),
    ],
)
def test_rouge_l_matches_the_usual_implementation(text: str, reference: str, expected: float) -> None:
    assert rouge_l(text, reference) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["bleu", "chrf", "rouge_l"])
def test_the_mean_over_the_examples_is_the_score(metric: str) -> None:
    outputs = text_counts(TEXTS, REFERENCES)
    labels = np.zeros(len(TEXTS))
    values = per_example(metric, labels, outputs)
    _, metrics = metrics_by(metric)
    assert values is not None
    assert values.mean() == pytest.approx(metrics[0].compute(labels, outputs), abs=1e-6)
    assert values[4] > values[2]  # a good text raises it more than a bad one
