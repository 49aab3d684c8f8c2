"""How a report was made: hardware, versions, data, failures, and the fairness of the comparison."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from whichpeft.analysis import Comparison
from whichpeft.analysis.check.check import fairness
from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.report.text import UNKNOWN, named, plain
from whichpeft.study import Study, UntilDecided
from whichpeft.study.trial import Purpose
from whichpeft.units import counted, show_bytes, show_count, show_seeds

if TYPE_CHECKING:
    from whichpeft.analysis.check.findings import Finding
    from whichpeft.records import Setting
    from whichpeft.report.contents import ReportContents
    from whichpeft.report.race.course import Course


_PRINT = 12  # characters of a fingerprint that tell data apart


def provenance(report: ReportContents) -> dict[str, object]:
    """Return the texts of the template's section on how the report was made."""
    findings = fairness(report.study, report.comparisons)
    return {
        "study_text": report.study_text,
        "again": f"whichpeft {'run' if report.race is None else 'auto'} study.yaml",
        "summary": _summary(report),
        "outcomes": _outcomes(report),
        "settings": _settings(report),
        "data": list(map(_data, report.comparisons)),
        "failures": _failures(report),
        "effort": [_effort(comparison) for comparison in report.comparisons],
        "problems": [_finding(found) for found in findings if found.severity == "problem"],
        "notes": [_finding(found) for found in findings if found.severity == "note"],
    }


def summary_of_origin(report: ReportContents) -> str:
    """Summarise in a few sentences what was compared, on which data, where, and with which versions."""
    parts = [_asked(report)]
    prints = dict.fromkeys(comparison.data for comparison in report.comparisons if comparison.data)
    if prints:
        shown = ", ".join(name[:_PRINT] for name in prints)
        parts.append(f"Data {shown}")
    for words in _settings(report)[:1]:
        parts += [words[key] for key in ("hardware", "versions") if key in words]
    return plain(f"{'. '.join(parts)}.")


def _summary(report: ReportContents) -> str:
    """Summarise in one paragraph what was compared, and with which budget."""
    return plain(
        f"{_asked(report)}. The checkpoint with the best validation score is tested once. Time, memory "
        "and speed come from a separate profile of each method, with nothing else running on the "
        "machine. Failed and refused methods stay in the table." + _borrowed(report.comparisons)
    )


def _asked(report: ReportContents) -> str:
    """Say which methods ran on how many seeds, and with which budget."""
    study, budget = report.study, report.study.budget
    who = f"{counted(len(study.methods), 'method')} on {_asked_seeds(study)}"
    if report.course is not None:
        who = _raced(report.course, report.comparisons)
    parts = [
        f"{who}, all with the same budget: {counted(budget.epochs, 'epoch')} in batches of "
        f"{budget.batch_size}"
    ]
    parts += study.memory_options
    if budget.max_train is not None:
        parts.append(f"at most {counted(budget.max_train, 'training example')}")
    if budget.early_stopping is not None:
        epochs = counted(budget.early_stopping, "epoch")
        parts.append(f"stopped after {epochs} without a better validation score")
    tuning = "each method at its own default hyperparameters"
    if report.course is not None:
        most = max((len(entrant.arms) for entrant in report.course.racing), default=0)
        if most > 1:
            tuning = f"up to {most} candidates of each method, compared on the validation split"
    elif budget.tuning_trials:
        tuning = f"{counted(budget.tuning_trials, 'tuning trial')} per method"
        results = (result for comparison in report.comparisons for result in comparison.results)
        if not any(result.records.seeds_of_search for result in results):
            tuning += ", on a seed that no final trial has"
    return ", ".join([*parts, tuning])


def _raced(course: Course, comparisons: Sequence[Comparison]) -> str:
    """Say how many methods raced, and how many of them were tested on how many seeds."""
    text = f"{counted(len(course.racing), 'method')} raced"
    seeds = sorted({len(r.seeds) for one in comparisons for r in one.results if r.seeds})
    if not seeds:
        return text
    count = len(course.finalists)
    most = counted(seeds[-1], "seed")
    span = most if len(seeds) == 1 else f"{seeds[0]} to {most}"
    return f"{text}, {count} of which {'was' if count == 1 else 'were'} tested on {span}"


def _borrowed(comparisons: Sequence[Comparison]) -> str:
    """Say how much the gaps know about seeds from other methods; empty if they know nothing."""
    gaps = [
        (result.seed_degrees_of_freedom, len(result.seeds) - 1)
        for comparison in comparisons
        for result in comparison.results
        if result.seed_degrees_of_freedom is not None
    ]
    if all(known == own for known, own in gaps):
        return ""
    known, own = ([f"{value:.0f}" for value in sorted(values)] for values in zip(*gaps, strict=True))
    return (
        " How much scores vary between seeds is estimated from all methods of a table together: the "
        f"gaps rest on {_range(known)} degrees of freedom. Their own seeds alone have {_range(own)}."
    )


def _range(values: Sequence[str]) -> str:
    return values[0] if values[0] == values[-1] else f"{values[0]} to {values[-1]}"


def _outcomes(report: ReportContents) -> str:
    """Count the records by how they ended: ``214 records: 210 completed, 4 failed``."""
    counts = Counter(record.outcome.status for record in report.records)
    ended = ", ".join(f"{show_count(count)} {status}" for status, count in counts.most_common())
    return f"{counted(len(report.records), 'record')}{f': {ended}' if ended else ''}"


def _settings(report: ReportContents) -> list[dict[str, str]]:
    """Describe each distinct setting of the records; with several, count the records of each."""
    counts: Counter[str] = Counter()
    for record in report.records:
        words = _setting_words(record.setting)
        if words:
            counts[json.dumps(words)] += 1
    several = len(counts) > 1
    return [
        json.loads(words) | ({"records": show_count(count)} if several else {})
        for words, count in counts.items()
    ]


def _setting_words(setting: Setting) -> dict[str, str]:
    hardware = {
        key: show_bytes(value) if key.endswith("_bytes") and isinstance(value, (int, float)) else value
        for key, value in setting.hardware.items()
        if value is not None
    }
    words = {
        "hardware": ", ".join(
            f"{key.removesuffix('_bytes')}: {value}" for key, value in hardware.items()
        ),
        "device": setting.device,
        "precision": setting.precision,
        "versions": ", ".join(f"{name} {version}" for name, version in setting.versions.items()),
    }
    return {key: plain(value) for key, value in words.items() if value}


def _data(comparison: Comparison) -> dict[str, str]:
    """Identify the data and the weights of a comparison by their content."""
    trial = next(
        (result.records.trial for result in comparison.results if result.records.trial is not None), None
    )
    return {
        "heading": _heading(comparison),
        "data": plain(comparison.data or UNKNOWN),
        "weights": plain((trial.backbone_revision if trial else None) or UNKNOWN),
        "examples": examples(comparison) or UNKNOWN,
    }


def examples(comparison: Comparison) -> str:
    """Count the examples of each split: ``2,000 train, 872 test``; empty if they are unknown."""
    return ", ".join(f"{show_count(count)} {split}" for split, count in comparison.examples.items())


def _heading(comparison: Comparison) -> str:
    return f"{plain(comparison.backbone)} on {plain(comparison.task)}"


_PURPOSES: dict[Purpose, str] = {
    "profile": "profile",
    "screen": "screening trial",
    "tune": "tuning trial",
    "final": "final trial",
}


def _failures(report: ReportContents) -> list[tuple[str, str, str, str]]:
    """Return trial, status, reason and count; the same reason of a method appears once."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for record in report.records:
        outcome, trial = record.outcome, record.trial
        if outcome.status not in ("failed", "refused"):
            continue
        name = f"{trial.method} ({_PURPOSES[trial.purpose]}) on {trial.task}"
        # A refusal is always in the plan.
        phase = f"in {outcome.phase}: " if outcome.phase and outcome.status == "failed" else ""
        counts[
            plain(name), outcome.status, plain(f"{phase}{outcome.reason or 'no reason was given'}")
        ] += 1
    return [(*key, show_count(count)) for key, count in counts.items()]


def _effort(comparison: Comparison) -> dict[str, object]:
    """Return the effort spent on each method: tuning trials, seeds and profile."""
    return {
        "heading": _heading(comparison),
        "rows": [
            (
                named(result),
                _tuning(result.records),
                _seeds(result.seeds),
                "yes" if result.records.cost else "no",
            )
            for result in comparison.results
        ],
    }


def _tuning(kept: MethodRecords) -> str:
    """Count the tuning trials of a method by how they ended: ``8, of which 3 stopped early``."""
    if not kept.search:
        return "none"
    counts = Counter(str(record.outcome.status) for record in kept.search)
    words = {"stopped": "stopped early", "failed": "failed"}
    ended = [f"{counts[status]} {word}" for status, word in words.items() if counts[status]]
    of_these = f", of which {' and '.join(ended)}" if ended else ""
    return f"{len(kept.search)}{of_these}"


def _asked_seeds(study: Study) -> str:
    if isinstance(study.seeds, UntilDecided):
        return (
            f"{study.seeds.start} to {counted(study.seeds.at_most, 'seed')} each, until it was decided"
        )
    return f"{counted(len(study.seeds), 'seed')} each"


def _seeds(seeds: Sequence[int]) -> str:
    return f"{len(seeds)} ({show_seeds(seeds)})" if seeds else "none"


def _finding(found: Finding) -> str:
    subject = " ".join(_subject(found))
    return plain(f"{subject}{': ' if subject else ''}{found.what}. Fix: {found.fix}.")


def _subject(found: Finding) -> Iterator[str]:
    if found.method is not None:
        yield found.method
    if found.backbone is not None:
        yield f"({found.backbone} on {found.task})"
