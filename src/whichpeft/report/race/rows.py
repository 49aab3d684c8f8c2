"""The rows of a race: one per method, as JSON has them."""

from __future__ import annotations

from whichpeft.analysis.method_result import Row
from whichpeft.report.race.course import Course
from whichpeft.report.race.leaving import leaving

RACE_COLUMNS = {
    "method": "The method as written in the study.",
    "arms": "How many of its candidates started; its defaults are one.",
    "rung": "The share of training that its furthest arm has completed.",
    "validation_score": "The score of its best arm there on the validation split, a fraction.",
    "units": "What its trials took: training examples as a number of whole trainings.",
    "examples": "The same as training examples, repetitions included.",
    "seconds": "Seconds of its trials, one after the other.",
    "left": "Why it left: refused, over a limit, trains nothing, dropped, failed, not finished, "
    "no finalist, or fell behind in the finals. None if it stayed.",
    "dropped_at": "The share of training after which it was dropped.",
    "dropped_because": "The reason in words.",
    "rank_by_rung": "Its place among the methods at each rung, by the share of training.",
    "audited": "Whether it was trained to the end although it had been dropped.",
    "finalist": "Whether it was tested on fresh seeds.",
    "seeds": "The seeds on which it was tested.",
}
"""The keys of a row with their meanings, in order."""


def race_rows(course: Course) -> list[Row]:
    """Return one row per method, in the order of the study; see `RACE_COLUMNS`."""
    whole = course.whole_examples
    order = {step: course.order(step) for step in course.race.rungs}
    rows = []
    for entrant in course.race.entrants:
        method = entrant.method
        left = leaving(course, method)
        best = course.best_arm(method)
        examples, seconds = course.spent(method)
        rows.append(
            {
                "method": method,
                "arms": len(course.arms(method)),
                "rung": course.share(course.reached(method)),
                "validation_score": None if best is None else best[1].score,
                "units": examples / whole if whole else 0.0,
                "examples": round(examples),
                "seconds": seconds,
                "left": None if left is None else left.why,
                "dropped_at": None if left is None else left.at,
                "dropped_because": None if left is None else left.because,
                "rank_by_rung": {
                    f"{course.share(step):.3g}": ranked.index(method) + 1
                    for step, ranked in order.items()
                    if method in ranked
                },
                "audited": method in course.audited,
                "finalist": method in course.finalists,
                "seeds": list(course.seeds(method)),
            }
        )
    return rows
