"""The live page: only for a browser on this machine, and as full as the run folder."""

from __future__ import annotations

import http.client
import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from whichpeft.engine import FinalWork, Progress, Result
from whichpeft.executors import SilentObserver
from whichpeft.records import Arm, Entrant, Race, Stage, Store
from whichpeft.running.live_page import LivePage

from .. import builders
from ..forks import Forks


def fetch(address: str) -> str:
    with urlopen(address, timeout=30) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        text: str = answer.read().decode()
    return text


def told(live: LivePage) -> dict[str, Any]:
    """Return what a page gets about the progress of its run."""
    answer: dict[str, Any] = json.loads(fetch(f"{live.address}progress"))
    return answer


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "run")
    store.keep_study(builders.study(["full", "lora:r=8"]))
    return store


def test_the_page_fills_except_while_costs_are_measured(store: Store) -> None:
    with LivePage(store.folder) as live:
        assert "being prepared" in fetch(live.address)
        store.add(builders.profile("full", seconds=9))
        store.add(builders.final("full", 0, 0.81))
        first = fetch(live.address)
        assert "81.0" in first
        assert "connect-src 'self'" in first
        version = told(live)["version"]
        assert version in first
        observer = live.followed_by(SilentObserver())
        observer.start_stage("profile", [], done=0, concurrency=1)
        store.add(builders.final("full", 1, 0.85))
        assert told(live)["version"] == version
        observer.start_stage("final", [], done=0, concurrency=1)
        assert told(live)["version"] != version
        assert "83.0" in fetch(live.address)


def test_the_page_says_how_far_the_run_is_and_how_long_it_takes(store: Store) -> None:
    records = [builders.final("full", seed, 0.8) for seed in range(4)]
    jobs: list[Any] = [SimpleNamespace(trial=record.trial, work=FinalWork()) for record in records]
    names = {job.trial.fingerprint: 20.0 for job in jobs}
    with LivePage(store.folder, lambda: 125.0) as live:
        waiting = fetch(live.address)
        assert "The study is being prepared" in waiting
        assert "connect-src 'self'" in waiting
        assert told(live)["title"] == "preparing"
        observer = live.followed_by(SilentObserver())
        observer.estimate(names)
        observer.start_stage("final", jobs, done=2, concurrency=2)
        observer.started(jobs[0])
        observer.progressed(jobs[0], Progress(phase="fit", epoch=1.5))
        now = told(live)
        assert now["title"] == "training and testing"
        assert now["words"] == "0 of 4 trials, 2 done before, 2 side by side, about 35 s left"
        assert now["whole"] == "the race ends in 2 min 5 s at the latest"
        assert now["running"] == ["full on glue/sst2, minilm, seed 0: fit, epoch 1.5/3"]
        observer.finished(jobs[0], Result(record=records[0]))
        now = told(live)
        assert (now["ended"], now["count"], now["running"]) == (1, 4, [])


def test_the_page_follows_a_race_that_has_decided_something(store: Store) -> None:
    race = Race(entrants=(Entrant(method="full", candidates=1),), rungs=(16, 32, 64))
    stage = Stage(name="screen", step=16, arms=(Arm(method="full"),))
    with LivePage(store.folder) as live:
        store.keep_race(race)
        first = told(live)["version"]
        store.keep_race(replace(race, stages=(stage,)))
        assert told(live)["version"] != first
        assert "1 method raced: 1 still races." in fetch(live.address)


def test_a_request_without_the_token_or_from_another_host_gets_nothing(store: Store) -> None:
    store.add(builders.final("full", 0, 0.81))
    with LivePage(store.folder) as live:
        parts = urlsplit(live.address)
        for path in ("/", "/guess/", f"{parts.path}../study.yaml", f"{parts.path}x", "/%2e%2e/"):
            with pytest.raises(HTTPError) as refused:
                urlopen(f"http://{parts.netloc}{path}", timeout=10)
            assert refused.value.code == 404
        asked = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        asked.putrequest("GET", parts.path, skip_host=True)
        asked.putheader("Host", "evil.example")
        asked.endheaders()
        assert asked.getresponse().status == 403
        asked.close()
        others = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
        for address in {str(other) for other in others} - {"127.0.0.1"}:
            with pytest.raises((ConnectionError, TimeoutError)):
                socket.create_connection((address, parts.port or 0), timeout=2).close()
        first, second = live.address, None
    with LivePage(store.folder) as live:
        second = live.address
    assert urlsplit(first).path != urlsplit(second).path


@pytest.mark.slow
def test_a_run_prints_the_address_of_its_page(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    run = forks.start(
        *("run", "--backbone", str(tiny_backbone), "--task", str(reviews), "--serve"),
        *(
            "--method",
            "full",
            "--epochs",
            "30",
            "--seeds",
            "1",
            "--device",
            "cpu",
            "--out",
            str(tmp_path),
        ),
    )
    try:
        deadline, said = time.monotonic() + 60, ""
        while "live page" not in said and time.monotonic() < deadline:
            time.sleep(0.05)
            said = run.said[1].read_text()
        address = next(line for line in said.splitlines() if "live page" in line).split()[-1]
        while "being prepared" in fetch(address) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "full" in fetch(address)
    finally:
        run.communicate(timeout=120)
    assert run.returncode == 0
    with pytest.raises(URLError):
        urlopen(address, timeout=5)
