"""What trials on a cluster report while they run, as it reaches the process that started the run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import ray

from whichpeft.executors import ray_worker
from whichpeft.executors.nodes import on

if TYPE_CHECKING:
    from ray.actor import ActorHandle

    from whichpeft.executors.ray_worker import Message

_logger = logging.getLogger(__name__)


class ProgressFeed:
    """The messages of running trials. An actor on this process's node collects them."""

    def __init__(self) -> None:
        own = ray.get_runtime_context().get_node_id()
        self._actor_class = ray.remote(num_cpus=0, scheduling_strategy=on(own))(ray_worker.ProgressActor)
        self.actor: ActorHandle = self._actor_class.remote()
        """The actor that trials post their messages to."""
        self.pending: ray.ObjectRef = self.actor.take.remote()
        """A reference that is ready as soon as there are messages."""

    def take(self) -> list[Message]:
        """Return the messages that `pending` has waited for: fingerprint, kind and content of each."""
        messages: list[Message] = []
        try:
            messages = ray.get(self.pending)
        except ray.exceptions.RayError:  # no result is lost, since results do not pass through the actor
            _logger.debug("the progress actor was lost", exc_info=True)
            self.actor = self._actor_class.remote()
        self.pending = self.actor.take.remote()
        return messages

    def close(self) -> None:
        """End the actor."""
        ray.kill(self.actor)
