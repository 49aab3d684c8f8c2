"""The fixture that races are replayed on holds what it says."""

from __future__ import annotations

import numpy as np
import pytest

from .tables import NAMES, frozen, race_table

SIZE = 250_000


def test_the_fixture_stays_small():
    assert sum(path.stat().st_size for path in race_table.FIXTURE.iterdir()) <= SIZE


@pytest.mark.parametrize("name", NAMES)
def test_a_table_has_the_methods_that_its_script_names(name: str):
    table = frozen(name)
    assert sorted(table.methods) == sorted(race_table.TASKS[name][-1].split())
    for method in table.methods:
        numbers = [arm.number for arm in table.arms if arm.method == method]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) <= race_table.CANDIDATES


@pytest.mark.parametrize("name", NAMES)
def test_each_arm_has_every_seed_rung_and_test_example(name: str):
    table = frozen(name)
    shape = (len(table.arms), race_table.SEEDS)
    assert table.scores.shape == table.losses.shape == (*shape, 3)
    assert table.correct.shape[:2] == shape
    assert [step / table.steps[-1] for step in table.steps] == [1 / 4, 1 / 2, 1]
    worked = ~np.isnan(table.scores).any(axis=2)
    assert worked.mean() > 0.95
    # The record of the end has the best epoch, so its score is never below an earlier one.
    assert (table.scores[worked, 2] >= table.scores[worked, 0]).all()


def test_a_record_of_digits_is_found_again():
    """Values of ``ia3:learning_rate=0.0836`` as its run folder has them, seed 0."""
    table = frozen("digits")
    rows, facts = race_table.read_rows(race_table.FIXTURE / "digits.parquet")
    arm = rows["options"].to_list()[:: race_table.SEEDS].index("learning_rate=0.0836")
    assert table.arms[arm].method == "ia3"
    assert table.scores[arm, 0] == pytest.approx([0.818182, 0.896104, 0.935065], abs=1e-6)
    assert table.losses[arm, 0] == pytest.approx([0.589998, 0.520934, 0.363711], abs=1e-6)
    assert table.correct[arm, 0].mean() == pytest.approx(0.9132075)
    assert table.costs[arm] == 1093
    assert (facts["examples"], facts["tests"]) == (1280, 265)
