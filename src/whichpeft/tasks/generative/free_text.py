"""Compares free text with references: counts per text, from which the scores are computed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics import text as text_scores
from whichpeft.metrics.metric import Array

_WORD = re.compile(r"[a-z0-9]+")


def check_sacrebleu() -> None:
    """Raise DataError if sacrebleu, which counts n-grams, is not installed."""
    try:
        import sacrebleu  # noqa: F401
    except ImportError:
        raise DataError(
            "metric: bleu, chrf and rouge_l require sacrebleu; install it with "
            "`pip install 'whichpeft[text]'`, or use exact_match"
        ) from None


def text_counts(texts: Sequence[str], references: Sequence[str]) -> Array:
    """Return the counts of each text, in the columns of `whichpeft.metrics.text`: shape (texts, 31)."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    found: Array = np.zeros((len(texts), text_scores.CHRF.stop), dtype=np.float32)
    for row, (text, reference) in enumerate(zip(texts, references, strict=True)):
        found[row, text_scores.RIGHT] = " ".join(text.split()) == " ".join(reference.split())
        found[row, text_scores.PARSED] = bool(text.strip())
        found[row, text_scores.ROUGE_L] = rouge_l(text, reference)
    # The statistics that sacrebleu sums itself; its public interface returns only the score.
    for metric, columns in ((BLEU(), text_scores.BLEU), (CHRF(), text_scores.CHRF)):
        found[:, columns] = metric._extract_corpus_statistics(list(texts), [list(references)])
    return found


def rouge_l(text: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of words (Lin 2004), without stemming.

    Words are runs of lower-case letters from a to z and digits, as in the usual implementation.
    """
    first, second = _WORD.findall(text.lower()), _WORD.findall(reference.lower())
    if not first or not second:
        return 0.0
    lengths = [0] * (len(second) + 1)
    for word in first:
        before = 0
        for place, other in enumerate(second, start=1):
            above = lengths[place]
            lengths[place] = before + 1 if word == other else max(above, lengths[place - 1])
            before = above
    return 2 * lengths[-1] / (len(first) + len(second))
