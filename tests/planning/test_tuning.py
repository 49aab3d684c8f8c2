"""Searches: their candidates, their space, and the score that a trial needs to continue."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.methods import LogRange, resolve_method
from whichpeft.planning import make_plan, make_search, rung_threshold, rungs
from whichpeft.planning.tuning import sobol_points, tunable_space
from whichpeft.records.selection import SEARCH_SEED
from whichpeft.study import Budget, Study
from whichpeft.tasks.no_task import NoTask


def cell(method, trials=8):
    backbone = resolve_backbone("minilm", weights=False)
    study = Study(backbone="minilm", methods=[method], budget=Budget(tuning_trials=trials))
    (found,) = make_plan(study, [backbone], [NoTask(backbone)], {method: resolve_method(method)}).cells
    assert found.refusal is None
    return found


def test_the_first_trial_is_the_default_and_the_others_are_in_the_space():
    searched = cell("lora")
    search = make_search(searched, SEARCH_SEED)
    assert search is not None
    default, *others = (dict(trial.hyperparameters) for trial in search.trials)
    assert default == searched.method.hyperparameters
    assert [trial.number for trial in search.trials] == list(range(8))
    assert {trial.purpose for trial in search.trials} == {"tune"}
    assert {trial.seed for trial in search.trials} == {SEARCH_SEED}
    assert len({trial.fingerprint for trial in search.trials}) == 8
    for values in others:
        assert default["learning_rate"] / 10 <= values["learning_rate"] <= default["learning_rate"] * 5
        assert values["r"] in (2, 4, 8, 16, 32, 64)
        assert values["lora_alpha"] == 2 * values["r"]  # it follows from r
    assert len({values["r"] for values in others}) > 3
    assert make_search(cell("lora"), SEARCH_SEED).trials == search.trials


def test_more_trials_begin_with_the_same_ones():
    few, many = make_search(cell("bitfit", 4), SEARCH_SEED), make_search(cell("bitfit", 16), SEARCH_SEED)
    assert [t.hyperparameters for t in few.trials] == [t.hyperparameters for t in many.trials[:4]]


def test_all_seeds_try_the_same_candidates():
    old, new = make_search(cell("lora"), 0), make_search(cell("lora"), SEARCH_SEED)
    assert old.methods == new.methods


def test_a_small_space_is_tried_completely_and_without_repeats():
    search = make_search(cell("series-adapter:learning_rate=1e-3"), SEARCH_SEED)
    sizes = [trial.hyperparameters["bottleneck"] for trial in search.trials]
    assert sizes[0] == 48  # its default
    assert sorted(sizes) == [8, 16, 48, 64, 128, 256]
    assert [trial.number for trial in search.trials] == list(range(6))


def test_candidates_cover_the_learning_rates_evenly():
    space = {"learning_rate": LogRange(1e-4, 1e-2), "r": (4, 8)}
    points = list(itertools.islice(sobol_points(space), 32))
    places = [math.log10(point["learning_rate"]) for point in points]
    for low in (-4.0, -3.5, -3.0, -2.5):  # a quarter each
        assert 6 <= sum(low <= place < low + 0.5 for place in places) <= 10
    assert 12 <= sum(point["r"] == 4 for point in points) <= 20


@pytest.mark.parametrize(
    ("method", "left"),
    [
        ("head", {"learning_rate"}),
        ("lora", {"learning_rate", "r", "lora_dropout"}),
        ("lora:r=16", {"learning_rate", "lora_dropout"}),
        ("lora:learning_rate=1e-3,lora_dropout=0.1", {"r"}),
        ("lora+bitfit", {"learning_rate", "lora.r", "lora.lora_dropout"}),
        ("lora:r=4+bitfit", {"learning_rate", "lora.lora_dropout"}),
        ("lora:r=4,learning_rate=1e-3+bitfit", {"lora.lora_dropout"}),
        ("zero-shot", set()),
    ],
)
def test_options_given_explicitly_are_not_tuned(method, left):
    assert set(tunable_space(cell(method))) == left


def test_a_part_of_a_composition_is_tuned_inside_it():
    search = make_search(cell("lora+bitfit"), SEARCH_SEED)
    ranks = {trial.hyperparameters["lora"]["r"] for trial in search.trials}
    assert len(ranks) > 2
    assert search.trials[1].hyperparameters["learning_rate"] == search.methods[1].learning_rate


def test_only_the_learning_rate_of_a_config_file_is_tuned(tmp_path):
    path = tmp_path / "adapter_config.json"
    path.write_text('{"peft_type": "LORA", "r": 4, "target_modules": ["query"]}')
    assert set(tunable_space(cell(str(path)))) == {"learning_rate"}


def test_values_that_the_method_refuses_are_not_tried():
    class Picky(type(resolve_method("lora"))):
        def refuses(self, backbone, task, budget):
            return "too large" if self.r > 8 else None

    picky = dataclasses.replace(cell("lora"), unresolved=Picky())
    assert tunable_space(picky)["r"] == (2, 4, 8)


def test_nothing_is_searched_if_nothing_is_open_or_asked_for():
    assert make_search(cell("zero-shot"), SEARCH_SEED) is None
    assert make_search(cell("bitfit:learning_rate=1e-3"), SEARCH_SEED) is None
    assert make_search(cell("lora", trials=0), SEARCH_SEED) is None


def test_rungs_are_at_a_fifth_and_a_half_but_not_in_warm_up_or_at_the_end():
    assert rungs(900) == [180, 450]
    assert rungs(60) == [16, 30]
    assert rungs(32) == [16]
    assert rungs(16) == []


@pytest.mark.parametrize(
    ("earlier", "needed"),
    [
        ([], None),
        ([0.5], 0.5),
        ([0.5, 0.7], 0.7),
        ([0.5, 0.7, 0.6], 0.6),
        ([0.5, 0.7, 0.6, 0.1, 0.2], 0.6),
        ([0.5, 0.7, 0.6, 0.1, 0.2, 0.3], 0.5),
    ],
)
def test_a_trial_among_the_best_third_continues(earlier, needed):
    assert rung_threshold(earlier) == needed
