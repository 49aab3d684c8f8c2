"""The nodes of a Ray cluster: which there are, which are alike, and what runs on each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from whichpeft.errors import StudyError
from whichpeft.executors import ray_worker
from whichpeft.executors.executor import PROCESS_BYTES, Resources
from whichpeft.executors.ray_worker import NodeInfo
from whichpeft.records import Setting
from whichpeft.records.claims import this_host
from whichpeft.records.comparability import Kind, cost_kind, differences, score_kind
from whichpeft.study import Study

_PATIENCE = 180.0  # seconds in which a node has to answer the first time
_JOINING = 60.0  # seconds in which the first node has to join the cluster
_LOOK_EVERY = 10.0  # seconds between two looks at which nodes there are

_LOOK = ray.remote(ray_worker.describe_node)
# In a worker of its own, so that what a first look takes of a GPU's memory is given back.
_LOOK_AT_GPU = ray.remote(max_calls=1)(ray_worker.describe_node)


@dataclass(slots=True)
class Node:
    """A node that trials may run on.

    cores, gpus and memory (bytes): what Ray may give out of it. suits: whether trials of this run may be
    there; running: how many are. folders: references to where bundles lie on it, by their source.
    """

    name: str
    address: str
    cores: int
    gpus: int
    memory: int
    info: NodeInfo
    suits: bool = False
    running: int = 0
    folders: dict[Path, Any] = field(default_factory=dict)

    @property
    def setting(self) -> Setting:
        return self.info.setting

    def room(self, resources: Resources) -> int:
        """Return how many trials with these resources fit on it while nothing else runs there."""
        if resources.alone:
            return 1
        by_cores = max(1, self.cores // resources.cores)
        by_memory = max(1, self.memory // self._host_bytes(resources))
        by_gpus = by_cores if self.setting.device == "cpu" else self.gpus // resources.shards
        return min(by_cores, by_memory, by_gpus)

    def options(self, resources: Resources) -> dict[str, Any]:
        """Return what a trial's task asks of Ray."""
        gpus = 0 if self.setting.device == "cpu" else resources.shards
        if resources.alone:
            return {"num_cpus": self.cores, "num_gpus": self.gpus, **here(self.name)}
        return {
            "num_cpus": min(resources.cores, self.cores),
            "num_gpus": gpus,
            "memory": min(self._host_bytes(resources), self.memory),
            **here(self.name),
        }

    def _host_bytes(self, resources: Resources) -> int:
        """Return what a trial takes of the node's own memory; on a GPU its peak lies there."""
        return resources.bytes if self.setting.device == "cpu" else resources.shards * PROCESS_BYTES


def on(name: str) -> NodeAffinitySchedulingStrategy:
    """Return what binds a task or an actor to the node of this name."""
    return NodeAffinitySchedulingStrategy(name, soft=False)


def here(name: str) -> dict[str, Any]:
    """Return the options of a task that runs on the node of this name and nowhere else, and once."""
    # Not Ray's own retries: a trial that goes on elsewhere goes on from its last checkpoint.
    return {"scheduling_strategy": on(name), "max_retries": 0}


class Nodes:
    """The nodes of the cluster that a study's trials may run on.

    Scores need the same arithmetic, so nodes of another device, precision or version of the libraries
    are left out; costs need the same machine, so they are measured on nodes of one kind, `compared`.

    device: ``auto``, ``cpu`` or ``cuda``. like: settings that costs were measured in before. Raises
    StudyError where no node can do what the study asks for.
    """

    def __init__(self, device: str, study: Study, like: Sequence[Setting]) -> None:
        self._asked = device, study.conditions.precision, study.conditions.quantise
        self._shards = study.conditions.shards
        self._known: dict[str, Node] = {}
        self._asking: dict[Any, dict[str, Any]] = {}
        self._next_look = 0.0
        deadline = time.monotonic() + _JOINING
        self._ask_new()
        while not self._asking and time.monotonic() < deadline:  # a cluster of which only a head is up
            time.sleep(1)
            self._ask_new()
        found = self._answers(_PATIENCE)
        self.compared = self._choose([cost_kind(setting) for setting in like])
        waiting = [f"node {_address(node)} has not answered yet" for node in self._asking.values()]
        self.notes = self._sort(found) + waiting
        if like and cost_kind(self.compared.setting) not in map(cost_kind, like):
            self.notes.append(
                "the costs on record were measured on a kind of node that is not here; those of other "
                "methods will not be compared with them"
            )

    def __iter__(self) -> Iterator[Node]:
        """Go through the nodes that trials may run on."""
        return (node for node in self._known.values() if node.suits)

    def profiling_nodes(self) -> list[Node]:
        """Return the nodes that costs may be measured on: of the kind that is compared, one a host.

        The host of this process is among them only where there is no other: it counts meanwhile.
        """
        kind = cost_kind(self.compared.setting)
        hosts = {n.info.host: n for n in self if cost_kind(n.setting) == kind}
        return [node for host, node in hosts.items() if host != this_host() or len(hosts) == 1]

    def look_again(self) -> list[str]:
        """Now and then take up nodes that came and forget those that went; say what is of interest."""
        if time.monotonic() < self._next_look:
            return []
        self._ask_new()
        return self._sort(self._answers(0))

    def gone(self, node: Node) -> bool:
        """Whether Ray has lost a node."""
        return not any(found["NodeID"] == node.name and found["Alive"] for found in ray.nodes())

    def forget(self, node: Node) -> None:
        """Leave out a node that was lost."""
        self._known.pop(node.name, None)

    def _ask_new(self) -> None:
        self._next_look = time.monotonic() + _LOOK_EVERY
        alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        for name in {*self._known} - {*alive}:
            del self._known[name]
        asked = {node["NodeID"] for node in self._asking.values()}
        for name in {*alive} - {*self._known} - asked:
            if _given(alive[name], "CPU") or _given(alive[name], "GPU"):  # a head often has neither
                self._asking[self._ask(alive[name])] = alive[name]

    def _ask(self, node: dict[str, Any]) -> Any:
        options = {"num_cpus": 0, **here(node["NodeID"])}
        if _given(node, "GPU"):
            return _LOOK_AT_GPU.options(num_gpus=0.01, **options).remote(*self._asked)
        return _LOOK.options(**options).remote(*self._asked)

    def _answers(self, patience: float) -> list[Node]:
        """Wait for nodes to say what they are, and keep those that did."""
        refs = list(self._asking)
        ready, _ = ray.wait(refs, num_returns=len(refs), timeout=patience) if refs else ([], [])
        new = []
        for ref in ready:
            about = self._asking.pop(ref)
            try:
                info: NodeInfo = ray.get(ref)
            except ray.exceptions.RayError as error:
                reason = " ".join(str(error).split())[-300:]
                info = NodeInfo(host="", error=f"it cannot be looked at: {reason}")
            node = Node(
                name=about["NodeID"],
                address=_address(about),
                cores=_given(about, "CPU"),
                gpus=_given(about, "GPU"),
                memory=_given(about, "memory"),
                info=info,
            )
            self._known[node.name] = node
            new.append(node)
        return new

    def _choose(self, before: Sequence[Kind]) -> Node:
        """Return a node of the kind whose costs are compared: as before, else the strongest device,
        and of that the most frequent kind.
        """
        able = [node for node in self._known.values() if not self._hindrance(node)]
        if not able:
            reasons = [f"node {n.address}: {self._hindrance(n)}" for n in self._known.values()]
            why = "; ".join(reasons) or "no node has answered that gives out CPUs or GPUs"
            raise StudyError(f"executor ray: no node of the cluster can run trials: {why}")
        kinds = Counter(cost_kind(node.setting) for node in able)

        def rank(node: Node) -> tuple[bool, bool, int, int]:
            kind = cost_kind(node.setting)
            return kind in before, node.setting.device != "cpu", kinds[kind], node.cores

        return max(able, key=rank)

    def _hindrance(self, node: Node) -> str | None:
        """Say why a node can run no trial of this study, or None."""
        if node.info.error is not None:
            return node.info.error
        here, there = version("whichpeft"), node.setting.versions.get("whichpeft")
        if here != there:
            return f"has whichpeft {there} and this machine {here}; install the same on both"
        if not node.cores:
            return "it gives out no CPUs"
        if node.setting.device != "cpu" and node.gpus < self._shards:
            return f"shards is {self._shards} and it gives out {node.gpus} GPUs"
        return None

    def _sort(self, found: Sequence[Node]) -> list[str]:
        """Settle of new nodes whether trials may run there, and say what a user should know of them."""
        for node in found:
            node.suits = not self._hindrance(node) and not self._difference(node)
        return [note for node in found if (note := self._note(node))]

    def _difference(self, node: Node) -> str:
        """Name in what a node's scores could differ from those of the kind that is compared."""
        of, own = self.compared.setting, node.setting
        return differences(
            (("device", of.device), *score_kind(of)), (("device", own.device), *score_kind(own))
        )

    def _note(self, node: Node) -> str | None:
        """Say what a user should know of a node."""
        if (hindrance := self._hindrance(node)) is not None:
            return f"node {node.address} is left out: {hindrance}"
        if difference := self._difference(node):
            return (
                f"node {node.address} is left out: it differs in {difference} from node "
                f"{self.compared.address}, and scores might too"
            )
        if cost_kind(node.setting) != cost_kind(self.compared.setting):
            what = differences(cost_kind(self.compared.setting), cost_kind(node.setting))
            return (
                f"node {node.address} is of another kind ({what}) than node {self.compared.address}: "
                "trials run on it, costs are not measured there"
            )
        return None


def _given(node: dict[str, Any], resource: str) -> int:
    return int(node["Resources"].get(resource, 0))


def _address(node: dict[str, Any]) -> str:
    return str(node["NodeManagerAddress"])
