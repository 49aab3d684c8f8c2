"""What a dry run adds up, prints and writes as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whichpeft.cli import app as cli
from whichpeft.costs import TimeRange
from whichpeft.records import Reading
from whichpeft.running.dry_run import DryRun, DryRunRow

EACH = TimeRange(8.2, 10.0, 21.0)
ROW = DryRunRow("minilm", "kinds", "full", 5, (0, 1), 0, 0, EACH, "")
REFUSED = DryRunRow("minilm", "kinds", "bitfit", 0, (), 0, 0, None, "left out: it has no biases")


def planned(busy: str | None) -> DryRun:
    return DryRun(
        rows=(ROW, REFUSED),
        trials=7,
        trials_at_most=7,
        done=0,
        concurrency=2,
        time=ROW.total,
        time_at_most=ROW.total_at_most,
        busy=busy,
        folder=Path("runs"),
        reading=Reading(),
    )


def test_finals_and_shorter_tuning_trials_add_up() -> None:
    assert ROW.total == EACH * (2 + 0.4 * 5)
    assert ROW.total_at_most == ROW.total
    assert REFUSED.total == TimeRange()


def test_json_has_the_time_and_its_range() -> None:
    found = json.loads(planned("times of full are too long").to_json())
    first, second = found["cells"]
    assert [first[key] for key in ("seconds_low", "seconds", "seconds_high")] == [8.2, 10.0, 21.0]
    assert second["seconds"] is second["seconds_low"] is None
    assert (found["seconds_low"], found["seconds"], found["seconds_high"]) == (32.8, 40.0, 84.0)
    assert found["busy"] == "times of full are too long"


@pytest.mark.parametrize("busy", [None, "times of full are too long: other work took 60 %"])
def test_the_table_has_ranges_and_a_busy_machine_is_said(
    busy: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dry_run(*args: Any, **how: Any) -> DryRun:
        return planned(busy)

    monkeypatch.setattr("whichpeft.api.dry_run", dry_run)
    monkeypatch.setattr("sys.argv", ["whichpeft", "run", "--dry-run"])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr()
    text = " ".join(said.out.split())
    assert "8.2 to 21 s" in text
    assert "with 2 in parallel, about 33 to 84 s." in text
    wanted = (
        "Times of full are too long: other work took 60 %. On a quiet machine expect the shorter times."
    )
    assert (wanted in " ".join(said.err.split())) == (busy is not None)
