"""BLEU and chrF from counts that add up over texts, so that each text's part in a score is known.

The counts are sacrebleu's (Post 2018, arXiv 1804.08771), and so are the scores with its usual options;
whoever reads records needs no more than the counts.
"""

from __future__ import annotations

import numpy as np

from whichpeft.metrics.metric import Array, Floats

RIGHT, PARSED, ROUGE_L = 0, 1, 2
"""Columns of what is kept of a text: whether it is right, is anything at all, and its ROUGE-L."""
BLEU = slice(3, 13)
CHRF = slice(13, 31)
"""Columns of the counts."""
_ORDER, _CHARACTERS, _BETA = 4, 6, 2.0


def bleu(counts: Array) -> Floats:
    """Return BLEU as a fraction, of counts (..., 10): lengths of text and reference, matches, n-grams.

    Papineni et al. 2002; an order without a match is smoothed as in mteval (Chen and Cherry 2014).
    """
    length, reference = counts[..., 0], counts[..., 1]
    matches, total = counts[..., 2 : 2 + _ORDER], counts[..., 2 + _ORDER :]
    # Beyond the first order that has no n-grams nothing counts.
    there = np.logical_and.accumulate(total > 0, axis=-1)
    missed = there & (matches == 0)
    smoothed = 1.0 / np.exp2(np.cumsum(missed, axis=-1))
    precision = np.where(missed, smoothed, matches) / np.where(there, total, 1)
    # An order that is not there has no precision, and the geometric mean none but zero.
    known = np.asarray(there.all(axis=-1) & matches.any(axis=-1))
    logs = np.log(np.where(known[..., None], precision, 1.0)).mean(axis=-1)
    brevity = np.where(length > 0, np.minimum(0.0, 1 - reference / np.maximum(length, 1)), 0.0)
    found: Floats = np.where(known, np.exp(logs + brevity), 0.0)
    return found


def chrf(counts: Array) -> Floats:
    """Return chrF as a fraction, of counts (..., 18): of text, of reference and of both, by order.

    Popović 2015, with beta 2 and characters alone.
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
