"""Time by phase adds up to the wall time."""

import time

import pytest

from whichpeft.engine.meter import Meter


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


def test_a_failure_leaves_the_meter_in_its_phase() -> None:
    meter = Meter()
    with pytest.raises(ValueError, match="broken"), meter.phase("fit"):
        raise ValueError("broken")
    assert meter.phase_now == "fit"
