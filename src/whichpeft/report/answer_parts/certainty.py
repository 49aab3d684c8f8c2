"""How sure a recommendation is: one word, and the sentence behind it."""

from __future__ import annotations

from typing import Literal

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.analysis.choice.what_if import open_names
from whichpeft.units import counted, join_words, points, show_chance

_LIKELY = 0.9

Certainty = Literal["proved", "likely", "best bet", "only choice", "unknown"]
"""How sure a recommendation is.

``proved`` at the stated error; ``likely`` with a probability of at least 90 %; ``best bet`` with less,
or if a method that could not be compared may be better; ``only choice`` if nothing else may be chosen;
``unknown`` if no probability can be estimated, for instance from one seed.
"""


def certainty_of(answer: Answer) -> Certainty | None:
    """Return how sure an answer is in one word; None if no method is recommended."""
    chosen = answer.chosen
    if chosen is None:
        return None
    if _one_seed(answer):
        return "unknown"
    if answer.still_open:
        return "best bet"
    if answer.basis == "only one":
        return "only choice"
    if answer.within_margin:
        return "proved"
    if chosen.probability is None:
        return "unknown"
    return "likely" if chosen.probability >= _LIKELY else "best bet"


def reason_of(answer: Answer) -> str | None:
    """Return the sentence behind the word. Its first word is never a name, so it can follow a colon."""
    chosen = answer.chosen
    if chosen is None:
        return None
    margin = f"{points(answer.constraints.margin):.1f} points"
    kind = "finalist" if answer.of_race else "method"
    fits = "fits your limits" if answer.constraints.limits else "can be chosen"
    if _one_seed(answer):
        return "One seed does not show how much scores vary; run at least 3."
    chance = None if chosen.probability is None else show_chance(chosen.probability)
    if answer.still_open:
        if len(answer.competing) > 1 and chance is not None:
            lead = f"A chance of {chance} to be within {margin} of the best {kind} compared, but"
            return f"{lead} {open_names(answer)} could not be compared and may be better."
        return f"Not everything could be compared: {open_names(answer)} may be better."
    if answer.basis == "only one":
        return f"No other {kind} {fits}."
    if answer.within_margin:
        return f"At most {margin} worse than {_others(answer, kind)}{_over(answer)}."
    if chance is None:
        return "It has the highest score; how certain that is cannot be estimated."
    return f"A chance of {chance} to be within {margin} of the best {_compared(answer, kind)}."


def told(certainty: Certainty, reason: str) -> str:
    """Join the word and its sentence: ``Proved: at most 2.0 points worse than ...``."""
    return f"{certainty.capitalize()}: {reason[0].lower()}{reason[1:]}"


def _one_seed(answer: Answer) -> bool:
    return answer.evidence is not None and answer.evidence.fewest_seeds < 2


def _others(answer: Answer, kind: str) -> str:
    """Name what a choice is proved against."""
    others = [f"any other {_compared(answer, kind)}"] if len(answer.allowed) > 1 else []
    if answer.of_race and not answer.constraints.limits and len(answer.allowed) > 1:
        others = [f"any other of {len(answer.allowed)} finalists"]
    others += [candidate.method for candidate in answer.competing if candidate.rival]
    return join_words(others)


def _compared(answer: Answer, kind: str) -> str:
    if answer.constraints.limits:
        return f"{kind} within your limits"
    return kind if answer.of_race else f"{kind} tried"


def _over(answer: Answer) -> str:
    """Say what a proof rests on: `` (3 seeds, 872 test examples)``."""
    evidence = answer.evidence
    if evidence is None:
        return ""
    seeds = counted(evidence.fewest_seeds, "seed")
    if not isinstance(evidence, TrialEvidence) or evidence.examples is None:
        return f" ({seeds})"
    return f" ({seeds}, {counted(evidence.examples, 'test example')})"
