"""The answer to "which method?" in a few sentences, for readers who read nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.analysis.choice.answer import Answer, Basis
from whichpeft.analysis.choice.candidates import Candidate
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.what_if import caveat_nothing, changes, open_names
from whichpeft.analysis.statistics.intervals import Interval
from whichpeft.report.choices import none_beats_chance
from whichpeft.report.tables.notes import interval_over
from whichpeft.report.text import named, plain
from whichpeft.report.verdict_text import proves, undecided
from whichpeft.units import (
    counted,
    join_words,
    points,
    show_chance,
    show_percent,
    show_seconds,
)

if TYPE_CHECKING:
    from rich.console import Console

    from whichpeft.study import Study

_MOST_NAMED = 3
_LIKELY = 0.9


Certainty = Literal["proved", "likely", "best bet", "unknown"]
"""How sure a recommendation is.

``proved`` at the stated error; ``likely`` with a probability of at least 90 %; ``best bet`` with less;
``unknown`` if no probability can be estimated, for instance from one seed.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFigure:
    """One of the few numbers of an answer."""

    value: str
    """The number with its unit, ready to show: ``84.1 points``."""

    label: str
    """What it is: ``accuracy on test``, ``training time``."""

    detail: str = ""
    """What it compares with: ``95 % interval 82.0 to 86.1``, ``full: 91.1``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortAnswer:
    """The answer to "which method?" for one backbone, on one task or over several."""

    backbone: str
    """The backbone's name."""

    tasks: tuple[str, ...]
    """The tasks that the answer covers."""

    method: str | None
    """The recommended method as written by the user; None if none can be recommended."""

    basis: Basis | None
    """What the recommendation rests on."""

    advice: str
    """The recommendation with its score and its costs, or why there is none, in one sentence."""

    limit_cost: str | None = None
    """What the user's limits cost in score, in one sentence; None without limits or without a loss."""

    certainty: Certainty | None = None
    """How sure the recommendation is, in one word; None without a recommendation."""

    reason: str | None = None
    """The sentence behind `certainty`."""

    figures: tuple[KeyFigure, ...] = ()
    """The numbers that matter most: the score, then up to two costs."""

    cautions: tuple[str, ...] = ()
    """What makes the result less than it seems, one sentence each: training ended too early, say."""

    next_command: str | None = None
    """The command to run next, ready to paste; None if there is nothing to do."""

    remarks: tuple[str, ...] = ()
    """What is undecided and what would change the answer, one sentence each."""

    conditions: tuple[str, ...] = ()
    """What the answer holds for, one phrase each."""

    @property
    def text(self) -> str:
        """The recommendation, what the limits cost, and how certain it is, in one to three sentences."""
        return " ".join(part for part in (self.advice, self.limit_cost, self.reason) if part)

    @property
    def heading(self) -> str:
        """Return what the answer is about: ``minilm on sst2``."""
        if len(self.tasks) > _MOST_NAMED:
            return plain(f"{self.backbone} over {len(self.tasks)} tasks")
        return plain(f"{self.backbone} on {join_words(self.tasks)}")

    def __str__(self) -> str:
        return f"{self.heading}: {self.text}"


def short_answers(
    study: Study, comparisons: Sequence[Comparison], answers: Sequence[Answer]
) -> list[ShortAnswer]:
    """Put answers into words; the answers for single tasks come first, in the order of comparisons."""
    return [
        _short(study, answer, comparisons[i] if i < len(comparisons) else None)
        for i, answer in enumerate(answers)
    ]


def print_answers(found: Sequence[ShortAnswer], console: Console) -> None:
    """Print the answers, each followed by its remarks."""
    from rich.text import Text

    for answer in found:
        console.print()
        console.print(Text.assemble((f"{answer.heading}  ", "dim"), (answer.text, "bold")))
        for line in answer.remarks:
            console.print(Text(line, style="dim"))


def _short(study: Study, answer: Answer, comparison: Comparison | None) -> ShortAnswer:
    if answer.chosen is None:
        advice, reason = _nothing(answer, comparison), None
        remarks = changes(answer) if answer.basis == "at chance" else []
    else:
        advice = _advice(answer, comparison, study.baseline)
        doubt = caveat_nothing(answer)
        reason = " ".join([_certainty(answer), *([doubt] if doubt else [])])
        why_time = [] if answer.why_time is None else [answer.why_time]
        remarks = [*_by_another_cost(answer), *why_time, *_undecided(comparison), *changes(answer)]
    return ShortAnswer(
        backbone=answer.backbone,
        tasks=answer.tasks,
        method=None if answer.chosen is None else answer.chosen.method,
        basis=answer.basis,
        advice=plain(advice),
        certainty=certainty_of(answer),
        reason=None if reason is None else plain(reason),
        remarks=tuple(map(plain, remarks)),
        conditions=tuple(map(plain, conditions_of(study, answer, comparison))),
    )


def certainty_of(answer: Answer) -> Certainty | None:
    """Return how sure an answer is in one word; None if no method is recommended."""
    if answer.chosen is None:
        return None
    probability = answer.chosen.probability
    if answer.within_margin and not answer.still_open and answer.basis != "only one":
        return "proved"
    if probability is None:
        return "unknown"
    return "likely" if probability >= _LIKELY else "best bet"


def _nothing(answer: Answer, comparison: Comparison | None) -> str:
    """Explain why no method can be recommended; each reason appears once, with its methods."""
    if answer.basis == "at chance":
        return f"No method can be recommended: {none_beats_chance(answer)}"
    if comparison is None:
        return "No method can be recommended for all of these tasks yet."
    trained = [c for c in answer.candidates if c.trains] or list(answer.candidates)
    by_reason: dict[str, list[str]] = {}
    for candidate in trained:
        reason = "; ".join(candidate.excluded).rstrip(".")
        by_reason.setdefault(reason, []).append(candidate.method)
    reasons = [f"{join_words(names, most=_MOST_NAMED)}: {reason}" for reason, names in by_reason.items()]
    more = len(reasons) - _MOST_NAMED
    rest = [f"{counted(more, 'other reason')} in the table"] if more > 0 else []
    return ". ".join(["No method can be recommended yet", *reasons[:_MOST_NAMED], *rest]) + "."


def _advice(answer: Answer, comparison: Comparison | None, baseline: str) -> str:
    """Recommend a method, with its score relative to the baseline and its costs."""
    chosen = answer.chosen
    assert chosen is not None
    score = f"{points(chosen.score.mean or 0.0):.1f} points"
    if comparison is None:
        return f"Use {_name(chosen)}: {score} on average{_to_baseline(answer, baseline)}."
    result = next(
        result
        for result in comparison.answers
        if (result.method, result.variant) == (chosen.method, chosen.variant)
    )
    base = comparison.baseline_result
    if base is None:
        cost = _absolute(result)
        return (
            f"Use {named(result)}: {score}{f', {cost}' if cost else ''}. The baseline "
            f"{comparison.baseline} is not in the study, so the loss in score is unknown."
        )
    if base is result:
        margin = f"{points(answer.constraints.margin):.1f}"
        less = "fewer" if answer.constraints.by == "trainable" else "less"
        if len(answer.allowed) == 1:
            return f"Use {named(result)}: {score}."
        return (
            f"Use {named(result)}: {score}. No method with {less} {answer.constraints.cost.words} "
            f"is proved to be within {margin} points of the best."
        )
    if base.score_mean is None:
        return f"Use {named(result)}: {score}. The baseline {named(base)} has no score."
    costs = _relative(result, base)
    verb = {
        "equivalent": f"it is equivalent to {named(base)} {proves(result)} points",
        "better": f"it is better than {named(base)} by {_between(result.gap)}",
        "worse": f"it is worse than {named(base)} by {_between(result.gap)}",
    }.get(result.verdict or "", f"{score}, {_apart(result.gap, named(base))}")
    return f"Use {named(result)}: {verb}{f', {costs}' if costs else ''}."


def _name(candidate: Candidate) -> str:
    return (
        candidate.method
        if candidate.variant == "default"
        else f"{candidate.method} ({candidate.variant})"
    )


def _between(gap: Interval) -> str:
    """Format the size of a gap and its interval without a sign: ``5.2 points (3.1 to 7.3)``."""
    mean, low, high = (None if value is None else points(value) for value in gap)
    if mean is None:
        return "an unknown number of points"
    sign = 1 if mean >= 0 else -1
    if low is None or high is None:
        return f"{abs(mean):.1f} points"
    ends = sorted((sign * low, sign * high))
    return f"{abs(mean):.1f} points ({ends[0]:.1f} to {ends[1]:.1f})"


def _apart(gap: Interval, base: str) -> str:
    """Describe a gap to the baseline that is undecided."""
    if gap.mean is None:
        return f"not compared with {base}"
    more = "more" if gap.mean >= 0 else "less"
    text = f"{abs(points(gap.mean)):.1f} {more} than {base}"
    if gap.low is None or gap.high is None:
        return text
    return f"{text} ({points(gap.low):+.1f} to {points(gap.high):+.1f}, undecided)"


def _to_baseline(answer: Answer, baseline: str) -> str:
    """Compare the chosen method with the baseline over several tasks."""
    base = next((c for c in answer.candidates if c.method == baseline), None)
    if base is None or base is answer.chosen or base.gap.mean is None:
        return ""
    low, high = base.gap.low, base.gap.high
    turned = Interval(-base.gap.mean, None if high is None else -high, None if low is None else -low)
    more = "more" if turned.mean is not None and turned.mean >= 0 else "less"
    text = f", {abs(points(base.gap.mean)):.1f} {more} than {_name(base)}"
    if turned.low is None or turned.high is None:
        return text
    return f"{text} ({points(turned.low):+.1f} to {points(turned.high):+.1f})"


def _relative(result: MethodResult, base: MethodResult) -> str:
    """Format costs as shares of the baseline's: ``with 0.5 % of its trained parameters and ...``."""
    parts = []
    if result.trainable_parameters is not None and base.trainable_parameters:
        share = 100 * result.trainable_parameters / base.trainable_parameters
        parts.append(f"{show_percent(share)} of its trained parameters")
    for reduction, words in (
        (result.train_seconds_reduction, "training time"),
        (result.memory_reduction, "memory"),
    ):
        if reduction is not None:
            parts.append(f"{100 * (1 - reduction):.0f} % of its {words}")
    return f"with {join_words(parts)}" if parts else ""


def _absolute(result: MethodResult) -> str:
    parts = []
    if result.trainable_percent is not None:
        parts.append(f"{show_percent(result.trainable_percent)} of the parameters trained")
    if result.train_seconds is not None:
        parts.append(f"{show_seconds(result.train_seconds)} of training")
    return join_words(parts)


def _certainty(answer: Answer) -> str:
    """State how certain the recommendation is."""
    chosen = answer.chosen
    assert chosen is not None
    margin = f"{points(answer.constraints.margin):.1f} points"
    if answer.still_open:
        lead = (
            f"Based on the methods that are complete and comparable; {open_names(answer)} may change it"
        )
    elif answer.basis == "only one":
        return "It is the only method that can be chosen."
    elif answer.evidence is not None and answer.evidence.fewest_seeds < 2:
        return "A best bet from one seed, which proves nothing: run at least 3 seeds."
    elif chosen.probability is None and not answer.within_margin:
        return "A best bet: the highest score. How certain that is cannot be estimated."
    elif answer.within_margin:
        lead = f"Proved: at most {margin} worse than any other method tried"
    else:
        lead = "A best bet, not proved"
    if chosen.probability is None or len(answer.competing) == 1:
        return f"{lead}."
    return f"{lead}; {show_chance(chosen.probability)} likely within {margin} of the best."


def _by_another_cost(answer: Answer) -> list[str]:
    if answer.constraints.by == Constraints().by:
        return []
    words = Constraints().cost.words
    return [f"The {words} was not measured, so {answer.constraints.cost.words} are the cost compared."]


def _undecided(comparison: Comparison | None) -> list[str]:
    """Name the methods that are undecided against the baseline, with what would decide."""
    if comparison is None:
        return []
    shown = {named(result) for result in comparison.answers}
    found = [(method, needed) for method, needed in undecided(comparison) if method in shown]
    if not found:
        return []
    lead = f"Not yet distinguishable from {comparison.baseline}: "
    if len({needed for _, needed in found}) == 1:
        names = join_words((method for method, _ in found), most=_MOST_NAMED)
        return [f"{lead}{names}: {found[0][1]}."]
    each = join_words((f"{method} ({needed})" for method, needed in found), most=_MOST_NAMED)
    return [f"{lead}{each}."]


def conditions_of(
    study: Study, answer: Answer | None, comparison: Comparison | None, *, tuning: str | None = None
) -> list[str]:
    """List what an answer holds for: metric, intervals, budget, and how methods were tuned."""
    budget = study.budget
    parts = [plain((answer and answer.metric) or "no score yet")]
    if comparison is not None:
        if comparison.chance is not None:
            parts[0] += f", chance {points(comparison.chance):.1f}"
        if any(result.seeds for result in comparison.results):
            parts.append(interval_over(comparison))
        count = comparison.examples.get("train")
        if count is not None:
            parts.append(counted(count, "training example"))
    parts.append(counted(budget.epochs, "epoch"))
    if tuning is not None:
        parts.append(tuning)
    elif budget.tuning_trials:
        parts.append(f"every method tuned with {budget.tuning_trials} trials")
    else:
        parts.append("default hyperparameters, no tuning")
    return parts
