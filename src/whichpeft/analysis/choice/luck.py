"""The score that a chosen finalist is likely to have with other seeds.

Who is best among several was partly lucky, so its mean score is too high: by half a point or more if
methods are equal and vary by a point between seeds. So the score is drawn towards the mean of the
methods that are not shown to differ from it, by the share of their spread that is error (James and
Stein 1961; with the variance of the true scores as estimated by DerSimonian and Laird 1986). Methods
that are shown to differ are left out, since a clear winner was not lucky.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.metrics.metric import Floats

_LEAST = 3  # of fewer methods, the spread says too little
_SHOWN = 0.90  # confidence of the interval that shows two methods to differ
_ONE_SD = (0.159, 0.841)


def likely_score(evidence: TrialEvidence, competing: Sequence[int], method: int) -> float:
    """Return the score that a method is likely to have with other seeds, a fraction.

    Parameters
    ----------
    evidence
        The scores at a look.
    competing
        Places of the methods that it was chosen among.
    method
        Place of the chosen method.
    """
    own = float(evidence.means[method])
    alike = [place for place in competing if not _differ(evidence, place, method)]
    if len(alike) < _LEAST or evidence.draws is None:
        return own
    gaps = np.zeros((len(alike), len(alike)))
    for row, column in combinations(range(len(alike)), 2):
        drawn = evidence.draws[:, alike[row]] - evidence.draws[:, alike[column]]
        low, high = np.quantile(drawn, _ONE_SD)
        gaps[row, column] = gaps[column, row] = ((high - low) / 2) ** 2
    errors = parts_of_gaps(gaps)
    means = evidence.means[alike]
    between = max(0.0, float(np.var(means, ddof=1)) - float(errors.mean()))
    total = between + float(errors[alike.index(method)])
    middle = float(means.mean())
    return middle + (own - middle) * (between / total if total else 1.0)


def _differ(evidence: TrialEvidence, one: int, other: int) -> bool:
    low, high = evidence.gap(one, other, _SHOWN)[1:]
    return low is not None and high is not None and not low <= 0 <= high


def parts_of_gaps(variances: Floats) -> Floats:
    """Return the variance of each method, from those of all gaps between them; none is negative.

    `variances` has the shape (methods, methods) with zeros in its diagonal.
    """
    methods = len(variances)
    total = variances.sum() / 2 / (methods - 1)
    if methods == 2:
        return np.full(2, total / 2)
    found: Floats = np.maximum((variances.sum(axis=1) - total) / (methods - 2), 0.0)
    return found
