"""Backbones and encoded tasks on their way to the nodes of a Ray cluster: to each of them once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ray

from whichpeft.executors import ray_worker
from whichpeft.executors.nodes import Node, here
from whichpeft.executors.parcels import Parcel, pack_backbone, pack_data

_LIES_HERE = ray.remote(ray_worker.lies_here)
_DELIVER = ray.remote(ray_worker.deliver)
_CLEAR_AWAY = ray.remote(ray_worker.clear_away)
_PATIENCE = 10.0  # seconds that clearing away may take


class Delivery:
    """What was sent where. A file is put into Ray's object store once, for all nodes that need it."""

    def __init__(self) -> None:
        self._parcels: dict[Path, Parcel] = {}
        self._contents: dict[Path, list[Any]] = {}

    def to(self, node: Node, source: Path) -> Any:
        """Return a reference to where a folder lies on a node; what the node does not see is sent there.

        source: a backbone's folder, or that of an encoded task. Raises ray.exceptions.RayError where the
        node is gone.
        """
        if source not in node.folders:
            if source not in self._parcels:
                pack = pack_data if (source / "task.pickle").is_file() else pack_backbone
                self._parcels[source] = pack(source, str(len(self._parcels)))
            parcel, options = self._parcels[source], {"num_cpus": 0, **here(node.name)}
            if ray.get(_LIES_HERE.options(**options).remote(parcel)):
                node.folders[source] = ray.put(str(parcel.source))
            else:
                node.folders[source] = _DELIVER.options(**options).remote(parcel, self._content(source))
        return node.folders[source]

    def clear_away(self, nodes: Iterable[Node]) -> None:
        """Delete what was sent, on nodes that are still there."""
        used = [node for node in nodes if node.folders]
        tasks = [_CLEAR_AWAY.options(num_cpus=0, **here(node.name)).remote() for node in used]
        with contextlib.suppress(ray.exceptions.RayError):
            if tasks:
                ray.wait(tasks, num_returns=len(tasks), timeout=_PATIENCE)

    def _content(self, source: Path) -> list[Any]:
        if source not in self._contents:
            parcel = self._parcels[source]
            self._contents[source] = [
                ray.put((parcel.source / stamp.name).read_bytes()) for stamp in parcel.stamps
            ]
        return self._contents[source]
