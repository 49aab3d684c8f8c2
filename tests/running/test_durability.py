"""Whatever happens to a run, no trial is lost or run twice, and scores are the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from whichpeft.records import Store

from ..forks import Forked, Forks

pytestmark = pytest.mark.slow  # each test starts whole runs


METHODS = ("full:learning_rate=3e-3", "bitfit", "lora:r=2")


def command(
    backbone: Path, data: Path, out: Path, *more: str, methods: tuple[str, ...] = METHODS
) -> list[str]:
    return [
        *("run", "--backbone", str(backbone)),
        *("--task", str(data), "--seeds", "3", "--epochs", "1", "--device", "cpu"),
        *(word for method in methods for word in ("--method", method)),
        *("--out", str(out), *more),
    ]


def start(asked: list[str]) -> subprocess.Popen[str]:
    """Start the command as a user does."""
    return subprocess.Popen(
        [sys.executable, "-m", "whichpeft", *asked],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(forks: Forks, asked: list[str]) -> str:
    done = forks.run(*asked)
    assert done.returncode == 0, done.stderr
    return done.stderr


def scores(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return what every trial gave, except times. Raises RecordError at a damaged record."""
    return {
        record.trial.fingerprint: (
            record.trial.purpose,
            record.outcome.status,
            record.value("score"),
            record.value("validation_score"),
        )
        for record in Store(folder)
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "records").glob("*.json")}


def wait_for_records(folder: Path, count: int, process: Forked | subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while len(contents(folder)) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.fixture(scope="module")
def undisturbed(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    finish(forks, command(tiny_backbone, reviews, out))
    return out


def check_nothing_is_left(out: Path) -> None:
    assert not list(out.rglob("*.part"))
    assert not list((out / "claims").glob("*.claim"))
    assert not list(out.glob("checkpoints/*"))


def test_a_study_killed_thirty_times_gives_the_same_scores(
    forks: Forks, undisturbed: Path, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    moments, kills = random.Random(7), 0
    while kills < 30:  # in as many studies as that takes; each of them is finished
        out = tmp_path / f"after-{kills}"
        asked = command(tiny_backbone, reviews, out, "--quiet")
        kept: dict[str, bytes] = {}
        while kills < 30:
            process = forks.start(*asked)
            # Either shortly after one more record, or at any moment, even during the start.
            if kills % 3 == 0:
                wait_for_records(out, len(kept) + 1, process)
                time.sleep(moments.uniform(0, 0.3))
            else:
                time.sleep(moments.uniform(0, 1.5))
            if process.poll() is not None:
                break
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            assert kept.items() <= contents(out).items()  # records that exist stay as they are
            kept = contents(out)
            kills += 1
        finish(forks, asked)
        assert kept.items() <= contents(out).items()
        assert scores(out) == scores(undisturbed)
        check_nothing_is_left(out)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_on_one_folder_share_the_trials(
    processes: int, forks: Forks, undisturbed: Path, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    asked = command(tiny_backbone, reviews, tmp_path, "--jobs", "1")
    runs = [forks.start(*asked) for _ in range(processes)]
    said = [run.communicate(timeout=400)[1] for run in runs]
    assert [run.returncode for run in runs] == [0] * processes, said
    assert scores(tmp_path) == scores(undisturbed)
    check_nothing_is_left(tmp_path)
    ended = [line for text in said for line in text.splitlines() if line.startswith("[")]
    trials = [line for line in ended if "zero-shot" not in line or "seed" in line]
    assert len(ended) == len(contents(tmp_path))  # each trial ended in only one process
    assert trials
    # More than one process ran final trials.
    assert sum("seed" in text for text in said) >= 2


def test_processes_share_a_tuned_study(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    tuned = ("--tuning-trials", "4", "--jobs", "1", "--seeds", "1")
    methods = ("bitfit", "lora:r=2")
    finish(forks, command(tiny_backbone, reviews, alone, *tuned, methods=methods))
    asked = command(tiny_backbone, reviews, shared, *tuned, methods=methods)
    runs = [forks.start(*asked) for _ in range(2)]
    said = [run.communicate(timeout=400)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert scores(shared) == scores(alone)
    assert sum(len([x for x in s.splitlines() if x.startswith("[")]) for s in said) == len(scores(alone))


def test_a_method_added_during_tuning_is_profiled_between_trials(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    tuned = ("--tuning-trials", "6", "--jobs", "1", "--seeds", "1")
    methods = ("bitfit", "lora:r=2")
    asked = command(tiny_backbone, reviews, tmp_path, *tuned, methods=methods)
    first = forks.start(*asked)
    wait_for_records(tmp_path, 5, first)  # three profiles, and a search is running
    second = forks.start(*asked, "--method", "head")
    said = [run.communicate(timeout=300)[1] for run in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert "head" in {record.trial.method_id for record in Store(tmp_path)}
    check_nothing_is_left(tmp_path)


def test_another_process_runs_the_trials_of_a_killed_one(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    asked = command(tiny_backbone, reviews, tmp_path, "--jobs", "1")
    first = forks.start(*asked)
    wait_for_records(tmp_path, 6, first)  # four profiles, and trials are running
    second = forks.start(*asked)
    time.sleep(1)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    _, said = second.communicate(timeout=200)
    assert second.returncode == 0, said
    assert len(scores(tmp_path)) == 4 + 12
    finish(
        forks, asked
    )  # a run that is alone in the folder deletes what a killed process had half written
    check_nothing_is_left(tmp_path)


def test_a_damaged_record_is_set_aside_and_its_trial_runs_again(
    forks: Forks, undisturbed: Path, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    subprocess.run(["cp", "-r", str(undisturbed), str(out)], check=True)
    before = scores(out)
    finals = sorted(r.trial.fingerprint for r in Store(out) if r.trial.purpose == "final")
    cut, empty = (out / "records" / f"{name}.json" for name in finals[:2])
    cut.write_bytes(cut.read_bytes()[:200])
    empty.write_bytes(b"")
    shown = forks.run("report", str(out))
    assert shown.returncode == 0, shown.stderr
    assert "Traceback" not in shown.stderr
    assert cut.name in shown.stdout.replace("\n", "") + shown.stderr
    said = finish(forks, command(tiny_backbone, reviews, out))
    assert said.count("its trial runs again") == 2
    assert scores(out) == before
    assert {path.name for path in (out / "set-aside").iterdir()} == {cut.name, empty.name}


def test_a_record_of_a_later_version_is_refused_and_kept(
    forks: Forks, undisturbed: Path, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    subprocess.run(["cp", "-r", str(undisturbed), str(out)], check=True)
    path = next((out / "records").glob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    done = forks.run(*command(tiny_backbone, reviews, out))
    assert done.returncode == 2
    assert "update whichpeft" in done.stderr
    assert path.is_file()


def test_a_killed_run_leaves_no_process_behind_and_resumes(
    forks: Forks, undisturbed: Path, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    """Only the run is killed, not its trials nor the server that they are forked from."""
    asked = command(tiny_backbone, reviews, tmp_path)
    run = start(asked)
    wait_for_records(tmp_path, 6, run)  # four profiles, and trials are running
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=30)  # waits until no process holds its outputs
    kept = contents(tmp_path)
    assert 6 <= len(kept) < len(contents(undisturbed))
    said = finish(forks, asked)
    assert "done before" in said
    assert kept.items() <= contents(tmp_path).items()
    assert scores(tmp_path) == scores(undisturbed)
    check_nothing_is_left(tmp_path)


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_ended_by_a_signal_leaves_checkpoints_and_resumes(
    ending: signal.Signals, code: int, forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    more = ("--epochs", "60", "--seeds", "1", "--jobs", "1")
    asked = command(tiny_backbone, reviews, tmp_path, *more, methods=("bitfit",))
    # SIGINT as from a terminal, with a server between the run and its trials; SIGTERM without one.
    run = start(asked) if ending == signal.SIGINT else forks.start(*asked)
    wait_for_records(tmp_path, 2, run)  # the profiles; then a trial of several seconds begins
    time.sleep(1)
    os.killpg(run.pid, ending)
    _, said = run.communicate(timeout=60)
    assert run.returncode == code, said
    assert "The same command resumes the run" in said
    assert "Traceback" not in said
    (kept,) = (tmp_path / "checkpoints").iterdir()
    assert not list((tmp_path / "claims").glob("*.claim"))
    finish(forks, asked)
    resumed = [r for r in Store(tmp_path) if r.value("resumed")]
    assert [r.trial.fingerprint for r in resumed] == [kept.stem]
    assert all(r.outcome.status == "completed" for r in Store(tmp_path))
    check_nothing_is_left(tmp_path)


def test_ctrl_c_twice_ends_immediately(tiny_backbone: Path, reviews: Path, tmp_path: Path) -> None:
    more = ("--epochs", "300", "--seeds", "1")
    run = start(command(tiny_backbone, reviews, tmp_path, *more, methods=("bitfit",)))
    wait_for_records(tmp_path, 2, run)
    time.sleep(2)
    os.killpg(run.pid, signal.SIGINT)
    time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    began = time.monotonic()
    _, said = run.communicate(timeout=60)
    assert time.monotonic() - began < 20
    assert run.returncode in (130, -signal.SIGINT), said
    assert "Traceback" not in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of 600 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_reported_and_written_files_are_whole(
    forks: Forks, small_disk: Path, tiny_backbone: Path, reviews: Path
) -> None:
    out = small_disk / "out"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(520_000))
    asked = command(tiny_backbone, reviews, out, "--seeds", "1")
    done = forks.run(*asked)
    assert done.returncode == 1, done.stderr
    assert "No space left" in done.stderr
    assert "free some space and run the command again" in done.stderr
    assert "Traceback" not in done.stderr
    kept = scores(out)
    assert not list(out.rglob("*.part"))
    ballast.unlink()
    again = forks.run(*asked)
    assert "Traceback" not in again.stderr
    assert kept.items() <= scores(out).items()
    assert len(scores(out)) == 4 + 4


def test_data_deleted_after_the_start_are_not_needed(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    data = tmp_path / "reviews"
    subprocess.run(["cp", "-r", str(reviews), str(data)], check=True)
    out = tmp_path / "out"
    asked = command(tiny_backbone, data, out, "--seeds", "1")
    run = forks.start(*asked)
    wait_for_records(out, 1, run)
    for path in data.iterdir():
        path.unlink()
    _, said = run.communicate(timeout=200)
    assert run.returncode == 0, said
    again = forks.run(*asked)
    assert again.returncode == 2
    assert str(data) in again.stderr
    assert "Traceback" not in again.stderr
