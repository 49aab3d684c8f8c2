"""What other processes take of a profile's processors is read, waited for, and recorded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from whichpeft.engine.compute import Compute
from whichpeft.engine.meter import Meter
from whichpeft.engine.process_group import ALONE
from whichpeft.engine.profiling import other_work as module
from whichpeft.engine.profiling.other_work import OtherWork, read_gpu_use, share_taken
from whichpeft.engine.profiling.timing_rounds import fact
from whichpeft.records import Measurement

CPU = Compute(torch.device("cpu"), "float32")


@pytest.mark.parametrize(
    ("others", "cores", "needed", "share"),
    [
        (0.0, 2, 2, 0.0),
        (1.0, 2, 1, 0.0),  # one core is left, and one is enough
        (1.5, 2, 1, 0.5),
        (1.5, 2, 2, 0.75),
        (8.0, 8, 4, 1.0),
        (-0.1, 2, 2, 0.0),  # the counters tick
    ],
)
def test_only_work_on_cores_that_are_needed_counts(
    others: float, cores: int, needed: int, share: float
) -> None:
    assert share_taken(3 * others, 3.0, cores, needed) == pytest.approx(share)


class Machine:
    """Two cores whose other work a test sets, and a clock that only moves when time is spent."""

    def __init__(self, others: Iterator[float]) -> None:
        self.now = self.worked = self.own = 0.0
        self._others = others

    def spend(self, seconds: float, own: float = 0.0) -> None:
        self.now += seconds
        self.own += own * seconds
        self.worked += (own + next(self._others)) * seconds

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.spend(seconds)

    def counters(self) -> Any:
        return module._Counters(self.now, self.worked, self.own)


def watched(
    monkeypatch: pytest.MonkeyPatch, others: list[float], patience: float = 10.0, threads: int = 2
) -> dict[str, float]:
    """Measure steps on a machine on which others use so many cores, in this order of readings."""
    machine = Machine(iter(others))
    monkeypatch.setattr(module, "time", machine)
    monkeypatch.setattr(module, "_counters", machine.counters)
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    measured = iter(range(1, 9))

    def read() -> list[Measurement]:
        machine.spend(1.0, own=0.5)
        return [fact("reading", next(measured), "count")]

    work = OtherWork(CPU, threads, ALONE, Meter(), patience)
    found = [*work.watch("taken_share", read), *work.measurements()]
    return {m.name: m.value for m in found}


def test_on_a_quiet_machine_nothing_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(monkeypatch, [0.1]) == {"reading": 1, "taken_share": pytest.approx(0.05)}


def test_it_is_measured_again_once_others_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    found = watched(monkeypatch, [1.2, 2.0, 2.0, 0.0, 0.06])
    assert found == {"reading": 2, "taken_share": pytest.approx(0.03), "waited_seconds": 0.75}


def test_the_least_disturbed_reading_counts_and_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = watched(monkeypatch, [1.2, 0.0, 0.8, 0.0, 1.0])
    assert found == {"reading": 2, "taken_share": pytest.approx(0.4), "waited_seconds": 0.5}


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    found = watched(monkeypatch, [1.2, *[2.0] * 4], patience=0.9)
    assert found == {"reading": 1, "taken_share": pytest.approx(0.6), "waited_seconds": 0.9}
    assert watched(monkeypatch, [1.2], patience=0) == {"reading": 1, "taken_share": pytest.approx(0.6)}


def test_one_thread_needs_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(monkeypatch, [1.0], threads=1)["taken_share"] == pytest.approx(0)


def test_a_system_that_counts_nothing_gives_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(monkeypatch, [-0.5]) == {"reading": 1}


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux's own account")
def test_the_share_is_the_time_that_this_process_waits_for_a_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With another process on the only core, about half of the time, and more on a busy machine."""

    def waited() -> float:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9

    monkeypatch.setattr(module, "_REPEATS", 0)
    spans: list[float] = []

    def read() -> list[Measurement]:
        before, began = waited(), time.perf_counter()
        while time.perf_counter() - began < 1.0:
            pass
        spans.append((waited() - before) / (time.perf_counter() - began))
        return []

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)
        (found,) = OtherWork(CPU, 1, ALONE, Meter(), 0).watch("taken_share", read)
    finally:
        other.kill()
        other.wait()
        os.sched_setaffinity(0, cores)
    assert found.value > 0.3
    assert found.value == pytest.approx(spans[0], abs=0.1)


@pytest.mark.parametrize(("answer", "use"), [("37", 0.37), ("[N/A]", None), (None, None)])
def test_the_use_of_a_gpu_is_asked_from_its_driver(
    answer: str | None, use: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer is not None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f'#!/bin/sh\n[ "$1" = --id=GPU-1234 ] && echo "{answer}"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if answer else str(tmp_path))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1234"))
    assert read_gpu_use(torch.device("cuda:0")) == use


def test_a_gpu_that_others_stop_using_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = iter([0.9, 0.5, 0.02])
    monkeypatch.setattr(module, "read_gpu_use", lambda device: next(uses))
    monkeypatch.setattr(module, "time", Machine(iter([0.0] * 9)))
    work = OtherWork(Compute(torch.device("cuda"), "bfloat16"), 1, ALONE, Meter(), 0)
    assert {m.name: m.value for m in work.measurements()} == {
        "gpu_taken_share": 0.02,
        "waited_seconds": 1.0,
    }
