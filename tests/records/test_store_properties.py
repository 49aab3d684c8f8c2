"""Any record reads back equal, and trials that differ have different fingerprints."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from whichpeft.records import Measurement, Outcome, Record, Setting, Store
from whichpeft.study import Budget, Conditions, Study, TaskSource, Trial, load_study
from whichpeft.study.load import dump_study

# Without lone surrogates, which UTF-8 cannot encode.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(1, 10**9)
values = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), numbers, words)

budgets = st.builds(
    Budget,
    epochs=counts,
    max_train=st.none() | counts,
    batch_size=counts,
    early_stopping=st.none() | counts,
    tuning_trials=st.integers(0, 100).filter(lambda count: count != 1),
)
conditions = st.builds(
    Conditions,
    precision=st.sampled_from(["auto", "float32"]),
    threads=st.integers(1, 64),
    same_targets=st.booleans(),
    gradient_checkpointing=st.booleans(),
    quantise=st.sampled_from([None, "4bit", "8bit"]),
)
trials = st.builds(
    Trial,
    purpose=st.sampled_from(["profile", "tune", "final"]),
    backbone=words,
    backbone_revision=words,
    task=words,
    data=words,
    method=words,
    method_id=words,
    hyperparameters=st.dictionaries(words, values | st.lists(values, max_size=3), max_size=4),
    seed=st.integers(0, 2**31),
    budget=budgets,
    conditions=conditions,
)
measurements = st.builds(
    Measurement,
    name=words,
    value=numbers,
    unit=words,
    phase=words,
    source=words,
    low=st.none() | numbers,
)
records = st.builds(
    Record,
    trial=trials,
    setting=st.builds(Setting, hardware=st.dictionaries(words, values, max_size=3), device=words),
    outcome=st.builds(
        Outcome, status=st.sampled_from(["completed", "failed"]), reason=st.none() | words
    ),
    measurements=st.lists(measurements, max_size=4).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(record=records)
def test_a_record_reads_back_equal(record: Record) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.add(record)
        assert list(store) == [record]
        assert store.fingerprints() == {record.trial.fingerprint}
        assert store.set_aside() == []


@settings(max_examples=200, deadline=None)
@given(trial=trials, other=trials, place=st.integers(0, 100))
def test_a_fingerprint_holds_only_what_decides_the_result(
    trial: Trial, other: Trial, place: int
) -> None:
    assert trial.fingerprint == dataclasses.replace(trial).fingerprint
    assert trial.fingerprint.isalnum()
    deciding = ["purpose", "backbone_revision", "data", "method_id", "seed", "budget", "conditions"]
    name = deciding[place % len(deciding)]
    changed = dataclasses.replace(trial, **{name: getattr(other, name)})
    same = getattr(other, name) == getattr(trial, name)
    assert (changed.fingerprint == trial.fingerprint) == same
    # The spelling of the method and the order of its options decide nothing.
    typed: dict[str, Any] = {
        "method": other.method,
        "hyperparameters": dict(reversed(trial.hyperparameters.items())),
    }
    assert dataclasses.replace(trial, **typed).fingerprint == trial.fingerprint


names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(
    name=names,
    tasks=st.lists(names, min_size=1, max_size=3, unique=True),
    methods=st.lists(names, min_size=1, max_size=4, unique=True),
    seeds=st.lists(st.integers(0, 1000), min_size=1, max_size=4, unique=True),
    budget=budgets,
    column=st.none() | words.filter(bool),
)
def test_a_study_that_is_written_reads_back_the_same(
    name: str, tasks: list[str], methods: list[str], seeds: list[int], budget: Budget, column: str | None
) -> None:
    study = Study(
        name=name,
        backbone="minilm",
        tasks=tuple(TaskSource(name=task, label_column=column) for task in tasks),
        methods=tuple(methods),
        seeds=tuple(seeds),
        budget=budget,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "study.yaml")
        path.write_text(dump_study(study), encoding="utf-8")
        assert load_study(path) == study
