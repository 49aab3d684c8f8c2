"""A whole race: it is decided once, whoever runs it and whatever interrupts it."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from tests.forks import Forks

import whichpeft as wp
from whichpeft.executors import SilentObserver
from whichpeft.records import Store
from whichpeft.study import dump_study

from .races import METHODS, decisions, results, study


@pytest.fixture(scope="module")
def raced(still_backbone: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("race")
    answer = wp.auto(
        study(still_backbone, reviews, trials=30), out=folder, device="cpu", observer=SilentObserver()
    )
    assert answer.method in METHODS
    return folder


def test_a_race_goes_from_a_quarter_of_training_to_fresh_seeds(raced: Path) -> None:
    race = Store(raced).race()
    assert race is not None
    assert race.rungs == (16, 32, 64)
    assert [stage.step for stage in race.stages if stage.name == "screen"] == [16, 32, 64]
    first, *_, last = race.stages
    assert {arm.method for arm in first.arms} == set(METHODS)
    assert last.name == "finals"
    assert race.ended in ("proved", "all looks")
    assert any(arm.method == "full" for arm in last.arms)  # the baseline
    records = list(Store(raced))
    finals = [record for record in records if record.trial.purpose == "final"]
    assert {record.trial.seed for record in finals} <= {0, 1, 2}
    screened = [record for record in records if record.trial.purpose in ("screen", "tune")]
    assert not {record.trial.seed for record in screened} & {0, 1, 2}
    assert all(record.value("score") is None for record in screened)  # the test set was not read
    assert not list((raced / "checkpoints").glob("*"))


def test_the_same_call_repeats_nothing(raced: Path, still_backbone: Path, reviews: Path) -> None:
    before, kept = decisions(raced), {p.name: p.stat().st_mtime_ns for p in raced.glob("records/*")}
    answer = wp.auto(
        study(still_backbone, reviews, trials=30), out=raced, device="cpu", observer=SilentObserver()
    )
    assert decisions(raced) == before
    assert {p.name: p.stat().st_mtime_ns for p in raced.glob("records/*")} == kept
    assert answer.race


def test_time_ends_a_race_with_a_best_bet(still_backbone: Path, reviews: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    answer = wp.auto(
        study(still_backbone, reviews, within="40s"),
        out=tmp_path,
        device="cpu",
        observer=SilentObserver(),
    )
    assert time.monotonic() - began < 60  # the benchmark holds 5 %; tests share the machine
    assert decisions(tmp_path)["ended"] is not None
    assert re.search("best bet|proved|likely|only choice", str(answer), re.IGNORECASE)


@pytest.mark.slow
def test_killed_races_and_several_processes_come_to_the_same_decisions(
    forks: Forks, raced: Path, still_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    asked = tmp_path / "study.yaml"
    asked.write_text(dump_study(study(still_backbone, reviews, trials=30)))

    def command(out: Path, *more: str) -> list[str]:
        return ["auto", str(asked), "--device", "cpu", "--out", str(out), *more]

    def count(out: Path) -> int:
        return len(list(out.glob("records/*.json")))

    killed = tmp_path / "killed"
    for records in range(3, 200, 6):
        process = forks.start(*command(killed))
        while process.poll() is None and count(killed) < records:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == 0
    shared = tmp_path / "shared"
    runs = [forks.start(*command(shared, "--jobs", "1")) for _ in range(2)]
    said = [run.communicate(timeout=400)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    for folder in (killed, shared):
        assert decisions(folder) == decisions(raced)
        assert results(folder) == results(raced)
        assert not list(folder.glob("checkpoints/*"))
        assert not list(folder.glob("claims/*.claim"))
