"""How a report was made: hardware, versions, data, what failed, and how fair the comparison is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from whichpeft.analysis import Comparison
from whichpeft.analysis.check.check import fairness
from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.report.text import UNKNOWN, named, plain
from whichpeft.units import show_bytes, show_count

if TYPE_CHECKING:
    from whichpeft.analysis.check.findings import Finding
    from whichpeft.records import Setting
    from whichpeft.report.contents import ReportContents


def origin(report: ReportContents) -> dict[str, Any]:
    """Return what the template says of how a report was made: text, nothing left to format."""
    findings = fairness(report.study, report.comparisons)
    return {
        "study_text": report.study_text,
        "summary": _summary(report),
        "outcomes": _outcomes(report),
        "settings": _settings(report),
        "data": list(map(_data, report.comparisons)),
        "failures": _failures(report),
        "effort": [_effort(comparison) for comparison in report.comparisons],
        "problems": [_finding(found) for found in findings if found.severity == "problem"],
        "notes": [_finding(found) for found in findings if found.severity == "note"],
    }


def _summary(report: ReportContents) -> str:
    """Say in one paragraph what was compared and under what budget."""
    study, budget = report.study, report.study.budget
    seeds = len(study.seeds)
    parts = [
        f"{len(study.methods)} method{_s(len(study.methods))} on {seeds} seed{_s(seeds)} each, every "
        f"one with the same budget: {budget.epochs} epoch{_s(budget.epochs)} in batches of "
        f"{budget.batch_size}"
    ]
    parts += study.memory_options
    if budget.max_train is not None:
        parts.append(f"at most {show_count(budget.max_train)} training examples")
    if budget.early_stopping is not None:
        epochs = budget.early_stopping
        parts.append(f"stopped after {epochs} epoch{_s(epochs)} without a better validation score")
    tuning = (
        f"{budget.tuning_trials} tuning trials a method"
        if budget.tuning_trials
        else "each method at its own default hyperparameters"
    )
    return plain(
        f"{', '.join([*parts, tuning])}. The checkpoint with the best validation score is tested "
        "once. Time, memory and speed were measured apart, in a profile of each method alone on "
        "the machine. Failed and refused methods stay in the table."
    )


def _outcomes(report: ReportContents) -> str:
    """Count the records by how they ended: ``214 records: 210 completed, 4 failed``."""
    counts = Counter(record.outcome.status for record in report.records)
    ended = ", ".join(f"{show_count(count)} {status}" for status, count in counts.most_common())
    total = len(report.records)
    return f"{show_count(total)} record{_s(total)}{f': {ended}' if ended else ''}"


def _settings(report: ReportContents) -> list[dict[str, str]]:
    """Describe every distinct setting that the records come from, and how many come from it."""
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
    """Name the data and the weights of a comparison by content."""
    trial = next((kept.trial for kept in comparison.records if kept.trial is not None), None)
    return {
        "heading": _heading(comparison),
        "data": plain(comparison.data or UNKNOWN),
        "weights": plain((trial.backbone_revision if trial else None) or UNKNOWN),
        "examples": examples(comparison) or UNKNOWN,
    }


def examples(comparison: Comparison) -> str:
    """Count the examples of each split: ``2,000 train, 872 test``; empty where they are not known."""
    return ", ".join(f"{show_count(count)} {split}" for split, count in comparison.examples.items())


def _heading(comparison: Comparison) -> str:
    return f"{plain(comparison.backbone)} on {plain(comparison.task)}"


def _failures(report: ReportContents) -> list[tuple[str, str, str, str]]:
    """Return where, status, reason and how often, the same reason of a method once."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for record in report.records:
        outcome, trial = record.outcome, record.trial
        if outcome.status not in ("failed", "refused"):
            continue
        purpose = {"tune": "tuning trial", "final": "final trial", "profile": "profile"}[trial.purpose]
        where = f"{trial.method} ({purpose}) on {trial.task}"
        phase = f"in {outcome.phase}: " if outcome.phase else ""
        counts[
            plain(where), outcome.status, plain(f"{phase}{outcome.reason or 'no reason was given'}")
        ] += 1
    return [(*key, show_count(count)) for key, count in counts.items()]


def _effort(comparison: Comparison) -> dict[str, Any]:
    """Return how much each method was given: tuning trials, seeds, profile."""
    rows = zip(comparison.rows, comparison.records, strict=True)
    return {
        "heading": _heading(comparison),
        "rows": [
            (named(row), _tuning(kept), _seeds(row["seeds"]), "yes" if kept.cost else "no")
            for row, kept in rows
        ],
    }


def _tuning(kept: MethodRecords) -> str:
    """Say how many tuning trials a method had, and how they ended: ``8, of these 3 stopped early``."""
    if not kept.search:
        return "none"
    counts = Counter(str(record.outcome.status) for record in kept.search)
    words = {"stopped": "stopped early", "failed": "failed"}
    ended = [f"{counts[status]} {word}" for status, word in words.items() if counts[status]]
    of_these = f", of these {' and '.join(ended)}" if ended else ""
    return f"{len(kept.search)}{of_these}"


def _seeds(seeds: list[int]) -> str:
    return f"{len(seeds)} ({', '.join(map(str, seeds))})" if seeds else "none"


def _finding(found: Finding) -> str:
    where = " ".join(_where(found))
    return plain(f"{where}{': ' if where else ''}{found.what}. Fix: {found.fix}.")


def _where(found: Finding) -> Iterator[str]:
    if found.method is not None:
        yield found.method
    if found.backbone is not None:
        yield f"({found.backbone} on {found.task})"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
