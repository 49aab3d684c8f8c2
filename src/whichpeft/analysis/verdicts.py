"""Verdicts of a comparison, from what each trial scored on each test example where that is known."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.example_scores import ScoresByExample
from whichpeft.analysis.rows import Row
from whichpeft.analysis.statistics.gap import LEVEL, gap_of, judge
from whichpeft.analysis.statistics.holm import holm
from whichpeft.analysis.statistics.power import what_decides
from whichpeft.analysis.statistics.random_effects import VarianceComponents, random_effects, seed_effects
from whichpeft.records.record import finite


def method_effects(kept: MethodRecords, scores: ScoresByExample) -> VarianceComponents | None:
    """Take apart a method's own scores; by seed alone where they are not known by example."""
    records = kept.completed
    if not records:
        return None
    values = scores.of(records)
    return seed_effects(list(by_seed(kept).values())) if values is None else random_effects(values)


def gap_effects(
    kept: MethodRecords, base: MethodRecords, scores: ScoresByExample
) -> VarianceComponents | None:
    """Take apart how much better a method scored than another on the seeds that both completed."""
    ours = {record.trial.seed: record for record in kept.completed}
    theirs = {record.trial.seed: record for record in base.completed}
    common = [seed for seed in ours if seed in theirs]
    if not common:
        return None
    own, other = (scores.of([found[seed] for seed in common]) for found in (ours, theirs))
    if own is not None and other is not None:
        return random_effects(own - other)
    own_scores, other_scores = by_seed(kept), by_seed(base)
    return seed_effects([own_scores[seed] - other_scores[seed] for seed in common])


def by_seed(kept: MethodRecords) -> dict[int, float]:
    """Return a method's test scores by seed."""
    return {
        record.trial.seed: score
        for record in kept.completed
        if (score := finite(record.value("score", "test"))) is not None
    }


def give_verdicts(
    rows: Sequence[Row], gaps: Sequence[VarianceComponents | None], *, margin: float
) -> list[str | None]:
    """Fill in p-values, verdicts and proved margins; return what would decide, row by row.

    The rows but the baselines' are one family a variant: of its p-values, adjusted by Holm's method, a
    verdict takes the adjusted one. So a verdict of better or worse is wrong anywhere in the table
    in at most 5 % of studies.
    """
    needed: list[str | None] = [None] * len(rows)
    for variant in dict.fromkeys(row["variant"] for row in rows):
        family = {
            place: gap_of(effects, margin=margin)
            for place, (row, effects) in enumerate(zip(rows, gaps, strict=True))
            if row["variant"] == variant and row["verdict"] != "baseline" and effects is not None
        }
        adjusted = holm([gap.p_value for gap in family.values()])
        tests = sum(p is not None for p in adjusted)
        for (place, gap), p in zip(family.items(), adjusted, strict=True):
            row = rows[place]
            row["p_value"], row["p_adjusted"], row["proved_margin"] = gap.p_value, p, gap.proved_margin
            row["verdict"] = judge(gap.mean, p, gap.proved_margin, margin=margin)
            if row["verdict"] == "undecided":
                level = LEVEL / max(tests, 1)
                needed[place] = what_decides(gap.effects, margin=margin, level=level).sentence
    return needed
