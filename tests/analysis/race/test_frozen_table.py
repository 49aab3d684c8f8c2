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
    methods = dict.fromkeys(method for method, _ in table.arms)
    assert sorted(methods) == sorted(race_table.TASKS[name][-1].split())
    for method in methods:
        numbers = [number for own, number in table.arms if own == method]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) <= race_table.CANDIDATES
    assert all(
        (option == "") == (number == 0)
        for (_, number), option in zip(table.arms, table.options, strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_arm_has_every_seed_rung_and_test_example(name: str):
    table, facts = frozen(name), frozen(name).facts
    shape = (len(table.arms), race_table.SEEDS)
    assert table.scores.shape == table.losses.shape == (*shape, 3)
    assert table.right.shape == (*shape, facts.tests)
    assert [rung / facts.rungs[-1] for rung in facts.rungs] == [1 / 4, 1 / 2, 1]
    worked = ~np.isnan(table.scores).any(axis=2)
    assert worked.mean() > 0.95
    # The record of the end has the best epoch, so its score is never below an earlier one.
    assert (table.scores[worked, 2] >= table.scores[worked, 0]).all()


def test_a_record_of_digits_is_found_again():
    """Values as `whichpeft report` shows them in the run folder that the table was made from."""
    table = frozen("digits")
    arm = table.options.index("learning_rate=0.0836")
    assert table.arms[arm][0] == "ia3"
    assert table.scores[arm, 0] == pytest.approx([0.818182, 0.896104, 0.935065], abs=1e-6)
    assert table.losses[arm, 0] == pytest.approx([0.589998, 0.520934, 0.363711], abs=1e-6)
    assert table.right[arm, 0].mean() == pytest.approx(0.9132075)
