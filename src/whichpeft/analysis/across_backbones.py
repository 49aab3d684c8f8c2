"""Several backbones on one task: how a method's gap to the baseline changes with their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.rows import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class AcrossBackbones:
    """One task on several backbones, the smallest first.

    backbones: name and number of parameters, without the head; rows: by method, as typed, its row on
    each of them where it has a gap, else None. left_out: backbones without a size or without a gap.
    """

    task: str
    baseline: str
    backbones: tuple[tuple[str, int], ...]
    rows: dict[str, tuple[Row | None, ...]]
    left_out: tuple[str, ...] = ()

    @property
    def methods(self) -> list[str]:
        return list(self.rows)


def across_backbones(comparisons: Sequence[Comparison]) -> list[AcrossBackbones]:
    """Put together the backbones of each task that has gaps on two of them or more.

    Methods are those with a gap on two backbones at least, in the order of the study; as tuned where
    they were tuned. A backbone that stands there twice, with other data or budgets, is left out.
    """
    by_task: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_task.setdefault(comparison.task, []).append(comparison)
    found = [_put_together(task, own) for task, own in by_task.items() if len(own) > 1]
    return [one for one in found if one is not None]


def backbone_parameters(methods: Sequence[MethodRecords]) -> int | None:
    """Return how many parameters a backbone has without the head, as its records have it."""
    for kept in methods:
        whole, head = kept.value("full_parameters"), kept.value("head_parameters")
        if whole is not None and head:
            return round(whole - head)
    return None


def _put_together(task: str, comparisons: Sequence[Comparison]) -> AcrossBackbones | None:
    names = [comparison.backbone for comparison in comparisons]
    sized: list[tuple[int, str, dict[str, Row]]] = []
    left = []
    for comparison in comparisons:
        size = backbone_parameters(comparison.records)
        gaps = {
            row["method"]: row
            for row in comparison.answers
            if row["gap_mean"] is not None and row["verdict"] != "baseline"
        }
        if size is None or not gaps or names.count(comparison.backbone) > 1:
            left.append(comparison.backbone)
        else:
            sized.append((size, comparison.backbone, gaps))
    sized.sort(key=lambda one: one[:2])
    asked = dict.fromkeys(row["method"] for c in comparisons for row in c.answers)
    rows = {method: tuple(gaps.get(method) for _, _, gaps in sized) for method in asked}
    rows = {method: own for method, own in rows.items() if len(own) - own.count(None) > 1}
    if len(sized) < 2 or not rows:
        return None
    return AcrossBackbones(
        task=task,
        baseline=comparisons[0].baseline,
        backbones=tuple((name, size) for size, name, _ in sized),
        rows=rows,
        left_out=tuple(dict.fromkeys(left)),
    )
