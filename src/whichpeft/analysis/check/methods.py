"""The checks of each method: settings, searches, seeds, costs and failures."""

from __future__ import annotations

from collections.abc import Iterator

from whichpeft.analysis.chance import is_shown, lead_over_chance, seeds_at_chance
from whichpeft.analysis.check.findings import AGAIN, NO_ACTION, RETRY, Finding, file_of
from whichpeft.analysis.comparable_groups import same_method
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.search import shared_seed_note
from whichpeft.analysis.why_at_chance import fixes, probable_causes
from whichpeft.records import Record
from whichpeft.records.comparability import Kind, differences, kinds_of
from whichpeft.records.other_work import describe_share, taken_share, was_busy
from whichpeft.records.selection import best_trial
from whichpeft.study import Study
from whichpeft.units import counted, join_words, points

_TRAIN_MORE = "train for more epochs or on more examples, or test on more, with another --out"


def settings_findings(comparison: Comparison) -> Iterator[Finding]:
    """Find scores and costs that were measured in another setting than the rest."""
    for scores, what in ((True, "scores"), (False, "costs")):
        kinds = [_kinds(result, scores=scores) for result in comparison.results]
        comparable = [
            result.comparable_scores if scores else result.comparable_costs
            for result in comparison.results
        ]
        reference = next(
            (own[0] for own, fits in zip(kinds, comparable, strict=True) if own and fits), None
        )
        for result, own, fits in zip(comparison.results, kinds, comparable, strict=True):
            if not own or fits:
                continue
            if len(own) > 1 or reference is None:
                differing = f"its seeds differ in {differences(own[0], own[-1])}"
            else:
                differing = f"it differs from the other methods in {differences(own[0], reference)}"
            yield Finding(
                severity="problem",
                what=f"its {what} cannot be compared: {differing}",
                fix="run all methods in the same setting, with another --out",
                method=result.method,
            )


def _kinds(result: MethodResult, *, scores: bool) -> list[Kind]:
    """Return the settings that the scores, or the costs, were measured in."""
    cost = result.records.cost
    return kinds_of(result.records.completed if scores else [cost] if cost else [], scores=scores)


def search_findings(study: Study, comparison: Comparison) -> Iterator[Finding]:
    """Find searches whose seed is a final one, and methods with fewer tuning trials than requested."""
    asked = study.budget.tuning_trials
    shared = shared_seed_note(result.records for result in comparison.results)
    if shared is not None:
        yield Finding(
            severity="note",
            what=shared,
            fix="to search on a seed that no final trial has, run the study in another --out",
        )
    if comparison.finals is not None:  # a race trains only the best candidates to the end
        return
    seen = set()
    for result in comparison.results:
        records = result.records
        trains = not result.trains_nothing and result.status != "refused"
        if not asked or not trains or records.trial is None or records.method in seen:
            continue
        seen.add(records.method)
        count = len(records.search)
        sizes = [size for record in records.search if (size := record.value("search_trials"))]
        held = round(max(sizes, default=asked))
        if held < asked:
            yield Finding(
                severity="note",
                what=f"its search space has few choices: {held} tuning trials instead of {asked}",
                fix=f"{NO_ACTION}: the whole search space was tried",
                method=records.method,
            )
        if count == 0:
            yield Finding(
                severity="problem",
                what="it was not tuned although the study tunes: it competes with its default "
                "hyperparameters",
                fix=f"{AGAIN}; if the options you fixed leave nothing to tune, fix fewer of them",
                method=records.method,
            )
        elif count < held:
            yield Finding(
                severity="problem",
                what=f"its search is not finished: {count} of {held} tuning trials",
                fix=AGAIN,
                method=records.method,
            )
        elif best_trial(records.search) is None:
            yield Finding(
                severity="problem",
                what="no tuning trial finished, so there is no tuned result to compare",
                fix=RETRY,
                method=records.method,
            )


def chance_findings(comparison: Comparison) -> Iterator[Finding]:
    """Find methods that are not shown to beat chance, with what was probably wrong."""
    chance = comparison.chance
    trained = [
        result
        for result in comparison.results
        if result.is_answer and result.score_mean is not None and not result.trains_nothing
    ]
    guessing = [result for result in trained if not is_shown(lead_over_chance(result, comparison))]
    if chance is None or not guessing:
        return
    level = f"chance, {points(chance):.1f} points"
    if len(guessing) == len(trained) > 1:
        causes = probable_causes(comparison, guessing)
        yield Finding(
            severity="problem",
            what=f"no method that trains is proved better than {level}, so the scores rank nothing"
            f"{f'; probably {join_words(map(str, causes))}' if causes else ''}",
            fix="; ".join(fixes(causes)) if causes else _TRAIN_MORE,
        )
        return
    for result in guessing:
        causes = probable_causes(comparison, [result])
        at_chance = seeds_at_chance(result, comparison)
        everywhere = len(at_chance) == len(result.seeds)
        score = f"{points(result.score_mean or 0.0):.1f} points"
        if everywhere:
            seeds = "its one seed" if len(at_chance) == 1 else f"all {len(at_chance)} seeds"
            what = f"its score, {score}, is at {level}, on {seeds}"
        else:
            what = f"its score, {score}, is not proved better than {level}"
        yield Finding(
            severity="problem" if everywhere else "note",
            what=f"{what}{f'; probably {causes[0].kind} ({causes[0].shown})' if causes else ''}",
            fix=causes[0].fix
            if causes
            else "check its learning rate and its options, or train for longer",
            method=result.records.method,
        )


def method_findings(study: Study, result: MethodResult) -> Iterator[Finding]:
    """Check the records of one method."""
    records = result.records
    variant = " as tuned" if records.variant == "tuned" else ""
    if result.status == "refused":
        yield Finding(
            severity="note",
            what=f"it was refused: {result.error}",
            fix=NO_ACTION,
            method=records.method,
        )
        return
    if records.variant == "tuned" and best_trial(records.search) is None:
        return
    missing = [seed for seed in result.planned_seeds if seed not in records.finals]
    if missing:
        yield Finding(
            severity="problem",
            what=f"seeds not run{variant}: {', '.join(map(str, missing))}",
            fix=AGAIN,
            method=records.method,
        )
    for seed, record in sorted(records.finals.items()):
        if record.outcome.status == "completed" and record not in records.completed:
            yield Finding(
                severity="problem",
                what="the score is missing or not finite",
                fix=RETRY,
                method=records.method,
                seed=seed,
                file=file_of(record),
            )
    if records.finals and records.profile is None:
        yield Finding(
            severity="problem",
            what=f"its costs were not measured{variant}",
            fix=AGAIN,
            method=records.method,
        )
    others = 0 if records.cost is None else records.cost.setting.beside
    if records.cost is not None and others:
        yield Finding(
            severity="problem",
            what=f"it was profiled while {counted(others, 'other trial')} ran, so its timings are "
            "unreliable",
            fix=RETRY,
            method=records.method,
            file=file_of(records.cost),
        )
    if records.cost is not None and was_busy(records.cost):
        least = 1 / max(0.01, 1 - (taken_share(records.cost) or 0.0))
        yield Finding(
            severity="problem",
            what=f"other work took {describe_share(records.cost)} while its costs were measured"
            f"{variant}, so its times are about {least:.1f} times too long",
            fix="on a quiet machine, delete the record of its profile and run the same command again",
            method=records.method,
            file=file_of(records.cost),
        )
    if records.trial is not None and not any(same_method(text, records.trial) for text in study.methods):
        yield Finding(
            severity="note",
            what="it has records but is not named in study.yaml",
            fix=f"{NO_ACTION}; tables show it last",
            method=records.method,
        )


def failure(record: Record) -> Finding:
    """Return the finding on a failed record."""
    trial, outcome = record.trial, record.outcome
    # Some candidates of a search are expected to diverge: they mark the limits of the search space.
    names = {"tune": f"tuning trial {trial.number}", "screen": f"screening trial {trial.number}"}
    tried = trial.purpose in names and bool(trial.number)
    kind = names.get(trial.purpose, f"{trial.purpose} trial")
    phase = f" in {outcome.phase}" if outcome.phase else ""
    return Finding(
        severity="note" if tried else "problem",
        what=f"its {kind} failed{phase}: {outcome.reason or 'no reason was given'}",
        fix=f"{NO_ACTION}: another candidate is used" if tried else RETRY,
        backbone=trial.backbone,
        task=trial.task,
        method=trial.method,
        seed=trial.seed if trial.purpose == "final" else None,
        file=file_of(record),
    )
