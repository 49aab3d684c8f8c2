"""Finals of races whose truth is known, decided by the functions that decide real ones."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.candidates import UNKNOWN, Candidate
from whichpeft.analysis.choice.choice import decide
from whichpeft.analysis.choice.constraints import COSTS, Constraints
from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.analysis.race.finals import may_be_proved, still_in
from whichpeft.analysis.race.finals_so_far import FinalsSoFar

_PATH = Path(__file__).parents[3] / "benchmarks" / "verdict_power.py"
_spec = importlib.util.spec_from_file_location("verdict_power", _PATH)
assert _spec is not None
assert _spec.loader is not None
verdict_power = importlib.util.module_from_spec(_spec)
sys.modules["verdict_power"] = verdict_power
_spec.loader.exec_module(verdict_power)
World = verdict_power.World

LOOKS = (3, 5, 8)
MARGIN = 0.02


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one race ended."""

    chosen: int
    """The chosen method."""

    proved: bool
    seeds: int
    """Seeds at the last look."""

    trials: int
    """Final trials of all methods."""

    shown: float
    """The chosen method's mean score."""

    level: float


def run_finals(
    scores: np.ndarray, costs: Sequence[float], *, looks: Sequence[int] = LOOKS, margin: float = MARGIN
) -> Ended:
    """Run the finals on scores of shape (methods, seeds, examples)."""
    candidates = tuple(
        Candidate(
            method=str(place), method_id=None, variant="tuned", trains=True, score=UNKNOWN,
            costs=dict.fromkeys(COSTS, cost), limited={}, place=place,
        )
        for place, cost in enumerate(costs)
    )  # fmt: skip
    methods = range(len(scores))
    counts = [0 for _ in methods]
    going = {str(place) for place in methods}
    for look, seeds in enumerate(looks):
        counts = [seeds if str(m) in going else counts[m] for m in methods]
        own = [scores[m][: counts[m]] for m in methods]
        evidence = TrialEvidence(own, [range(count) for count in counts], np.random.default_rng(0))
        so_far = FinalsSoFar(looks=tuple(looks[: look + 1]), planned=tuple(looks), seeds={})
        answer = decide(
            Answer(
                backbone="", tasks=("",), metric=None, constraints=Constraints(margin=margin),
                candidates=candidates, evidence=evidence, finals=so_far,
            )
        )  # fmt: skip
        going = still_in(answer)
        if answer.within_margin or len(going) < 2 or not may_be_proved(answer, looks[-1]):
            break
    assert answer.chosen is not None
    assert answer.chosen.place is not None
    return Ended(
        chosen=answer.chosen.place,
        proved=answer.within_margin,
        seeds=seeds,
        trials=sum(counts),
        shown=float(evidence.means[answer.chosen.place]),
        level=answer.level,
    )
