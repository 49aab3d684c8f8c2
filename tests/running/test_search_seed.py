"""The seed of searches: a tuned score owes nothing to the luck of the run that won its search.

Methods are simulated whose candidates are all alike, so the true gap of tuned and default is zero. The
luck of a run depends on candidate and seed, and shows on validation and on test. If the winner of n
candidates is tested with the seed that it won on, the mean of k seeds is too high by E[max of n normals]
/ k times luck^2 / sqrt(luck^2 + noise^2).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import whichpeft as wp
from whichpeft.analysis.check.check import check
from whichpeft.backbones import resolve_backbone
from whichpeft.errors import StudyError
from whichpeft.executors import SilentObserver
from whichpeft.methods import resolve_method
from whichpeft.planning import SearchPlan, make_plan, make_search
from whichpeft.records import Outcome, Record, Store
from whichpeft.records.selection import SEARCH_SEED, search_seed
from whichpeft.report.page.provenance import provenance
from whichpeft.running.request import check_request
from whichpeft.running.tuning_queue import tuned_cell
from whichpeft.tasks.no_task import NoTask

from .. import builders

CANDIDATES, SEEDS, STUDIES = 8, (0, 1, 2), 500
LARGEST_OF_8 = 1.4236  # expected maximum of eight standard normals
OLD_SEED = 0
OWN_SEED = "on a seed that no final trial has"


@pytest.fixture(scope="module")
def searches() -> dict[str, SearchPlan]:
    """The search of a method by the rule for its seed."""
    backbone = resolve_backbone("minilm", weights=False)
    budget = wp.Budget(tuning_trials=CANDIDATES)
    study = wp.Study(backbone="minilm", methods=["lora"], seeds=SEEDS, budget=budget)
    methods = {"lora": resolve_method("lora")}
    (cell,) = make_plan(study, [backbone], [NoTask(backbone)], methods).cells
    found = {"old": make_search(cell, OLD_SEED), "new": make_search(cell, search_seed([]))}
    return {rule: search for rule, search in found.items() if search is not None}


def gaps(search: SearchPlan, rng: np.random.Generator, luck: float, noise: float) -> Iterator[float]:
    """Yield tuned minus default, in points, of simulated studies whose candidates are all alike."""
    seeds = sorted({*SEEDS, search.trials[0].seed})
    places = {trial.fingerprint: place for place, trial in enumerate(search.trials)}
    values = [trial.hyperparameters for trial in search.trials]
    shape = (len(values), len(seeds))
    for _ in range(STUDIES):
        own = luck * rng.standard_normal(shape)
        validation, test = (own + noise * rng.standard_normal(shape) for _ in range(2))
        records = {
            name: Record(
                trial=trial,
                setting=builders.SETTING,
                outcome=Outcome(status="completed"),
                measurements=builders.measurements(
                    {"validation_score": validation[places[name], seeds.index(trial.seed)]}, "validate"
                ),
            )
            for name, trial in zip(places, search.trials, strict=True)
        }
        tuned = tuned_cell(search, records) or search.cell
        rows = [
            np.mean([test[values.index(t.hyperparameters), seeds.index(t.seed)] for t in cell.finals])
            for cell in (tuned, search.cell)
        ]
        yield float(rows[0] - rows[1])


@pytest.mark.parametrize(("luck", "noise"), [(0.7, 0.8), (0.8, 0.7), (1.0, 1.0)])
def test_tuned_minus_default_is_zero_if_all_candidates_are_alike(
    searches: dict[str, SearchPlan], luck: float, noise: float
) -> None:
    bias = LARGEST_OF_8 / len(SEEDS) * luck**2 / np.hypot(luck, noise)
    assert 0.2 < bias < 0.35  # as notes and docs say
    for rule, expected in (("old", bias), ("new", 0.0)):
        found = np.array(list(gaps(searches[rule], np.random.default_rng(1), luck, noise)))
        error = found.std(ddof=1) / np.sqrt(len(found))  # of the Monte Carlo mean
        assert error < 0.05
        low, high = found.mean() - 1.96 * error, found.mean() + 1.96 * error
        assert low <= expected <= high, (rule, low, expected, high)
        assert (low <= 0 <= high) == (rule == "new")


def asked(backbone: Path, data: Path, methods: list[str], seeds: list[int]) -> wp.Study:
    budget = wp.Budget(epochs=1, max_train=32, tuning_trials=2)
    return wp.Study(backbone=str(backbone), task=str(data), methods=methods, seeds=seeds, budget=budget)


def test_an_old_folder_keeps_its_seed_and_says_what_it_means(
    tiny_backbone: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(methods: list[str], seeds: list[int]) -> dict[str, int]:
        study = asked(tiny_backbone, reviews, methods, seeds)
        wp.run(study, out=tmp_path, device="cpu", observer=SilentObserver())
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}

    monkeypatch.setattr("whichpeft.records.selection.SEARCH_SEED", OLD_SEED)
    before = run(["head"], [0])
    monkeypatch.undo()
    after = run(["head", "bitfit"], [0, 1])
    assert before.items() <= after.items()  # nothing ran again
    tunes = [record.trial for record in Store(tmp_path) if record.trial.purpose == "tune"]
    assert sorted((trial.method, trial.seed) for trial in tunes) == [
        *[("bitfit", OLD_SEED)] * 2, *[("head", OLD_SEED)] * 2,
    ]  # fmt: skip
    report = wp.Report.read(tmp_path)
    (note,) = [note for note in report.notes if "searches trained" in note]
    assert note.startswith("the searches trained on seed 0, and so did final trials: ")
    assert note in report.to_markdown()
    store = Store(tmp_path)
    found = check(store.study(), store.each(), predictions=store.predictions)
    assert [(f.severity, f.method) for f in found if f.what == note] == [("note", None)]
    page = provenance(report.contents)
    assert OWN_SEED not in str(page["summary"])
    assert note in str(page["notes"])


def test_a_study_that_names_the_seed_of_searches_is_refused(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    study = asked(tiny_backbone, reviews, ["head"], [0, SEARCH_SEED])
    with pytest.raises(StudyError, match=f"seeds names {SEARCH_SEED}, which is kept for searches"):
        check_request(study, tmp_path)


def test_the_seed_is_one_that_all_generators_take() -> None:
    import random

    import torch

    random.seed(SEARCH_SEED)
    np.random.seed(SEARCH_SEED)
    np.random.default_rng([SEARCH_SEED, 3])
    torch.manual_seed(SEARCH_SEED)
    with pytest.raises(ValueError, match="Seed must be between"):
        np.random.seed(SEARCH_SEED + 1)
