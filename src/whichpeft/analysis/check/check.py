"""Check whether records can be trusted, and compared with each other.

A *problem* makes an answer unfair, uncertain or incomplete; a *note* is good to know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from whichpeft.analysis.check.findings import AGAIN, Finding
from whichpeft.analysis.check.methods import (
    chance_findings,
    failure,
    method_findings,
    search_findings,
    settings_findings,
)
from whichpeft.analysis.check.predictions import prediction_findings
from whichpeft.analysis.check.reading import class_names, reading_findings
from whichpeft.analysis.comparison import Comparison, comparisons
from whichpeft.analysis.example_scores import Predictions
from whichpeft.analysis.learning_curves import Curves
from whichpeft.analysis.race.from_records import compare_finalists
from whichpeft.errors import RecordError
from whichpeft.records import Race, Reading, Record
from whichpeft.study import Study, all_seeds


def check(
    study: Study,
    found: Iterable[Record | RecordError],
    *,
    predictions: Predictions,
    curves: Curves | None = None,
    reading: Reading | None = None,
    race: Race | None = None,
) -> list[Finding]:
    """Check the records of a study, and what was read for them.

    Parameters
    ----------
    study
        The study that the records belong to.
    found
        The records, with an error in place of each damaged one.
    predictions
        Returns a trial's arrays by its fingerprint, and raises RecordError if they are damaged.
    curves
        Returns a trial's learning curve by its fingerprint; tells why a method is at chance.
    reading
        What was read of the data and the backbones; None if an old folder does not say.
    race
        What a race decided. The others than its finalists are not complete, and need not be.

    Returns
    -------
    list of Finding
        What was found, problems first.
    """
    everything = list(found)
    records = [record for record in everything if isinstance(record, Record)]
    findings = [_damage(error) for error in everything if isinstance(error, RecordError)]
    findings += _files(records)
    if race is None:
        compared = comparisons(study, records, predictions=predictions, curves=curves)
    else:
        compared = compare_finalists(study, race, records, predictions=predictions, curves=curves)
        findings += _race(race)
    findings += fairness(study, compared)
    findings += reading_findings(reading)
    for comparison in compared:
        classes = class_names(reading, comparison.task)
        findings += _placed(comparison, prediction_findings(comparison, predictions, classes))
    findings += [failure(record) for record in records if record.outcome.status == "failed"]
    return problems_first(findings)


def fairness(study: Study, compared: Sequence[Comparison]) -> list[Finding]:
    """Return what makes a comparison unfair, uncertain or incomplete, problems first.

    Only the study and the comparisons are used; no file is read but curves of methods at chance.
    """
    findings = [*_study(study), *_apart(compared)]
    for comparison in compared:
        findings += _placed(
            comparison,
            (
                *_references(comparison),
                *settings_findings(comparison),
                *search_findings(study, comparison),
                *chance_findings(comparison),
                *(found for result in comparison.results for found in method_findings(study, result)),
            ),
        )
    return problems_first(findings)


def problems_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings without repetition, problems before notes."""
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.severity == "note")


def _placed(comparison: Comparison, found: Iterable[Finding]) -> Iterator[Finding]:
    for finding in found:
        yield replace(finding, backbone=comparison.backbone, task=comparison.task)


def _damage(error: RecordError) -> Finding:
    what, _, fix = str(error).partition("; ")
    return Finding(severity="problem", what=what, fix=fix or "delete the file and run the study again")


def _files(records: Sequence[Record]) -> Iterator[Finding]:
    """Check that there are records, each in one file."""
    if not records:
        yield Finding(severity="problem", what="there are no readable records", fix=AGAIN)
    counts = Counter(record.trial.fingerprint for record in records)
    for fingerprint, count in counts.items():
        if count > 1:
            yield Finding(
                severity="problem",
                what=f"{count} files hold the record {fingerprint}",
                fix=f"keep only {fingerprint}.json",
            )


def _race(race: Race) -> Iterator[Finding]:
    """Check that a race has ended, and not only because of the clock."""
    if race.ended is None:
        yield Finding(severity="problem", what="the race has not ended", fix=AGAIN)
    elif race.ended == "time":
        yield Finding(
            severity="note",
            what="the race ended because its time was over",
            fix="to continue it, run the same command with more time",
        )


def _study(study: Study) -> Iterator[Finding]:
    """Check the study itself."""
    if len(all_seeds(study.seeds)) == 1:
        yield Finding(
            severity="problem",
            what="there is only one seed, so the variation between seeds is unknown and no verdict "
            "is possible",
            fix="add two seeds with --seeds 3",
        )
    if not study.budget.tuning_trials:
        yield Finding(
            severity="note",
            what="no method was tuned; all results are for default hyperparameters",
            fix="to tune every method, use --tuning-trials 8 with another --out",
        )
    if study.conditions.quantise is not None:
        yield Finding(
            severity="note",
            what=f"the backbone's weights are in {study.conditions.quantise}: scores and times hold for "
            "these weights, and full fine-tuning is not among the methods",
            fix="to measure the effect of quantisation, run the study without it in another --out",
        )


def _apart(compared: Sequence[Comparison]) -> Iterator[Finding]:
    """Find records that share names but not data, weights or budget."""
    names = Counter((comparison.backbone, comparison.task) for comparison in compared)
    for (backbone, task), count in names.items():
        if count > 1:
            yield Finding(
                severity="problem",
                what=f"the records have {count} different data, weights or budgets and are not mixed",
                fix="move each group of records to its own folder",
                backbone=backbone,
                task=task,
            )


def _references(comparison: Comparison) -> Iterator[Finding]:
    """Check that the methods that others are compared with are there."""
    if comparison.baseline_result is None:
        yield Finding(
            severity="problem",
            what=f"the baseline {comparison.baseline} is not among the methods, so there are no gaps",
            fix=f"add --method {comparison.baseline}, or choose another baseline with --baseline",
        )
    if comparison.finals is not None:  # of a race, in which others were screened
        return
    known = [result for result in comparison.results if result.trainable_parameters is not None]
    if known and not any(result.parameter_reduction == 0 for result in known):
        yield Finding(
            severity="note",
            what="no method trains the whole model, so the score of full fine-tuning is unknown",
            fix="add --method full if it fits in memory",
        )
    if known and not any(result.adapter_parameters == 0 and result.head_parameters for result in known):
        yield Finding(
            severity="note",
            what="no method trains only the head, so the benefit of an adapter is unknown",
            fix="add --method head, which is cheap",
        )
