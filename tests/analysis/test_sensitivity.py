"""Sensitivity: the importance of hyperparameters, and the share of the space that does well."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from whichpeft.analysis.search import read_search
from whichpeft.analysis.sensitivity import robustness, sensitivity_of, varied_hyperparameters
from whichpeft.analysis.statistics.intervals import share_interval

from .. import builders


def searched(score, *, trials=24, **fixed):
    """Return a search with scores from `score`, a function of learning rate and rank."""
    rng = np.random.default_rng(0)
    records = []
    for number in range(trials):
        rate, rank = float(10 ** rng.uniform(-4, -2)), int(rng.choice([2, 4, 8, 16]))
        values = {"learning_rate": rate, "r": rank, "lora_alpha": 2 * rank, "weight_decay": 0.0, **fixed}
        records.append(builders.tuned("lora", number, score(rate, rank), hyperparameters=values))
    return read_search("lora", records)


def by_name(found):
    return {one.name: one.importance for one in found.hyperparameters}


def test_the_important_hyperparameter_is_found():
    by_rate = sensitivity_of(searched(lambda rate, rank: 0.8 - 0.1 * abs(np.log10(rate) + 3)))
    assert by_rate.unknown is None
    assert by_name(by_rate)["learning_rate"] > 0.5
    assert by_name(by_rate)["r"] < 0.25
    by_rank = sensitivity_of(searched(lambda rate, rank: 0.5 + 0.1 * np.log2(rank)))
    assert by_name(by_rank)["r"] > 0.9
    assert [one.name for one in by_rank.hyperparameters] == ["r", "learning_rate"]


def test_a_learning_rate_counts_on_its_log_scale():
    """On a linear scale nine tenths of the space would be above the step, which would hide it."""
    found = sensitivity_of(searched(lambda rate, rank: 0.8 if rate > 1e-3 else 0.2))
    assert by_name(found)["learning_rate"] > 0.9


def test_varied_hyperparameters_name_what_follows_from_them():
    search = searched(lambda rate, rank: 0.5, targets=["q", "v"])
    rate, rank = varied_hyperparameters(search)
    assert (rate.name, rate.log, rate.alike) == ("learning_rate", True, ())
    assert (rank.name, rank.log, rank.alike) == ("r", False, ("lora_alpha",))
    assert len(rank.values) == 24


def test_options_of_a_composition_have_the_prefix_of_their_part():
    records = [
        builders.tuned(
            "lora+bitfit", n, 0.5, hyperparameters={"learning_rate": 0.1, "bitfit": {}, "lora": {"r": n}}
        )
        for n in range(3)
    ]
    (rank,) = varied_hyperparameters(read_search("lora+bitfit", records))
    assert rank.name == "lora.r"


def test_named_choices_have_an_importance():
    rng = np.random.default_rng(1)
    records = [
        builders.tuned(
            "m", n, {"a": 0.2, "b": 0.8}[kind],
            hyperparameters={"learning_rate": float(rng.uniform(0.1, 1)), "kind": kind},
        )
        for n, kind in enumerate(rng.choice(["a", "b"], size=20).tolist())
    ]  # fmt: skip
    assert by_name(sensitivity_of(read_search("m", records)))["kind"] > 0.9


@pytest.mark.parametrize(
    ("search", "why"),
    [
        (lambda: searched(lambda rate, rank: rate, trials=19), "19 of the 20 scores"),
        (lambda: searched(lambda rate, rank: 0.5), "same score"),
        (
            lambda: read_search("head", [builders.tuned("head", n, 0.5 + n / 100) for n in range(20)]),
            "only learning_rate varied",
        ),
    ],
)
def test_missing_importances_have_a_reason(search, why):
    found = sensitivity_of(search())
    assert why in found.unknown
    assert set(by_name(found).values()) == {None}


def test_robustness_by_hand():
    records = [
        builders.tuned("lora", 0, 0.800),  # the default may be the best, but is not part of the sample
        builders.tuned("lora", 1, 0.790),
        builders.tuned("lora", 2, 0.795),
        builders.tuned("lora", 3, 0.789),
        builders.tuned("lora", 4, 0.792, status="stopped"),
        builders.tuned("lora", 5, 0.500, status="stopped"),
        builders.ended("lora", "failed", "out of memory", purpose="tune", number=6),
    ]
    found = robustness(read_search("lora", records))
    assert (found.within, found.of, found.stopped) == (3, 6, 1)
    assert (found.low, found.high) == share_interval(3, 6)
    assert found.share == 0.5
    assert robustness(read_search("lora", records[:1])) is None
    assert robustness(read_search("lora", records[4:6])) is None


def test_wilsons_interval():
    # Agresti and Coull (1998) have the values for 0 and 5 of 10.
    assert share_interval(0, 10) == (0.0, pytest.approx(0.2775, abs=5e-4))
    assert share_interval(5, 10) == (pytest.approx(0.2366, abs=5e-4), pytest.approx(0.7634, abs=5e-4))
    assert share_interval(10, 10) == (pytest.approx(0.7225, abs=5e-4), pytest.approx(1.0))


def test_importing_the_analysis_loads_no_slow_libraries():
    code = (
        "import sys, whichpeft.analysis; "
        "print([m for m in ('optuna', 'sklearn', 'scipy', 'altair') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
