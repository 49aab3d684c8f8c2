"""The nodes of a Ray cluster: which of them can run a study's trials, and what runs on each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from whichpeft.errors import StudyError
from whichpeft.executors import ray_worker
from whichpeft.executors.executor import Resources
from whichpeft.executors.ray_worker import NodeInfo
from whichpeft.records import Setting
from whichpeft.records.claims import this_host
from whichpeft.records.comparability import Kind, cost_kind, differences, score_kind
from whichpeft.study import Study

_ANSWER_SECONDS = 180.0  # that a node may take to answer the first time
_JOIN_SECONDS = 60.0  # that the first node may take to join the cluster
_LOOK_EVERY = 10.0  # seconds between two looks at which nodes exist

_DESCRIBE = ray.remote(ray_worker.describe_node)
# In a worker of its own, so that the GPU memory that a first look takes is given back.
_DESCRIBE_GPU = ray.remote(max_calls=1)(ray_worker.describe_node)


class _RayNode(TypedDict):
    """What Ray lists of a node, as far as it is read here."""

    NodeID: str
    NodeManagerAddress: str
    Resources: dict[str, float]
    Alive: bool


@dataclass(slots=True)
class Node:
    """A node that trials may run on."""

    name: str
    """Ray's id of the node."""
    address: str
    cores: int
    """CPUs that Ray may give out."""
    gpus: int
    """GPUs that Ray may give out."""
    memory: int
    """Bytes of memory that Ray may give out."""
    info: NodeInfo
    """What the node reported of itself."""
    usable: bool = False
    """Whether trials of this run may run on it."""
    running: int = 0
    """How many trials run on it."""
    folders: dict[Path, ray.ObjectRef] = field(default_factory=dict)
    """References to the paths of delivered folders on this node, by their source."""

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

    def options(self, resources: Resources) -> dict[str, object]:
        """Return what a trial's task requests from Ray."""
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
        """Return what a trial takes of the node's own memory; on a GPU its peak is in the GPU's."""
        return resources.bytes if self.setting.device == "cpu" else resources.host_bytes


def on(name: str) -> NodeAffinitySchedulingStrategy:
    """Return what binds a task or an actor to the node of this name."""
    return NodeAffinitySchedulingStrategy(name, soft=False)


def here(name: str) -> dict[str, object]:
    """Return the options of a task that runs once, and only on the node of this name."""
    # Not Ray's own retries: a trial that moves to another node resumes from its last checkpoint.
    return {"scheduling_strategy": on(name), "max_retries": 0}


class Nodes:
    """The nodes of the cluster that a study's trials may run on.

    Scores need the same arithmetic, so nodes with another device, precision or version of the libraries
    are left out. Costs need the same machine, so they are measured only on nodes like `reference`.

    Parameters
    ----------
    device
        ``auto``, ``cpu`` or ``cuda``.
    like
        Settings in which costs were measured before.

    Raises
    ------
    StudyError
        If no node can do what the study asks for.
    """

    def __init__(self, device: str, study: Study, like: Sequence[Setting]) -> None:
        asked = study.conditions
        self._wanted = device, asked.precision, asked.quantise, asked.attention
        self._shards = study.conditions.shards
        self._known: dict[str, Node] = {}
        self._asked: dict[ray.ObjectRef, _RayNode] = {}
        self._next_look = 0.0
        deadline = time.monotonic() + _JOIN_SECONDS
        self._ask_new()
        while not self._asked and time.monotonic() < deadline:  # only the cluster's head is up
            time.sleep(1)
            self._ask_new()
        answered = self._answers(_ANSWER_SECONDS)
        self.reference = self._choose([cost_kind(setting) for setting in like])
        waiting = [f"node {_address(node)} has not answered yet" for node in self._asked.values()]
        self.notes = self._accept(answered) + waiting
        if like and cost_kind(self.reference.setting) not in map(cost_kind, like):
            self.notes.append(
                "the costs on record were measured on a type of node that the cluster does not have; "
                "costs measured now will not be compared with them"
            )

    def __iter__(self) -> Iterator[Node]:
        """Go through the nodes that trials may run on."""
        return (node for node in self._known.values() if node.usable)

    def able(self, resources: Resources) -> list[Node]:
        """Return the nodes for trials that need these resources."""
        return self.profiling_nodes() if resources.alone else list(self)

    def concurrency(self, resources: Resources, limit: int | None) -> int:
        """Return how many trials with these resources run side by side; at most `limit`, at least 1."""
        room = sum(node.room(resources) for node in self.able(resources))
        return max(1, min(room, limit or room))

    def profiling_nodes(self) -> list[Node]:
        """Return the nodes that costs may be measured on: those like the reference, one per host.

        The host of this process is left out if there is another one, because this process counts FLOPs
        during a profile.
        """
        kind = cost_kind(self.reference.setting)
        hosts = {n.info.host: n for n in self if cost_kind(n.setting) == kind}
        return [node for host, node in hosts.items() if host != this_host() or len(hosts) == 1]

    def look_again(self) -> list[str]:
        """From time to time, add new nodes and forget lost ones; return notes for the user."""
        if time.monotonic() < self._next_look:
            return []
        self._ask_new()
        return self._accept(self._answers(0))

    def gone(self, node: Node) -> bool:
        """Whether Ray has lost a node."""
        return not any(known["NodeID"] == node.name and known["Alive"] for known in ray.nodes())

    def forget(self, node: Node) -> None:
        """Leave out a node that was lost."""
        self._known.pop(node.name, None)

    def _ask_new(self) -> None:
        self._next_look = time.monotonic() + _LOOK_EVERY
        alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        for name in {*self._known} - {*alive}:
            del self._known[name]
        asked = {node["NodeID"] for node in self._asked.values()}
        for name in {*alive} - {*self._known} - asked:
            if _given(alive[name], "CPU") or _given(alive[name], "GPU"):  # a head often has neither
                self._asked[self._ask(alive[name])] = alive[name]

    def _ask(self, node: _RayNode) -> ray.ObjectRef:
        options = {"num_cpus": 0, **here(node["NodeID"])}
        if _given(node, "GPU"):
            return _DESCRIBE_GPU.options(num_gpus=0.01, **options).remote(*self._wanted)
        return _DESCRIBE.options(**options).remote(*self._wanted)

    def _answers(self, patience: float) -> list[Node]:
        """Wait for nodes to describe themselves; add and return those that did."""
        refs = list(self._asked)
        ready, _ = ray.wait(refs, num_returns=len(refs), timeout=patience) if refs else ([], [])
        new = []
        for ref in ready:
            about = self._asked.pop(ref)
            try:
                info: NodeInfo = ray.get(ref)
            except ray.exceptions.RayError as error:
                reason = " ".join(str(error).split())[-300:]
                info = NodeInfo(host="", error=f"it cannot be inspected: {reason}")
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
        """Return the node whose type costs are measured on.

        A type of earlier costs comes first, then a GPU, then the most frequent type.
        """
        able = [node for node in self._known.values() if not self._hindrance(node)]
        if not able:
            reasons = [f"node {n.address}: {self._hindrance(n)}" for n in self._known.values()]
            why = "; ".join(reasons) or "no node that provides CPUs or GPUs has answered"
            raise StudyError(f"executor ray: no node of the cluster can run trials: {why}")
        kinds = Counter(cost_kind(node.setting) for node in able)

        def rank(node: Node) -> tuple[bool, bool, int, int]:
            kind = cost_kind(node.setting)
            return kind in before, node.setting.device != "cpu", kinds[kind], node.cores

        return max(able, key=rank)

    def _hindrance(self, node: Node) -> str | None:
        """Return why a node cannot run any trial of this study, or None."""
        if node.info.error is not None:
            return node.info.error
        own, there = version("whichpeft"), node.setting.versions.get("whichpeft")
        if own != there:
            return f"it has whichpeft {there} and this machine has {own}; install the same on both"
        if not node.cores:
            return "it provides no CPUs"
        if node.setting.device != "cpu" and node.gpus < self._shards:
            return f"shards is {self._shards} and it provides {node.gpus} GPUs"
        return None

    def _accept(self, new: Sequence[Node]) -> list[str]:
        """Decide whether trials may run on new nodes; return notes for the user."""
        for node in new:
            node.usable = not self._hindrance(node) and not self._difference(node)
        return [note for node in new if (note := self._note(node))]

    def _difference(self, node: Node) -> str:
        """Name what could make a node's scores differ from the reference's."""
        of, own = self.reference.setting, node.setting
        return differences(
            (("device", of.device), *score_kind(of)), (("device", own.device), *score_kind(own))
        )

    def _note(self, node: Node) -> str | None:
        """Return what a user should know of a node, or None."""
        if (hindrance := self._hindrance(node)) is not None:
            return f"node {node.address} is left out: {hindrance}"
        if difference := self._difference(node):
            return (
                f"node {node.address} is left out: it differs in {difference} from node "
                f"{self.reference.address}, so its scores could differ too"
            )
        if cost_kind(node.setting) != cost_kind(self.reference.setting):
            what = differences(cost_kind(self.reference.setting), cost_kind(node.setting))
            return (
                f"node {node.address} is of another type ({what}) than node {self.reference.address}: "
                "it runs trials, but costs are not measured on it"
            )
        return None


def _given(node: _RayNode, resource: str) -> int:
    return int(node["Resources"].get(resource, 0))


def _address(node: _RayNode) -> str:
    return str(node["NodeManagerAddress"])
