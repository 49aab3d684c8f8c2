"""Delivers backbones and encoded tasks to the nodes of a Ray cluster, once to each node."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import ray

from whichpeft.executors import ray_worker
from whichpeft.executors.file_bundles import FileBundle, pack_backbone, pack_data
from whichpeft.executors.nodes import Node, here

_IS_HERE = ray.remote(ray_worker.is_here)
_DELIVER = ray.remote(ray_worker.deliver)
_CLEAR_AWAY = ray.remote(ray_worker.clear_away)
_PATIENCE = 10.0  # seconds that clearing away may take


class Delivery:
    """What was delivered to which node.

    A file is put into Ray's object store once, for all nodes that need it.
    """

    def __init__(self) -> None:
        self._bundles: dict[Path, FileBundle] = {}
        self._files: dict[Path, list[ray.ObjectRef]] = {}
        self._seen: dict[Path, dict[str, ray.ObjectRef]] = {}

    def to(self, node: Node, source: Path, nodes: Iterable[Node]) -> ray.ObjectRef:
        """Return a reference to a folder's path on a node; deliver it if the node does not see it.

        Parameters
        ----------
        source
            The folder of a backbone or of an encoded task.
        nodes
            All nodes; they are asked at the same time what they see.

        Raises
        ------
        ray.exceptions.RayError
            If the node has been lost.
        """
        if source not in node.folders:
            if source not in self._bundles:
                pack = pack_data if (source / "task.pickle").is_file() else pack_backbone
                self._bundles[source] = pack(source, str(len(self._bundles)))
            bundle, seen = self._bundles[source], self._seen.setdefault(source, {})
            for other in (node, *nodes):
                if other.name not in seen:
                    is_here = _IS_HERE.options(num_cpus=0, **here(other.name))
                    seen[other.name] = is_here.remote(bundle)
            if ray.get(seen[node.name]):
                node.folders[source] = ray.put(str(bundle.source))
            else:
                deliver = _DELIVER.options(num_cpus=0, **here(node.name))
                node.folders[source] = deliver.remote(bundle, self._sent(source))
        return node.folders[source]

    def failed(self, node: Node) -> str | None:
        """Return why something could not be delivered to a node, or None if no failure is known."""
        for folder in node.folders.values():
            try:
                ray.get(folder, timeout=0)
            except ray.exceptions.GetTimeoutError:
                continue
            except ray.exceptions.RayError as error:
                return " ".join(str(error).split())[-200:]
        return None

    def clear_away(self, nodes: Iterable[Node]) -> None:
        """Delete what was delivered, on nodes that still exist."""
        used = [node for node in nodes if node.folders]
        tasks = [_CLEAR_AWAY.options(num_cpus=0, **here(node.name)).remote() for node in used]
        with contextlib.suppress(ray.exceptions.RayError):
            if tasks:
                ray.wait(tasks, num_returns=len(tasks), timeout=_PATIENCE)

    def _sent(self, source: Path) -> list[ray.ObjectRef]:
        """Return references to the files of a folder in the object store."""
        if source not in self._files:
            bundle = self._bundles[source]
            self._files[source] = [
                ray.put((bundle.source / stamp.name).read_bytes()) for stamp in bundle.stamps
            ]
        return self._files[source]
