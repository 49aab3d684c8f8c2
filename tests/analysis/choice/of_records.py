"""Answers from synthetic records."""

from __future__ import annotations

import numpy as np

from whichpeft.analysis import comparisons
from whichpeft.analysis.choice.choice import choose
from whichpeft.analysis.choice.constraints import Constraints

from ... import builders

METHODS = ["full", "lora", "bitfit", "zero-shot"]


def answer_of(records, constraints=None, *, methods=METHODS, predictions=True, **study):
    known = builders.predictions(records) if predictions else None
    asked = builders.study(methods, **study)
    (comparison,) = comparisons(asked, records, predictions=known)
    return choose(comparison, constraints or Constraints(), rng=np.random.default_rng(0))


def by_name(answer):
    return {candidate.method: candidate for candidate in answer.candidates}
