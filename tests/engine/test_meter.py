"""Time by phase adds up to the wall time."""

import time

import pytest

from whichpeft.engine.meter import Meter, with_margins


def test_phases_add_up_to_the_total() -> None:
    began = time.perf_counter()
    meter = Meter()
    with meter.phase("fit"):
        time.sleep(0.05)
        with meter.phase("validate"):
            time.sleep(0.03)
    measured = {(m.name, m.phase): m.value for m in meter.measurements("trial")}
    wall = time.perf_counter() - began
    total = measured.pop(("total_seconds", "all"))
    assert sum(measured.values()) == pytest.approx(total)
    assert total == pytest.approx(wall, rel=0.02, abs=0.02)
    assert measured["seconds", "fit"] >= 0.05
    assert measured["seconds", "validate"] >= 0.03


def test_after_a_failure_the_meter_stays_in_its_phase() -> None:
    meter = Meter()
    with pytest.raises(ValueError, match="broken"), meter.phase("fit"):
        raise ValueError("broken")
    assert meter.phase_now == "fit"


def test_seconds_outside_the_meter_are_added() -> None:
    meter = Meter()
    with meter.phase("fit"):
        time.sleep(0.01)
    inside = {(m.name, m.phase): m.value for m in meter.measurements("trial")}
    widened = with_margins(meter.measurements("trial"), before=2.0, after=3.0)
    whole = {(m.name, m.phase): m.value for m in widened}
    assert whole["seconds", "fit"] == inside["seconds", "fit"]
    assert whole["seconds", "set-up"] == pytest.approx(2.0, abs=0.5)
    assert whole["seconds", "save"] == pytest.approx(3.0)
    total = whole.pop(("total_seconds", "all"))
    assert total == pytest.approx(sum(whole.values()))
    assert with_margins((), before=2.0, after=3.0) == ()


def test_a_meter_may_begin_before_it_is_created() -> None:
    meter = Meter(began=time.perf_counter() - 5)
    assert meter.elapsed >= 5
    seconds = {m.phase: m.value for m in meter.measurements("trial") if m.name == "seconds"}
    assert seconds["set-up"] >= 5


def test_a_clock_that_jumps_does_not_change_the_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    meter = Meter()
    with meter.phase("fit"):
        monkeypatch.setattr(time, "time", lambda: now() - 86_400)
        time.sleep(0.05)
    monkeypatch.setattr(time, "time", lambda: now() + 86_400)
    found = {(m.name, m.phase): m.value for m in meter.measurements("trial")}
    assert 0.05 <= found["seconds", "fit"] < 5
    assert found["total_seconds", "all"] < 10
