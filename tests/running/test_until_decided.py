"""Runs whose methods get seeds until they are decided: rounds, kills, and seeds added by hand."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import whichpeft as wp
from whichpeft.api import dry_run
from whichpeft.engine import Job, Result
from whichpeft.executors import SilentObserver
from whichpeft.records import Store
from whichpeft.study import UntilDecided, dump_study

from ..forks import Forks

METHODS = ["full:learning_rate=3e-3", "lora:r=2"]
UNTIL = UntilDecided(start=2, at_most=3)  # looks at 2 and 3 seeds


class Told(SilentObserver):
    """Keeps what a run says, and the seeds of the final trials of each round."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.rounds: list[list[int]] = []

    def notify(self, line: str) -> None:
        self.lines.append(line)

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None:
        if name == "final" and jobs:
            self.rounds.append(sorted({job.trial.seed for job in jobs}))


class Interrupted(Told):
    """Interrupts the run after a number of final trials."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def finished(self, job: Job, result: Result) -> None:
        self.left -= job.trial.purpose == "final"
        if self.left == 0:
            raise KeyboardInterrupt


def study(backbone: Path, data: Path, **changes: object) -> wp.Study:
    fields: dict[str, object] = {
        "backbone": str(backbone),
        "task": str(data),
        "methods": METHODS,
        "seeds": UNTIL,
        "budget": wp.Budget(epochs=1),
        "baseline": METHODS[0],
    }
    return wp.Study(**(fields | changes))  # type: ignore[arg-type]


def run(asked: wp.Study, out: Path, told: Told | None = None) -> tuple[wp.Report, Told]:
    told = told or Told()
    return wp.run(asked, out=out, device="cpu", observer=told), told


def finals(folder: Path) -> dict[str, list[int]]:
    """Return the seeds of each method's final trials."""
    found: dict[str, list[int]] = {}
    for record in Store(folder):
        if record.trial.purpose == "final":
            found.setdefault(record.trial.method, []).append(record.trial.seed)
    return {method: sorted(seeds) for method, seeds in found.items()}


def scores(folder: Path) -> dict[str, float | None]:
    return {record.trial.fingerprint: record.value("score") for record in Store(folder)}


@pytest.fixture(scope="module", autouse=True)
def patient() -> Iterator[None]:
    """Give no method up: with a tiny model and few examples, seeds would hardly decide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whichpeft.analysis.looks.judging.FUTILE", 0.0)
        yield


@pytest.fixture(scope="module")
def first(
    tiny_backbone: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Told]:
    folder = tmp_path_factory.mktemp("until-decided")
    _, told = run(study(tiny_backbone, reviews), folder)
    return folder, told


@pytest.fixture
def finished(first: tuple[Path, Told], tmp_path: Path) -> Path:
    """A copy of the finished folder, which a test may change."""
    return Path(shutil.copytree(first[0], tmp_path / "out"))


EVERY = ("full:learning_rate=3e-3", "lora:r=2", "zero-shot")


def test_undecided_methods_get_more_seeds(first: tuple[Path, Told]) -> None:
    folder, told = first
    assert told.rounds == [[0, 1], [2]]
    assert "look 1 of 2: 2 of 2 methods are still undecided; 3 more trials" in told.lines
    assert told.lines[-1] == "seeds until decided: 0 of 2 methods are decided"
    assert finals(folder) == {method: [0, 1, 2] for method in EVERY}
    report = wp.Report.read(folder)
    assert report.study.seeds == UNTIL
    assert {row["verdict"] for row in report.rows} == {"baseline", "undecided"}
    assert {row["status"] for row in report.rows} == {"completed"}
    assert {row["decided_with_seeds"] for row in report.rows} == {None}
    page = (folder / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "2 to 3 seeds each, until it was decided" in page
    assert "ooks at 2 and 3 seeds share the 5 %" in page


def test_a_finished_folder_stays_finished(finished: Path, tiny_backbone: Path, reviews: Path) -> None:
    before = scores(finished)
    _, told = run(study(tiny_backbone, reviews), finished)
    assert (told.rounds, told.lines[-1]) == ([], "seeds until decided: 0 of 2 methods are decided")
    assert scores(finished) == before
    planned = dry_run(study(tiny_backbone, reviews), out=finished, device="cpu")
    assert (planned.trials, planned.trials_at_most) == (0, 0)


def test_a_dry_run_counts_at_least_and_at_most(
    untimed: None, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    planned = dry_run(study(tiny_backbone, reviews, seeds="auto"), out=tmp_path, device="cpu")
    assert (planned.trials, planned.trials_at_most) == (3 * 3, 3 * 12)
    assert planned.seconds_at_most > planned.seconds
    assert planned.time.low < planned.seconds < planned.time.high < planned.time_at_most.high
    assert [(row.seeds, row.more) for row in planned.rows] == [((0, 1, 2), 9)] * 3
    tuned = study(tiny_backbone, reviews, budget=wp.Budget(epochs=1, tuning_trials=4))
    planned = dry_run(tuned, out=tmp_path, device="cpu")
    # The rate of full is given, so that only lora has a search, and two families of final trials.
    assert (planned.trials, planned.trials_at_most) == (4 + 4 * 2, 4 + 4 * 3)


@pytest.mark.parametrize("after", [2, 7])
def test_an_interrupted_run_continues_to_the_same_records(
    after: int, first: tuple[Path, Told], tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(study(tiny_backbone, reviews), tmp_path, Interrupted(after))
    assert len(scores(tmp_path)) < len(scores(first[0]))
    planned = dry_run(study(tiny_backbone, reviews), out=tmp_path, device="cpu")
    assert planned.trials <= 10 - after <= planned.trials_at_most
    run(study(tiny_backbone, reviews), tmp_path)
    assert scores(tmp_path) == scores(first[0])


def test_seeds_beyond_the_last_look_are_one_more_look(
    finished: Path, tiny_backbone: Path, reviews: Path
) -> None:
    report, told = run(study(tiny_backbone, reviews, seeds=4), finished)
    assert finals(finished) == {method: [0, 1, 2, 3] for method in EVERY}
    assert report.study.seeds == (0, 1, 2, 3)
    note = (
        "looks at 2 and 3 seeds have spent the 5 %; all methods are now judged once more with 4 seeds "
        "at 5 %, so up to 10 % of studies err"
    )
    assert note in told.lines
    assert note in report.notes
    # The folder has seeds beyond the last look, so that looks are over.
    report, told = run(study(tiny_backbone, reviews), finished)
    assert report.study.seeds == (0, 1, 2, 3)
    assert told.rounds == []
    assert any("keeps its 4 seeds and one verdict on all" in line for line in told.lines)


def test_seeds_within_the_looks_change_no_verdict(
    finished: Path, tiny_backbone: Path, reviews: Path
) -> None:
    report, told = run(study(tiny_backbone, reviews, seeds=3), finished)
    assert (report.study.seeds, told.rounds) == (UNTIL, [])
    assert any("verdicts stay those of looks at 2 and 3 seeds" in line for line in told.lines)
    assert not any("looks" in note for note in report.notes)


def test_fixed_seeds_may_be_extended_by_looks_or_by_hand(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    _, told = run(study(tiny_backbone, reviews, seeds=2), tmp_path)
    assert not any("studies err" in line for line in told.lines)
    by_hand = Path(shutil.copytree(tmp_path, tmp_path / "by-hand"))
    report, _ = run(study(tiny_backbone, reviews, seeds=3), by_hand)
    assert any("had 2 seeds and has 3 now" in note and "10 %" in note for note in report.notes)
    report, told = run(study(tiny_backbone, reviews), tmp_path)
    assert (report.study.seeds, told.rounds) == (UNTIL, [[2]])
    assert any("come from looks at 2 and 3 seeds, which share the 5 %" in note for note in report.notes)


@pytest.mark.slow
def test_killed_runs_and_several_processes_come_to_the_same_records(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    """In a process of its own, a run gives up what the last look would hardly decide."""
    asked = tmp_path / "study.yaml"
    methods = [*METHODS, "head", "head:learning_rate=2e-3", "bitfit"]
    asked.write_text(dump_study(study(tiny_backbone, reviews, methods=methods, baseline="head")))

    def command(out: Path, *more: str) -> list[str]:
        return ["run", str(asked), "--device", "cpu", "--out", str(out), *more]

    done = forks.run(*command(tmp_path / "whole"))
    assert done.returncode == 0, done.stderr
    assert "seeds until decided: " in done.stderr
    for count in range(2, 100, 4):
        process = forks.start(*command(tmp_path / "killed"))
        while process.poll() is None and len(scores(tmp_path / "killed")) < count:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert scores(tmp_path / "killed") == scores(tmp_path / "whole")
    runs = [forks.start(*command(tmp_path / "shared", "--jobs", "1")) for _ in range(2)]
    said = [run.communicate(timeout=400)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert scores(tmp_path / "shared") == scores(tmp_path / "whole")
