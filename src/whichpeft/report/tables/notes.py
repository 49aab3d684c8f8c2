"""The text around a table: its heading, what its intervals and PSCP mean, and failures."""

from __future__ import annotations

from whichpeft.analysis import Comparison
from whichpeft.analysis.pscp import GIGABYTES, PARAMETERS, TFLOP
from whichpeft.report.tables.columns import has_pscp
from whichpeft.report.text import named, plain
from whichpeft.units import plural, points, show_count, show_seeds


def about(comparison: Comparison) -> str:
    """Return the heading of a comparison: ``minilm on sst2: accuracy, chance 50.9, seeds 0, 1, 2``."""
    return f"{plain(comparison.backbone)} on {plain(comparison.task)}: {details(comparison)}"


def details(comparison: Comparison) -> str:
    """Return metric, chance level and seeds: ``accuracy, chance 50.9, seeds 0, 1, 2``."""
    parts = [comparison.metric or "no score yet"]
    if comparison.chance is not None:
        parts.append(f"chance {points(comparison.chance):.1f}")
    seeds = sorted({seed for result in comparison.results for seed in result.seeds})
    if seeds:
        parts.append(f"{plural('seed', len(seeds))} {show_seeds(seeds)}")
    return plain(", ".join(parts))


def interval_note(comparison: Comparison) -> str:
    """Explain the intervals, or why there are none."""
    counts = sorted({len(result.seeds) for result in comparison.results if result.seeds})
    if not counts:
        return "no score yet"
    nats = ", hundredths of a nat per token" if comparison.metric == "log_likelihood" else ""
    unit = f"score and gap in points{nats}"
    baseline = plain(comparison.baseline)
    if comparison.baseline_result is None:
        gap = f"no gap: the baseline {baseline} is not in the study"
    else:
        gap = f"gap: relative to {baseline}, paired by seed"
    if counts[-1] < 2 and not any(result.over_examples for result in comparison.results):
        return f"{unit}; no intervals, because there is one seed; {gap}"
    few = "; two seeds are too few for an interval" if _too_few(comparison) else ""
    if few and all(result.score_low is None for result in comparison.results):
        return f"{unit}{few}; {gap}"
    return f"{unit}; 95 % intervals over {interval_over(comparison)}{few}; {gap}"


def _too_few(comparison: Comparison) -> bool:
    return any(
        len(result.seeds) == 2 and result.score_mean is not None and result.score_low is None
        for result in comparison.results
    )


def interval_over(comparison: Comparison) -> str:
    """Return what the intervals cover: ``3 seeds and 872 test examples``."""
    scored = [result for result in comparison.results if result.seeds]
    counts = sorted({len(result.seeds) for result in scored})
    seeds = (
        "one seed" if counts == [1] else " to ".join(map(str, counts[:1] + counts[1:][-1:])) + " seeds"
    )
    alone = [result for result in scored if not result.over_examples]
    if len(alone) == len(scored):
        return f"{seeds}, for this test set only"
    test = comparison.examples.get("test")
    examples = "the test examples" if test is None else f"{show_count(test)} test examples"
    text = f"{examples} of one seed" if counts == [1] else f"{seeds} and {examples}"
    if not alone:
        return text
    names = ", ".join(map(named, alone))
    gaps = " and all gaps" if any(result.verdict == "baseline" for result in alone) else ""
    return f"{text} ({names}{gaps}: over seeds alone, for this test set only)"


def problems(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Return method, status and reason of every method that is not completed."""
    return [
        (named(result), result.status, plain(result.error or "no reason was given"))
        for result in comparison.results
        if result.status != "completed"
    ]


def pscp_note(comparison: Comparison) -> list[str]:
    """Define PSCP, if the table shows it."""
    if not has_pscp(comparison):
        return []
    return [
        f"PSCP: score x 1/(1 + trainable/{PARAMETERS / 1e6:g} million) x 1/(1 + extra inference "
        f"TFLOP/{TFLOP:g}) x 1/(1 + peak memory in GB/{GIGABYTES:g}), as in PEFT-Bench; its constants "
        "were chosen for large models, so the costs of small ones hardly count"
    ]
