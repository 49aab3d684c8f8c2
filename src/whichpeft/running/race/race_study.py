"""The study that ``auto`` runs: every method that can win, and seeds until the choice is proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whichpeft.methods import methods
from whichpeft.records import Store
from whichpeft.study import AutoOptions, Budget, Study, TaskSource, UntilDecided
from whichpeft.study.auto import read_auto
from whichpeft.study.spec import default_name
from whichpeft.tasks import default_backbone

SEEDS = UntilDecided(start=3, at_most=8)
"""Seeds of a finalist: looks at 3, 5 and 8."""

_BUNDLED = "stdlib-kinds"  # the task of `whichpeft run`
_REFUSES_ALL = "xlora"  # it starts from adapters that are trained already


def racing_methods() -> tuple[str, ...]:
    """Return all methods that train something from the backbone, in the order of lists."""
    return tuple(
        name for name, method in methods().items() if method.info.learning_rate and name != _REFUSES_ALL
    )


def auto_study(
    *,
    task: str | TaskSource | None = None,
    backbone: str | None = None,
    methods: Sequence[str] | None = None,
    budget: Budget | None = None,
    **options: object,
) -> Study:
    """Return the study that ``auto`` runs if no study is given.

    Parameters
    ----------
    task
        The task; by default the one that ``whichpeft run`` runs without arguments.
    backbone
        The backbone; by default the one that fits the task.
    methods
        The methods that race; by default all that can.
    budget
        What a whole training may spend at most.
    options
        What the race may spend, and what its answer has to fit, as people write it: ``within="30m"``,
        ``max_trainable="1%"``.
    """
    source = TaskSource(name=task or _BUNDLED) if task is None or isinstance(task, str) else task
    return as_race(
        Study(
            task=source,
            backbone=backbone or default_backbone(source.name),
            methods=methods or (),
            budget=budget,
            auto=read_auto(options),
        )
    )


def as_race(study: Study) -> Study:
    """Return a study with the seeds and the searches of a race, and all methods that can if it has none.

    It keeps its name, unless that is made of its task and backbone: a run of them has a folder of that
    name.
    """
    options = study.auto or AutoOptions()
    name = study.name
    if study.tasks and name == default_name(study.tasks[0].name, study.backbones[0]):
        name = f"auto-{name}"
    return replace(
        study,
        name=name,
        methods=study.methods or racing_methods(),
        seeds=study.seeds if isinstance(study.seeds, UntilDecided) else SEEDS,
        budget=replace(study.budget, tuning_trials=options.candidates),
        auto=options,
    )


def as_continued(study: Study, store: Store) -> Study:
    """Return the study with the size of the race that its folder has, if it has one.

    What a bound buys depends on the machine's speed, so it is decided once.
    """
    if store.race() is None or not store.study_file.exists():
        return study
    kept = store.study()
    given, auto = study.budget, study.auto or AutoOptions()
    if given.max_train not in (None, kept.budget.max_train):
        return study
    candidates = kept.budget.tuning_trials
    return replace(study, budget=kept.budget, auto=replace(auto, candidates=candidates))
