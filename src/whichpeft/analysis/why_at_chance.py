"""What was probably wrong if a method is not shown to beat chance.

Learning curves show most of it: a loss that rose, that was still falling at the end, that did not
move, or that fell although new examples are not answered better. A search shows whether other
learning rates did better. These are rules of thumb for people, and decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from whichpeft.analysis.chance import lead_over_chance, seeds_at_chance
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.learning_curves import LOSS, Step, learning_curve
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.search import Search
from whichpeft.analysis.sensitivity import RATE
from whichpeft.analysis.verdicts import by_seed
from whichpeft.errors import RecordError
from whichpeft.metrics.per_example import OF_CLASSES
from whichpeft.units import counted, join_words, plural, points

Kind = Literal[
    "too few steps",
    "too high a learning rate",
    "too low a learning rate",
    "too few training examples",
    "too few test examples or seeds",
    "training that fails on some seeds",
    "too few steps, or labels that do not follow from the inputs",
]

_FIXES: dict[Kind, str] = {
    "too few steps": "train for more epochs or on more examples (--epochs, --max-train)",
    "too high a learning rate": "give a lower learning rate, or search for one (--tuning-trials 8)",
    "too low a learning rate": "give a higher learning rate, or search for one (--tuning-trials 8)",
    "too few training examples": "train on more examples (--max-train)",
    "too few test examples or seeds": "test on more examples, or run more seeds (--seeds)",
    "training that fails on some seeds": (
        "give a lower learning rate, or search for one (--tuning-trials 8), and run more seeds"
    ),
    "too few steps, or labels that do not follow from the inputs": (
        "train for more epochs (--epochs), and look whether a person could tell the labels from the "
        "inputs"
    ),
}

_IN_A_RACE = {
    "search for one (--tuning-trials 8)": "try more candidates (--candidates 8)",
    "run more seeds (--seeds)": "give more time (--within)",
    "run more seeds": "give more time (--within)",
    "train for more epochs or on more examples (--epochs, --max-train)": (
        "give more time (--within) or more epochs (--epochs)"
    ),
}
"""What a race has instead of some options of a study, the longest phrases first."""

_FEW_STEPS = 30
_ROSE = 1.2  # a loss this many times its start, or that of a guess, rose
_MOVED = 0.015  # share of the start; a loss that changed by less did not move
_FALLING = 0.01  # share of the start by which a loss fell between the last two quarters
_LEARNED = 0.8  # a loss below this share of a constant prediction's was learned from the inputs
_SKEWED = 0.95  # share of the loss of equal probabilities; below it, classes differ in frequency
_SPREAD = 0.02  # validation scores of a search that differ by less are alike
_FAR = 0.1  # a seed this far above chance has learned
_COLLAPSED = 0.25  # share of the largest lead of a seed; below it, another seed failed
_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """What was probably wrong with some methods."""

    kind: Kind
    """The cause, as it follows "probably"."""

    methods: tuple[str, ...]
    """The methods that it concerns, as written in the study."""

    because: str
    """What shows it for the first of them, with ``{its}`` for that method's."""

    @property
    def names(self) -> str:
        """Return the methods as in a sentence."""
        return join_words(self.methods, most=_MOST_NAMED)

    @property
    def fix(self) -> str:
        """Return what to do about it, in a phrase."""
        return _FIXES[self.kind]

    @property
    def shown(self) -> str:
        """Return what shows it, in a phrase."""
        return self.because.format(its="its" if len(self.methods) == 1 else "the first's")

    def __str__(self) -> str:
        return f"{self.kind} ({self.names}: {self.shown})"


def probable_causes(comparison: Comparison, results: Sequence[MethodResult]) -> list[Cause]:
    """Return what was probably wrong with methods that are not shown to beat chance.

    Methods with the same cause are together. A method of which too little is known is left out.
    """
    found: dict[Kind, list[tuple[str, str]]] = {}
    for result in results:
        cause = _cause(comparison, result)
        if cause is not None:
            kind, because = cause
            found.setdefault(kind, []).append((result.method, because))
    return [
        Cause(kind=kind, methods=tuple(method for method, _ in own), because=own[0][1])
        for kind, own in found.items()
    ]


def in_words(causes: Sequence[Cause]) -> str:
    """Return causes as one sentence."""
    if not causes:
        return "The records do not tell why: they have no learning curves."
    return f"Probably {join_words(map(str, causes))}."


def fixes(causes: Sequence[Cause], *, of_race: bool = False) -> list[str]:
    """Return what to do about causes, as phrases; they name the methods if there are several causes."""
    found = [cause.fix for cause in causes]
    if len(causes) > 1:
        found = [f"for {cause.names}, {cause.fix}" for cause in causes]
    for option, instead in _IN_A_RACE.items() if of_race else ():
        found = [text.replace(option, instead) for text in found]
    return found


def _cause(comparison: Comparison, result: MethodResult) -> tuple[Kind, str] | None:
    """Return the probable cause for one method, and what shows it; None if too little is known."""
    if result.status == "failed":
        diverged = "not finite" in (result.error or "")
        return ("too high a learning rate", "{its} loss was no longer finite") if diverged else None
    losses = _losses(comparison, result)
    failing = _failing_seeds(comparison, result)
    # After very few steps some seeds happen to be ahead.
    if failing and not (losses and losses[-1].step < _FEW_STEPS):
        seeds = f"{plural('seed', len(failing))} {join_words(map(str, failing))}"
        return "training that fails on some seeds", f"{{its}} score is at chance on {seeds}"
    lead = lead_over_chance(result, comparison).mean or 0.0
    constant, equal = _of_guesses(comparison, result)
    found = None
    if losses:
        found = _from_losses(losses, constant, equal)
        if found is None or found[0] in _OF_RATE:
            found = _from_search(comparison.searches.get(result.method)) or found
    if (found is None or found[0] in _OF_DATA) and lead > 0:
        above = f"{{its}} lead over chance, {points(lead):.1f} points, is within its error"
        return "too few test examples or seeds", above
    return found


_OF_RATE: tuple[Kind, ...] = (
    "too low a learning rate",
    "too few steps, or labels that do not follow from the inputs",
)
_OF_DATA: tuple[Kind, ...] = (
    "too few training examples",
    "too few steps, or labels that do not follow from the inputs",
)


def _from_losses(
    losses: Sequence[Step], constant: float | None, equal: float | None
) -> tuple[Kind, str] | None:
    """Return what a training loss tells.

    Parameters
    ----------
    losses
        The training loss by step; the first value is a mean over the first few steps.
    constant
        Loss of the best constant prediction; None if unknown.
    equal
        Loss of equal probabilities for all classes; None if unknown.
    """
    values = [step.mean for step in losses]
    start, steps = values[0], counted(losses[-1].step, "step")
    quarter = max(1, len(values) // 4)
    end = float(np.mean(values[-quarter:]))
    before = float(np.mean(values[-2 * quarter : -quarter] or values[:1]))
    if equal is not None and max(values) > _ROSE * equal:
        shown = f"{{its}} training loss rose to {max(values):.2f}; guessing gives {equal:.2f}"
        return "too high a learning rate", shown
    if start <= 0:
        return None
    if max(values) > _ROSE * start:
        shown = f"{{its}} training loss rose from {start:.2f} to {max(values):.2f}"
        return "too high a learning rate", shown
    if end < _LEARNED * (start if constant is None else constant):
        shown = f"{{its}} training loss fell from {start:.2f} to {end:.2f}, but not on new examples"
        return "too few training examples", shown
    if losses[-1].step < _FEW_STEPS:
        return "too few steps", f"{{its}} training took only {steps}"
    noise = float(np.std(np.diff(values))) / math.sqrt(quarter) if len(values) > 4 else 0.0
    if before - end > max(_FALLING * start, noise):
        shown = f"after {steps} {{its}} training loss was still falling, from {start:.2f} to {end:.2f}"
        return "too few steps", shown
    skewed = constant is not None and equal is not None and constant < _SKEWED * equal
    if skewed and constant is not None and end < (constant + (equal or 0.0)) / 2:
        shown = f"{{its}} training loss, {end:.2f}, stayed at that of a constant prediction"
        return "too few steps, or labels that do not follow from the inputs", shown
    if abs(end - start) <= _MOVED * start:
        return "too low a learning rate", f"{{its}} training loss did not move from {start:.2f}"
    shown = f"{{its}} training loss hardly fell, from {start:.2f} to {end:.2f}"
    return "too few steps, or labels that do not follow from the inputs", shown


def _from_search(search: Search | None) -> tuple[Kind, str] | None:
    """Return what a search tells about the learning rate; None if it tells nothing."""
    trials = () if search is None else search.trials
    tried = [
        (rate, trial.score)
        for trial in trials
        if trial.score is not None and isinstance(rate := trial.values.get(RATE), (int, float))
    ]
    if len({rate for rate, _ in tried}) < 3:
        return None
    tried.sort()
    scores = [score for _, score in tried]
    if max(scores) - min(scores) <= _SPREAD:
        shown = (
            f"no learning rate from {tried[0][0]:.1e} to {tried[-1][0]:.1e} did better in {{its}} search"
        )
        return "too few steps, or labels that do not follow from the inputs", shown
    best = scores.index(max(scores))
    if best == len(tried) - 1:
        highest = f"the best rate of {{its}} search, {tried[-1][0]:.1e}, is the highest that was tried"
        return "too low a learning rate", highest
    if best == 0:
        lowest = f"the best rate of {{its}} search, {tried[0][0]:.1e}, is the lowest that was tried"
        return "too high a learning rate", lowest
    return None


def _failing_seeds(comparison: Comparison, result: MethodResult) -> list[int]:
    """Return the seeds that are at chance if another seed is far above it."""
    at_chance = seeds_at_chance(result, comparison)
    if comparison.chance is None or not 0 < len(at_chance) < len(result.seeds):
        return []
    leads = {seed: score - comparison.chance for seed, score in by_seed(result.records).items()}
    largest = max(leads.values())
    if largest < _FAR:  # on few test examples seeds differ by less without any having failed
        return []
    return at_chance if all(leads[seed] < _COLLAPSED * largest for seed in at_chance) else []


def _losses(comparison: Comparison, result: MethodResult) -> list[Step]:
    if comparison.curves is None:
        return []
    try:
        return learning_curve(result.records.completed, comparison.curves, LOSS)
    except RecordError:  # a damaged curve explains nothing
        return []


def _of_guesses(comparison: Comparison, result: MethodResult) -> tuple[float | None, float | None]:
    """Return the cross-entropy of the best constant prediction, and that of equal probabilities.

    Both are None unless the metric is of classes and predictions were kept.
    """
    metric = (comparison.metric or "").partition(":")[0]
    for record in result.records.completed if metric in OF_CLASSES else []:
        arrays = comparison.scores.arrays(record)
        if arrays is None or "groups" in arrays or not {"labels", "outputs"} <= set(arrays):
            continue
        labels, outputs = arrays["labels"], arrays["outputs"]
        if outputs.ndim == 2 and outputs.shape[1] > 1 and np.issubdtype(labels.dtype, np.integer):
            counts = np.unique(labels, return_counts=True)[1]
            shares = counts / counts.sum()
            return float(-np.sum(shares * np.log(shares))), math.log(outputs.shape[1])
    return None, None
