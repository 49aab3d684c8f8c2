"""StudyPlan: every cell of a study, with its trials or with the reason for its refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from whichpeft.backbones import Backbone
from whichpeft.backbones.attention import check_has_attention
from whichpeft.methods import Method
from whichpeft.planning.batch_norm import refuses_batches
from whichpeft.planning.probing import probe
from whichpeft.study import Study, Trial, first_seeds
from whichpeft.study.trial import Purpose
from whichpeft.tasks import Packable, Task


@dataclass(frozen=True, slots=True)
class Cell:
    """A backbone, a task and a method."""

    study: Study
    """The study that the cell belongs to."""

    backbone: Backbone
    """The pretrained model."""

    task: Task
    """The task that it is fine-tuned on."""

    text: str
    """The method as written by the user."""

    identity: str
    """The canonical spelling of the method."""

    unresolved: Method
    """The method as named, before it is resolved for the backbone."""

    method: Method
    """The method resolved for the backbone, with its learning rate set."""

    refusal: str | None
    """Why the cell cannot run; None if it can."""

    notes: tuple[str, ...] = ()
    """What of its method's config is not used here, and why."""

    @property
    def profile(self) -> Trial:
        """The trial that measures this cell's costs."""
        return self._trial("profile", seed=0)

    @property
    def finals(self) -> list[Trial]:
        """The trials that measure this cell's quality, one per seed that every method gets."""
        return [self.final(seed) for seed in first_seeds(self.study.seeds)]

    def final(self, seed: int) -> Trial:
        """Return the trial that measures this cell's quality with one seed."""
        return self._trial("final", seed=seed)

    def tuning_trial(self, number: int, seed: int) -> Trial:
        """Return the trial with this cell's hyperparameters, at a place in its method's search."""
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
    """All cells of a study."""

    cells: tuple[Cell, ...]
    """Backbones by tasks by methods, in the study's order."""

    @property
    def accepted(self) -> Iterator[Cell]:
        """The cells that can run."""
        return (cell for cell in self.cells if cell.refusal is None)

    @property
    def refused(self) -> Iterator[Cell]:
        """The cells that cannot run."""
        return (cell for cell in self.cells if cell.refusal is not None)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all cells, each once, with the method that it is about."""
        return tuple(dict.fromkeys(f"{cell.text}: {note}" for cell in self.cells for note in cell.notes))


def make_plan(
    study: Study,
    backbones: Sequence[Backbone],
    tasks: Sequence[Task],
    methods: Mapping[str, Method],
) -> StudyPlan:
    """Combine backbones, tasks and methods, and find the cells that cannot run.

    A method that does not refuse is tried on a model without weights, so that cells that cannot work are
    known before anything runs.

    Parameters
    ----------
    study
        The study to plan.
    backbones, tasks
        What its names stand for.
    methods
        Its methods, by their spelling in the study.
    """
    conditions = study.conditions
    loaded = [
        replace(backbone, quantise=conditions.quantise, attention=conditions.attention)
        for backbone in backbones
    ]
    for backbone in loaded:
        check_has_attention(backbone)
    return StudyPlan(
        tuple(
            _cell(text, method, backbone, task, study)
            for backbone in loaded
            for task in tasks
            for text, method in methods.items()
        )
    )


def _unpackable(task: Task, backbone: Backbone) -> str | None:
    if not isinstance(task, Packable):
        return "packing puts a language model's training examples into shared rows; this task has none"
    return task.refuses_packing(backbone)


def _cell(text: str, method: Method, backbone: Backbone, task: Task, study: Study) -> Cell:
    resolved = method.resolved_for(backbone)
    reason = resolved.refuses(backbone, task, study.budget) or resolved.refuses_options(study)
    if reason is None and study.conditions.packing:
        reason = _unpackable(task, backbone)
    if reason is None and resolved.info.learning_rate:
        reason = refuses_batches(task, backbone, study.budget)
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
        unresolved=method,
        method=resolved,
        refusal=reason,
        notes=method.notes(backbone, task),
    )
