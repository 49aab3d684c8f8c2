"""Backbones and encoded tasks on their way to the nodes of a Ray cluster: to each of them once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ray

from whichpeft.executors import ray_worker
from whichpeft.executors.file_bundles import FileBundle, pack_backbone, pack_data
from whichpeft.executors.nodes import Node, here

_IS_HERE = ray.remote(ray_worker.is_here)
_DELIVER = ray.remote(ray_worker.deliver)
_CLEAR_AWAY = ray.remote(ray_worker.delete_delivered)
_PATIENCE = 10.0  # seconds that clearing away may take


class Delivery:
    """What was sent where. A file is put into Ray's object store once, for all nodes that need it."""

    def __init__(self) -> None:
        self._bundles: dict[Path, FileBundle] = {}
        self._files: dict[Path, list[Any]] = {}
        self._seen: dict[Path, dict[str, Any]] = {}

    def to(self, node: Node, source: Path, nodes: Iterable[Node]) -> Any:
        """Return a reference to where a folder lies on a node; what the node does not see is sent there.

        source: a backbone's folder, or that of an encoded task. nodes: all, which are asked at the same
        time what they see. Raises ray.exceptions.RayError where the node is gone.
        """
        if source not in node.folders:
            if source not in self._bundles:
                pack = pack_data if (source / "task.pickle").is_file() else pack_backbone
                self._bundles[source] = pack(source, str(len(self._bundles)))
            bundle, seen = self._bundles[source], self._seen.setdefault(source, {})
            for other in (node, *nodes):
                if other.name not in seen:
                    asked = _IS_HERE.options(num_cpus=0, **here(other.name))
                    seen[other.name] = asked.remote(bundle)
            if ray.get(seen[node.name]):
                node.folders[source] = ray.put(str(bundle.source))
            else:
                deliver = _DELIVER.options(num_cpus=0, **here(node.name))
                node.folders[source] = deliver.remote(bundle, self._sent(source))
        return node.folders[source]

    def failed(self, node: Node) -> str | None:
        """Say why something could not be delivered to a node, or None where nothing is known of that."""
        for folder in node.folders.values():
            try:
                ray.get(folder, timeout=0)
            except ray.exceptions.GetTimeoutError:
                continue
            except ray.exceptions.RayError as error:
                return " ".join(str(error).split())[-200:]
        return None

    def clear_away(self, nodes: Iterable[Node]) -> None:
        """Delete what was sent, on nodes that are still there."""
        used = [node for node in nodes if node.folders]
        tasks = [_CLEAR_AWAY.options(num_cpus=0, **here(node.name)).remote() for node in used]
        with contextlib.suppress(ray.exceptions.RayError):
            if tasks:
                ray.wait(tasks, num_returns=len(tasks), timeout=_PATIENCE)

    def _sent(self, source: Path) -> list[Any]:
        """Return references to the files of a folder in the object store."""
        if source not in self._files:
            bundle = self._bundles[source]
            self._files[source] = [
                ray.put((bundle.source / stamp.name).read_bytes()) for stamp in bundle.stamps
            ]
        return self._files[source]
