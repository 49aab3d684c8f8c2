"""BLEU and chrF from counts that add up over texts, so that the contribution of each text is known.

Counts and scores are those of sacrebleu (Post 2018, arXiv 1804.08771) with its default options. To
read records, only the counts are needed, not sacrebleu.
"""

from __future__ import annotations

import numpy as np

from whichpeft.metrics.metric import Array, Floats

RIGHT, PARSED, ROUGE_L = 0, 1, 2
"""Columns of a text: whether it is right, whether an answer was parsed, and its ROUGE-L."""
BLEU = slice(3, 13)
CHRF = slice(13, 31)
"""Columns of the counts of BLEU and of chrF."""
_ORDER, _CHARACTERS, _BETA = 4, 6, 2.0


def bleu(counts: Array) -> Floats:
    """Return BLEU as a fraction (Papineni et al. 2002).

    An order without a match is smoothed as in mteval (Chen and Cherry 2014).

    Parameters
    ----------
    counts
        Shape (..., 10): lengths of text and reference, matches and n-grams by order.
    """
    length, reference = counts[..., 0], counts[..., 1]
    matches, total = counts[..., 2 : 2 + _ORDER], counts[..., 2 + _ORDER :]
    # Orders after the first one without n-grams do not count.
    there = np.logical_and.accumulate(total > 0, axis=-1)
    missed = there & (matches == 0)
    smoothed = 1.0 / np.exp2(np.cumsum(missed, axis=-1))
    precision = np.where(missed, smoothed, matches) / np.where(there, total, 1)
    # An order without n-grams has no precision, which makes the geometric mean zero.
    known = np.asarray(there.all(axis=-1) & matches.any(axis=-1))
    logs = np.log(np.where(known[..., None], precision, 1.0)).mean(axis=-1)
    brevity = np.where(length > 0, np.minimum(0.0, 1 - reference / np.maximum(length, 1)), 0.0)
    found: Floats = np.where(known, np.exp(logs + brevity), 0.0)
    return found


def chrf(counts: Array) -> Floats:
    """Return chrF as a fraction (Popović 2015), with beta 2 and characters alone.

    Parameters
    ----------
    counts
        Shape (..., 18): n-grams of the text, of the reference and of both, by order.
    """
    by_order = counts.reshape(*counts.shape[:-1], _CHARACTERS, 3).astype(np.float64)
    text, reference, both = by_order[..., 0], by_order[..., 1], by_order[..., 2]
    there = (text > 0) & (reference > 0)
    orders = np.maximum(there.sum(axis=-1), 1)
    precision = np.where(there, both / np.maximum(text, 1), 0.0).sum(axis=-1) / orders
    recall = np.where(there, both / np.maximum(reference, 1), 0.0).sum(axis=-1) / orders
    weight = _BETA**2
    below = weight * precision + recall
    found: Floats = np.where(
        below > 0, (1 + weight) * precision * recall / np.where(below > 0, below, 1), 0.0
    )
    return found
