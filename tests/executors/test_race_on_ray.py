"""A race on a Ray cluster comes to the decisions that one machine comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import whichpeft as wp
from whichpeft.engine import Job
from whichpeft.executors import SilentObserver

from ..running.race.races import decisions, results, study
from .conftest import Clusters


@pytest.mark.slow
def test_a_race_on_a_cluster_that_loses_a_node_equals_the_local_one(
    clusters: Clusters, still_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    cluster = clusters.start(3)

    class Loses(SilentObserver):
        screening = lost = False

        def start_stage(self, name: str, jobs: Any, *, done: int, concurrency: int) -> None:
            self.screening = name == "screen"

        def started(self, job: Job) -> None:
            if self.screening and not self.lost:
                self.lost = True
                cluster.remove_node(cluster.nodes[-1], allow_graceful=False)

    observer = Loses()
    asked = study(still_backbone, reviews, trials=30)
    here = wp.auto(asked, out=tmp_path / "here", device="cpu", observer=SilentObserver())
    there = wp.auto(asked, out=tmp_path / "there", executor="ray", device="cpu", observer=observer)
    assert observer.lost
    assert there.method == here.method
    assert decisions(tmp_path / "there") == decisions(tmp_path / "here")
    assert results(tmp_path / "there") == results(tmp_path / "here")
    assert not list(tmp_path.glob("there/checkpoints/*"))
    assert not list(tmp_path.glob("there/claims/*.claim"))
