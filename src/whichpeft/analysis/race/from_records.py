"""What the records of a run folder say about its race."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from whichpeft.analysis.comparable_groups import same_method
from whichpeft.analysis.comparison import Comparison, comparisons
from whichpeft.analysis.example_scores import Predictions
from whichpeft.analysis.learning_curves import Curves
from whichpeft.analysis.race.rung_scores import RungScore
from whichpeft.records import Arm, Race, Record
from whichpeft.records.record import finite
from whichpeft.records.selection import validation_score
from whichpeft.study import Study, Trial


def entrant_of(race: Race, trial: Trial) -> str | None:
    """Return the method of a trial as the study writes it; None if it is none of the study's."""
    return next((e.method for e in race.entrants if same_method(e.method, trial)), None)


def rung_scores(race: Race, records: Iterable[Record]) -> dict[tuple[Arm, int], RungScore]:
    """Return what each arm showed at the rungs that it has reached."""
    reached: dict[tuple[Arm, int], Record] = {}
    for record in records:
        if record.trial.purpose not in ("screen", "tune"):
            continue
        method = entrant_of(race, record.trial)
        if method is not None:
            arm = Arm(method=method, number=record.trial.number or 0)
            reached[arm, record.trial.stop_after or race.rungs[-1]] = record
    scores: dict[tuple[Arm, int], RungScore] = {}
    # Examples count from the start of training, so those of the rung before are subtracted. Seconds are
    # those of the record's own process.
    before: dict[Arm, float] = {}
    for (arm, step), record in sorted(reached.items(), key=lambda pair: pair[0]):
        examples = before.get(arm, 0.0)
        now = max(examples, finite(record.value("examples_trained", "fit")) or 0.0)
        scores[arm, step] = RungScore(
            score=None if record.outcome.status == "failed" else validation_score(record),
            loss=finite(record.value("validation_loss", "validate")),
            examples=round(now - examples),
            seconds=finite(record.value("total_seconds", "all")) or 0.0,
        )
        before[arm] = now
    return scores


def tested_arms(race: Race) -> tuple[Arm, ...]:
    """Return the arms that were tested, the baseline's included, in the order in which they started."""
    stages = [stage for stage in race.stages if stage.name == "finals"]
    return tuple(dict.fromkeys(arm for stage in stages for arm in stage.arms))


def compare_finalists(
    study: Study,
    race: Race,
    records: Sequence[Record],
    *,
    predictions: Predictions | None = None,
    curves: Curves | None = None,
) -> list[Comparison]:
    """Compare the finalists of a race; return no comparison as long as there are none.

    All other methods were screened only, so they are neither in the table nor in what a choice is proved
    against. A finalist has one result: that of the hyperparameters that it was tested with.
    """
    tested = {arm.method for arm in tested_arms(race)}
    if not tested:
        return []
    kept = [
        record
        for record in records
        if record.trial.purpose != "screen" and entrant_of(race, record.trial) in tested
    ]
    methods = tuple(method for method in study.methods if method in tested)
    found = comparisons(
        replace(study, methods=methods), kept, predictions=predictions, curves=curves, race=race
    )
    note = _only_finalists(race, len(tested))
    # With one candidate a method, its defaults, nothing was tuned.
    tuned = any(len(entrant.arms) > 1 for entrant in race.entrants)
    return [
        replace(
            comparison,
            results=tuple(comparison.answers)
            if tuned
            else tuple(replace(result, variant="default") for result in comparison.answers),
            searches=comparison.searches if tuned else {},
            notes=(*comparison.notes, *([note] if note else [])),
        )
        for comparison in found
    ]


def _only_finalists(race: Race, tested: int) -> str | None:
    others = sum(bool(entrant.arms) for entrant in race.entrants) - tested
    if others < 1:
        return None
    return (
        f"only finalists are compared: the other {others} of the race were screened on the validation "
        "split, so nothing is proved about them"
    )
