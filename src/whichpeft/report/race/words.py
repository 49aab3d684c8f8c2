"""What a race found, in sentences: the method to use, how sure that is, and what was never tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from whichpeft.analysis.choice.answer import Answer
from whichpeft.records import Arm
from whichpeft.report.answer_parts.advice import advice
from whichpeft.report.race.course import Course, share_in_words
from whichpeft.report.race.leaving import leaving
from whichpeft.report.race.spending import EXHAUSTIVE_SEEDS, exhaustive, spending
from whichpeft.report.text import plain
from whichpeft.units import counted, join_words, points, show_seconds


def race_advice(course: Course, answer: Answer | None) -> str:
    """Return the method to use with its score and its costs, or why there is none."""
    if answer is None or not answer.candidates:
        return plain(_untested(course))
    chosen = answer.chosen
    arm = None if chosen is None else course.finalists.get(chosen.method)
    return plain(advice(answer, values="" if arm is None else f" ({arm_values(course, arm)})"))


def screening(course: Course) -> list[str]:
    """Return sentences about the methods that were not tested: when they left, and what is unknown."""
    racing = [entrant.method for entrant in course.racing]
    if not racing:
        return []
    found = [f"{counted(len(racing), 'method')} raced: {join_words(_tally(course, racing))}"]
    short = [m for m in racing if course.reached(m) < course.last_step and m not in course.finalists]
    if short and course.race.ended is not None:
        be = "was" if len(short) == 1 else "were"
        found.append(f"{counted(len(short), 'method')} {be} never trained to the end")
    out = {e.method: e.out for e in course.race.entrants if not e.arms and e.out is not None}
    kinds = list(out.values())
    if len(out) == 1:
        found.append(f"{next(iter(out))} did not race: it {_kind(kinds[0], 1)}")
    elif out:
        parts = [
            f"{kinds.count(kind)} {_kind(kind, kinds.count(kind))}" for kind in dict.fromkeys(kinds)
        ]
        found.append(f"{counted(len(out), 'other method')} did not race: {join_words(parts)}")
    return [f"{plain(sentence)}." for sentence in found]


def _tally(course: Course, racing: Sequence[str]) -> Iterator[str]:
    """Count the methods of a race by what became of them, those that left first before others."""
    left = {method: leaving(course, method) for method in racing if method not in course.finalists}
    kinds: dict[tuple[float, str], int] = {}
    for one in left.values():
        place = (2.0, "still race") if one is None else (one.at or 0.0, one.why)
        if one is not None and one.why == "not finished":
            place = 1.5, one.why
        if one is not None and one.why == "dropped" and one.at is not None:
            place = one.at, f"left after {share_in_words(one.at)}"
        kinds[place] = kinds.get(place, 0) + 1
    words = {"no finalist": "left at the end", "not finished": "did not finish"}
    for (_, why), count in sorted(kinds.items()):
        phrase = "still races" if why == "still race" and count == 1 else words.get(why, why)
        yield f"{count} {phrase}"
    tested = len(course.finalists)
    if tested:
        yield f"{tested} {'was' if tested == 1 else 'were'} tested"


def economy(course: Course) -> str | None:
    """Compare what the race took with an exhaustive study; None as long as that is unknown."""
    units = sum(spent.units for spent in spending(course))
    whole = exhaustive(course)
    if not units:
        return None
    took = f"as many training examples as {_number(units)} whole trainings"
    if course.race.ended is None:
        return f"The race has taken {took} so far."
    times = whole.units / units
    compared = f"{times:.1f} times fewer" if times >= 1.05 else "no more"
    most = max(len(entrant.arms) for entrant in course.racing)
    all_of = "methods" if most == 1 else f"candidates (up to {most} a method)"
    clock = f"{show_seconds(course.race.seconds)} and " if course.race.seconds else ""
    return (
        f"The race took {clock}{took}. To train all {all_of} to the end and to test all methods on "
        f"{EXHAUSTIVE_SEEDS} seeds takes {whole.units}, so the race took {compared}."
    )


def values_of(course: Course, arm: Arm) -> Mapping[str, object]:
    """Return the hyperparameters in which an arm differs from its method's defaults."""
    own = _hyperparameters(course, arm)
    default = _hyperparameters(course, Arm(method=arm.method))
    return {key: value for key, value in own.items() if default.get(key, value) != value}


def _hyperparameters(course: Course, arm: Arm) -> dict[str, object]:
    for record in course.by_method.get(arm.method, ()):
        trial = record.trial
        if trial.purpose in ("screen", "tune") and (trial.number or 0) == arm.number:
            return dict(_flat(trial.hyperparameters))
    return {}


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def arm_values(course: Course, arm: Arm) -> str:
    """Describe an arm by the values that differ from the defaults: ``learning rate 0.003``."""
    if arm.number == 0:
        return "defaults"
    shown = [
        f"{key.replace('_', ' ')} {f'{value:.2g}' if isinstance(value, float) else value}"
        for key, value in values_of(course, arm).items()
    ]
    return ", ".join(shown) or f"candidate {arm.number}"


def _untested(course: Course) -> str:
    """Name the best method on the validation split, if no method was tested."""
    for step in reversed(course.race.rungs):
        order = course.order(step)
        found = course.best_arm(order[0]) if order else None
        if found is not None:
            over = "yet" if course.race.ended is None else "before the time was over"
            arm, shown = found
            score = f"{points(shown.score or 0.0):.1f} points"
            first = (
                f"first of {counted(len(order), 'method')} after {share_in_words(course.share(step))}"
            )
            return (
                f"A best bet from the validation split alone is {arm.method} ({arm_values(course, arm)})"
                f": {score}, {first}. No method was tested {over}."
            )
    return "Nothing has been compared yet."


def _kind(out: str, count: int) -> str:
    verb = {"over a limit": "is over a limit", "trains nothing": "trains nothing"}
    many = {"over a limit": "are over a limit", "trains nothing": "train nothing"}
    be = "was refused" if count == 1 else "were refused"
    return (verb if count == 1 else many).get(out, be)


def _number(units: float) -> str:
    return f"{units:.1f}" if units < 10 else f"{units:.0f}"
