"""Claims: no two processes work on the same trial, and those of a dead process are free again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from whichpeft.records import Claims

HOLD = """
import sys, time
from pathlib import Path
from whichpeft.records import Claims
with Claims(Path(sys.argv[1])) as claims:
    print(claims.take(*sys.argv[2:]), flush=True)
    time.sleep(60)
"""
RACE = """
import sys, time
from pathlib import Path
from whichpeft.records import Claims
with Claims(Path(sys.argv[1])) as claims:
    while not Path(sys.argv[1], "go").exists():
        time.sleep(0.001)
    print(sum(claims.take(f"t{i}") for i in range(100)), flush=True)
    sys.stdin.read()
"""


def start(code: str, *given: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_claim_excludes_others_until_it_is_released(tmp_path: Path) -> None:
    with Claims(tmp_path) as one, Claims(tmp_path) as other:
        assert one.take("a", "b")
        assert not other.take("b", "c")  # all or none
        assert other.take("c")
        assert [claim.name for claim in one.others()] == ["c"]
        holder = other.holder("a")
        assert holder is not None
        assert holder.pid == os.getpid()
        assert other.is_local(holder)
        one.release("a")
        assert other.take("a")
    assert not list((tmp_path / "claims").glob("*.claim"))
    assert not list((tmp_path / "claims").glob("*.owner"))


def test_a_process_knows_whether_it_is_the_only_one(tmp_path: Path) -> None:
    holding = start(HOLD, str(tmp_path), "a")
    assert holding.stdout is not None
    assert holding.stdout.readline() == "True\n"
    with Claims(tmp_path) as claims:
        assert not claims.only_one()
        holding.kill()
        holding.wait()
        assert claims.only_one()


def test_the_claims_of_a_killed_process_are_free_immediately(tmp_path: Path) -> None:
    holding = start(HOLD, str(tmp_path), "a")
    try:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "True\n"
        with Claims(tmp_path) as claims:
            assert not claims.take("a")
            holding.send_signal(signal.SIGKILL)
            holding.wait()
            assert claims.take("a")
            assert claims.others() == []
    finally:
        holding.kill()
        holding.wait()


def test_claims_that_nobody_asks_for_again_are_removed_if_their_owner_is_dead(tmp_path: Path) -> None:
    holding = start(HOLD, str(tmp_path), "done")
    try:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "True\n"
        with Claims(tmp_path) as claims:
            assert claims.take("own")
            claims.remove_dead()
            left = {path.stem for path in (tmp_path / "claims").glob("*.claim")}
            assert left == {"done", "own"}, "both owners live"
            holding.kill()
            holding.wait(timeout=10)
            claims.remove_dead()
            assert {path.stem for path in (tmp_path / "claims").glob("*.claim")} == {"own"}
    finally:
        holding.kill()
        holding.communicate()


def test_racing_processes_take_everything_exactly_once(tmp_path: Path) -> None:
    racers = [start(RACE, str(tmp_path)) for _ in range(4)]
    try:
        time.sleep(0.5)
        (tmp_path / "go").touch()
        taken = [int(racer.stdout.readline()) for racer in racers if racer.stdout is not None]
    finally:
        for racer in racers:
            racer.communicate()
    assert sum(taken) == 100


def test_a_remote_process_without_heartbeat_counts_as_dead(tmp_path: Path) -> None:
    with Claims(tmp_path, expires=5) as claims:
        far = tmp_path / "claims" / "far-1-x.owner"
        far.touch()
        content = {"owner": "far-1-x", "host": "far/boot", "pid": 1}
        (tmp_path / "claims" / "a.claim").write_text(json.dumps(content))
        holder = claims.holder("a")
        assert holder is not None
        assert not claims.is_local(holder)
        assert "process 1 on far" in holder.owner_in_words
        assert not claims.take("a")
        os.utime(far, (time.time() - 60, time.time() - 60))
        assert claims.take("a")


def test_a_living_process_sends_heartbeats(tmp_path: Path) -> None:
    with Claims(tmp_path, expires=0.3):
        (owner,) = (tmp_path / "claims").glob("*.owner")
        os.utime(owner, (0, 0))
        deadline = time.monotonic() + 5
        while owner.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert owner.stat().st_mtime > 0


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"owner": 3}', '{"owner": "x", "host": "y", "pid": "z"}']
)
def test_a_damaged_claim_has_no_owner(tmp_path: Path, content: str) -> None:
    with Claims(tmp_path) as claims:
        (tmp_path / "claims" / "a.claim").write_text(content)
        assert claims.take("a")
