"""Check: can these records be trusted, and compared with each other?

A *problem* makes an answer unfair, uncertain or incomplete; a *note* is what a reader should know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from whichpeft.analysis.check.findings import AGAIN, Finding
from whichpeft.analysis.check.methods import (
    failure,
    method_findings,
    search_findings,
    settings_findings,
)
from whichpeft.analysis.check.predictions import prediction_findings
from whichpeft.analysis.comparison import Comparison, comparisons
from whichpeft.analysis.example_scores import Predictions
from whichpeft.errors import RecordError
from whichpeft.records import Record
from whichpeft.study import Study


def check(
    study: Study, found: Iterable[Record | RecordError], *, predictions: Predictions
) -> list[Finding]:
    """Return what is wrong with the records of a study and what to know of them, problems first.

    found: the records, and in place of each damaged one what is wrong with it. predictions: by
    fingerprint; raises RecordError where they are damaged.
    """
    everything = list(found)
    records = [record for record in everything if isinstance(record, Record)]
    findings = [_damage(error) for error in everything if isinstance(error, RecordError)]
    findings += _files(records)
    compared = comparisons(study, records)
    findings += fairness(study, compared)
    for comparison in compared:
        findings += _placed(comparison, prediction_findings(comparison, predictions))
    findings += [failure(record) for record in records if record.outcome.status == "failed"]
    return _problems_first(findings)


def fairness(study: Study, compared: Sequence[Comparison]) -> list[Finding]:
    """Return what makes a comparison unfair, uncertain or incomplete, problems first.

    It is told from what was asked and from the comparisons alone: no file is read.
    """
    findings = [*_study(study), *_apart(compared)]
    for comparison in compared:
        findings += _placed(
            comparison,
            (
                *_references(comparison),
                *settings_findings(comparison),
                *search_findings(study, comparison),
                *(found for result in comparison.results for found in method_findings(study, result)),
            ),
        )
    return _problems_first(findings)


def _problems_first(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.severity == "note")


def _placed(comparison: Comparison, found: Iterable[Finding]) -> Iterator[Finding]:
    for finding in found:
        yield replace(finding, backbone=comparison.backbone, task=comparison.task)


def _damage(error: RecordError) -> Finding:
    what, _, fix = str(error).partition("; ")
    return Finding(severity="problem", what=what, fix=fix or "delete the file and run the study again")


def _files(records: Sequence[Record]) -> Iterator[Finding]:
    """Look at the files as such."""
    if not records:
        yield Finding(severity="problem", what="there is no record that can be read", fix=AGAIN)
    counts = Counter(record.trial.fingerprint for record in records)
    for fingerprint, count in counts.items():
        if count > 1:
            yield Finding(
                severity="problem",
                what=f"{count} files hold the record {fingerprint}",
                fix=f"keep {fingerprint}.json alone",
            )


def _study(study: Study) -> Iterator[Finding]:
    """Look at what was asked."""
    if len(study.seeds) == 1:
        yield Finding(
            severity="problem",
            what="one seed alone: how much another would differ is unknown, so no verdict can be given",
            fix="--seeds 3 adds two more",
        )
    if not study.budget.tuning_trials:
        yield Finding(
            severity="note",
            what="nothing was tuned: what is said holds for each method's default hyperparameters",
            fix="--tuning-trials 8 with another --out tunes every method alike",
        )
    if study.conditions.quantise is not None:
        yield Finding(
            severity="note",
            what=f"the backbone's weights are in {study.conditions.quantise}: scores and times are of "
            "those, and full fine-tuning is not among the methods",
            fix="a study without quantise, in another --out, tells what that costs",
        )


def _apart(compared: Sequence[Comparison]) -> Iterator[Finding]:
    """Look for records that share names and not what these stand for."""
    names = Counter((comparison.backbone, comparison.task) for comparison in compared)
    for (backbone, task), count in names.items():
        if count > 1:
            yield Finding(
                severity="problem",
                what=f"the records are of {count} different data, weights or budgets and are kept apart",
                fix="keep each in a folder of its own",
                backbone=backbone,
                task=task,
            )


def _references(comparison: Comparison) -> Iterator[Finding]:
    """Look for what methods are held against."""
    if comparison.baseline_result is None:
        yield Finding(
            severity="problem",
            what=f"the baseline {comparison.baseline} is not among the methods, so there are no gaps",
            fix=f"add --method {comparison.baseline}, or name another with --baseline",
        )
    known = [result for result in comparison.results if result.trainable_parameters is not None]
    if known and not any(result.parameter_reduction == 0 for result in known):
        yield Finding(
            severity="note",
            what="no method trains the whole model, so it is not known what there is to reach",
            fix="add --method full where it fits",
        )
    if known and not any(result.adapter_parameters == 0 and result.head_parameters for result in known):
        yield Finding(
            severity="note",
            what="no method trains the head alone, so it is not known what an adapter adds",
            fix="add --method head, which costs little",
        )
