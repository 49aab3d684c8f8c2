"""Real Ray clusters on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Clusters:
    """Starts clusters whose nodes have one CPU each, and shuts them down again."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch, self._all = patch, []  # type: ignore[var-annotated]

    def start(self, nodes: int, **options: Any) -> Any:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "include_dashboard": False, **options}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        self._all.append(cluster)
        cluster.nodes = [cluster.head_node, *(cluster.add_node(num_cpus=1) for _ in range(nodes - 1))]
        self._patch.setenv("RAY_ADDRESS", cluster.address)
        return cluster

    def shut_down(self) -> None:
        for cluster in self._all:
            cluster.shutdown()


@pytest.fixture(scope="module")
def clusters() -> Iterator[Clusters]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        here = str(Path(__file__).parent)
        patch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
        patch.syspath_prepend(here)
        started = Clusters(patch)
        yield started
        started.shut_down()
