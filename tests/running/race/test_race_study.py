"""The study that a race makes of its options."""

from __future__ import annotations

from dataclasses import replace

from whichpeft.methods import methods
from whichpeft.running.race.race_study import as_race, auto_study, racing_methods
from whichpeft.study import AutoOptions, Budget, Study, UntilDecided


def test_by_default_all_methods_that_train_something_race() -> None:
    assert set(methods()) - set(racing_methods()) == {"zero-shot", "few-shot", "xlora"}
    study = auto_study(task="stdlib-docs", within="10m")
    assert study == Study(
        name="auto-stdlib-docs-minilm",
        backbone="minilm",
        task="stdlib-docs",
        methods=racing_methods(),
        seeds=UntilDecided(start=3, at_most=8),
        budget=Budget(tuning_trials=8),
        auto=AutoOptions(within=600),
    )
    assert isinstance(study.seeds, UntilDecided)
    assert study.seeds.looks == (3, 5, 8)


def test_a_study_becomes_a_race() -> None:
    asked = Study(name="mine", backbone="minilm", task="digits", methods=["full", "lora"], seeds=2)
    raced = as_race(asked)
    assert (raced.name, raced.auto) == ("mine", AutoOptions())
    assert as_race(replace(asked, name="")).name == "auto-digits-minilm"
    assert as_race(Study(backbone="minilm", task="digits", auto={})).methods == racing_methods()
    two = as_race(replace(asked, auto=AutoOptions(candidates=2)))
    assert two.budget.tuning_trials == 2
    assert as_race(two) == two
