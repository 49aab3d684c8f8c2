"""Energy is read from a folder of counters like that of Linux; without counters there is no reading."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from whichpeft.engine.profiling.energy import RaplCounter, StepEnergy, find_counter


def zone(folder: Path, number: str, name: str, microjoules: int, span: int = 1_000_000) -> Path:
    made = folder / f"intel-rapl:{number}"
    made.mkdir(parents=True)
    (made / "name").write_text(f"{name}\n")
    (made / "max_energy_range_uj").write_text(f"{span}\n")
    (made / "energy_uj").write_text(f"{microjoules}\n")
    return made / "energy_uj"


def test_packages_and_memory_add_up_and_counters_may_wrap(tmp_path: Path) -> None:
    package = zone(tmp_path, "0", "package-0", 900_000)
    memory = zone(tmp_path, "0:1", "dram", 0)
    cores = zone(tmp_path, "0:0", "core", 0)
    platform = zone(tmp_path, "1", "psys", 0)
    counter = RaplCounter(tmp_path)
    assert counter.joules() == 0
    for path in (cores, platform):  # a part of the package, and the platform that includes it
        path.write_text("999999")
    package.write_text("950000")
    assert counter.joules() == pytest.approx(0.05)
    package.write_text("20000")  # past its range of one joule, so it started again at 0
    memory.write_text("500000")
    assert counter.joules() == pytest.approx(0.05 + 0.07 + 0.5)
    assert counter.joules() == pytest.approx(0.62)


def test_without_a_counter_there_is_no_reading(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no energy counter"):
        RaplCounter(tmp_path)
    zone(tmp_path, "0:0", "core", 5)
    with pytest.raises(OSError, match="no energy counter"):
        RaplCounter(tmp_path)
    assert find_counter(torch.device("meta")) is None


def test_a_counter_without_permission_gives_no_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zone(tmp_path, "0", "package-0", 5)
    path.unlink()  # not by permissions, since tests may run as root
    monkeypatch.setattr(
        "whichpeft.engine.profiling.energy.RaplCounter.__init__.__defaults__", (tmp_path,)
    )
    assert find_counter(torch.device("cpu")) is None


class Slow:
    """A counter of a device that draws 300 W, which changes only every tenth of a second."""

    def __init__(self, clock: Clock, interval: float = 0.1) -> None:
        self._clock, self._interval = clock, interval

    def joules(self) -> float:
        return 300 * self._interval * (self._clock.now // self._interval)


class Clock:
    now = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("whichpeft.engine.profiling.energy.time.perf_counter", lambda: found.now)
    return found


@pytest.mark.parametrize("seconds", [0.015, 0.13, 1.7, 9.0])
def test_a_step_is_counted_between_changes_of_a_slow_counter(clock: Clock, seconds: float) -> None:
    energy = StepEnergy(Slow(clock))  # type: ignore[arg-type]
    while energy.needs_more:
        clock.now += seconds
        energy.stepped()
    if seconds < 6:
        assert energy.per_step() == pytest.approx(300 * seconds, rel=0.06)
        assert clock.now < 2 + 3 * max(seconds, 0.1)
    for _ in range(3):  # a long step is timed at least three times
        clock.now += seconds
        energy.stepped()
    assert energy.per_step() == pytest.approx(300 * seconds, rel=0.06)


def test_a_counter_that_hardly_changes_gives_no_energy(clock: Clock) -> None:
    energy = StepEnergy(Slow(clock, interval=100.0))  # type: ignore[arg-type]
    while energy.needs_more:
        clock.now += 0.02
        energy.stepped()
    assert clock.now < 7
    assert energy.per_step() is None
