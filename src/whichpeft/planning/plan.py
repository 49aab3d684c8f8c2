"""StudyPlan: every cell of a study, with its trials, or with the reason why it is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from whichpeft.backbones import Backbone
from whichpeft.methods import Method
from whichpeft.planning.probing import probe
from whichpeft.study import Study, Trial
from whichpeft.study.trial import Purpose
from whichpeft.tasks import Packable, Task


@dataclass(frozen=True, slots=True)
class Cell:
    """A backbone, a task and a method; `refusal` says why it cannot run.

    text, identity: the method as typed, and its canonical spelling. typed: the method as it was
    named; `method` is resolved for the backbone: its learning rate is set.
    """

    study: Study
    backbone: Backbone
    task: Task
    text: str
    identity: str
    typed: Method
    method: Method
    refusal: str | None

    @property
    def profile(self) -> Trial:
        """The trial that measures this cell's costs."""
        return self._trial("profile", seed=0)

    @property
    def finals(self) -> list[Trial]:
        """The trials that measure this cell's quality, one a seed."""
        return [self._trial("final", seed=seed) for seed in self.study.seeds]

    def tuning_trial(self, number: int, seed: int) -> Trial:
        """The trial with this cell's hyperparameters, at a place in its method's search."""
        return self._trial("tune", seed=seed, number=number)

    def _trial(self, purpose: Purpose, *, seed: int, number: int | None = None) -> Trial:
        return Trial(
            purpose=purpose,
            backbone=self.backbone.name,
            backbone_revision=self.backbone.revision,
            task=self.task.name,
            data=self.task.fingerprint,
            method=self.text,
            method_id=self.identity,
            hyperparameters=self.method.hyperparameters,
            seed=seed,
            budget=self.study.budget,
            conditions=self.study.conditions,
            number=number,
        )


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """All cells of a study: backbones by tasks by methods, in the order asked."""

    cells: tuple[Cell, ...]

    @property
    def accepted(self) -> Iterator[Cell]:
        return (cell for cell in self.cells if cell.refusal is None)

    @property
    def refused(self) -> Iterator[Cell]:
        return (cell for cell in self.cells if cell.refusal is not None)


def make_plan(
    study: Study,
    backbones: Sequence[Backbone],
    tasks: Sequence[Task],
    methods: Mapping[str, Method],
) -> StudyPlan:
    """Cross backbones, tasks and methods (by how they were typed), asking each for a refusal.

    A method that does not refuse is tried on a model without weights, so that what cannot work is
    known before anything runs.
    """
    return StudyPlan(
        tuple(
            _cell(text, method, replace(backbone, quantise=study.conditions.quantise), task, study)
            for backbone in backbones
            for task in tasks
            for text, method in methods.items()
        )
    )


def _unpackable(task: Task, backbone: Backbone) -> str | None:
    if not isinstance(task, Packable):
        return (
            "packing puts a language model's training examples into shared rows, and this task has none"
        )
    return task.refuses_packing(backbone)


def _cell(text: str, method: Method, backbone: Backbone, task: Task, study: Study) -> Cell:
    resolved = method.resolved_for(backbone)
    reason = resolved.refuses(backbone, task, study.budget) or resolved.refuses_options(study)
    if reason is None and study.conditions.packing:
        reason = _unpackable(task, backbone)
    if reason is None:
        reason = probe(
            resolved,
            backbone,
            task,
            same_targets=study.conditions.same_targets,
            gradient_checkpointing=study.conditions.gradient_checkpointing,
            shards=study.conditions.shards,
        )
    return Cell(
        study=study,
        backbone=backbone,
        task=task,
        text=text,
        identity=method.identity,
        typed=method,
        method=resolved,
        refusal=reason,
    )
