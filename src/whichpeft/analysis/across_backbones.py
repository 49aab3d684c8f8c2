"""How a method's gap to the baseline changes with the size of the backbone, on one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.method_result import MethodResult


@dataclass(frozen=True, kw_only=True, slots=True)
class AcrossBackbones:
    """One task on several backbones, the smallest first."""

    task: str
    """Short name of the task."""

    baseline: str
    """The method that gaps refer to, as written in the study."""

    backbones: tuple[tuple[str, int], ...]
    """Name and number of parameters, without the head, of each backbone."""

    results: Mapping[str, tuple[MethodResult | None, ...]]
    """By method, its result on each backbone; None if it has no gap there."""

    left_out: tuple[str, ...] = ()
    """Backbones without a known size or without a gap."""

    @property
    def methods(self) -> list[str]:
        """Return the methods, in the order of the study."""
        return list(self.results)


def across_backbones(comparisons: Sequence[Comparison]) -> list[AcrossBackbones]:
    """Collect the backbones of each task that has gaps on two of them or more.

    Methods need a gap on two backbones or more, and are in the order of the study; the tuned result
    stands for a method that was tuned. A backbone with records of different data or budgets is left
    out.
    """
    by_task: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_task.setdefault(comparison.task, []).append(comparison)
    found = [_across_backbones(task, own) for task, own in by_task.items() if len(own) > 1]
    return [one for one in found if one is not None]


def backbone_parameters(comparison: Comparison) -> int | None:
    """Return the number of parameters of a comparison's backbone without the head; None if unknown."""
    for result in comparison.results:
        whole = result.records.value("full_parameters")
        head = result.records.value("head_parameters")
        if whole is not None and head:
            return round(whole - head)
    return None


def _across_backbones(task: str, comparisons: Sequence[Comparison]) -> AcrossBackbones | None:
    names = [comparison.backbone for comparison in comparisons]
    sized: list[tuple[int, str, dict[str, MethodResult]]] = []
    left = []
    for comparison in comparisons:
        size = backbone_parameters(comparison)
        gaps = {
            result.method: result
            for result in comparison.answers
            if result.gap_mean is not None and result.verdict != "baseline"
        }
        if size is None or not gaps or names.count(comparison.backbone) > 1:
            left.append(comparison.backbone)
        else:
            sized.append((size, comparison.backbone, gaps))
    sized.sort(key=lambda one: one[:2])
    methods = dict.fromkeys(result.method for c in comparisons for result in c.answers)
    results = {method: tuple(gaps.get(method) for _, _, gaps in sized) for method in methods}
    results = {method: own for method, own in results.items() if len(own) - own.count(None) > 1}
    if len(sized) < 2 or not results:
        return None
    return AcrossBackbones(
        task=task,
        baseline=comparisons[0].baseline,
        backbones=tuple((name, size) for size, name, _ in sized),
        results=results,
        left_out=tuple(dict.fromkeys(left)),
    )
