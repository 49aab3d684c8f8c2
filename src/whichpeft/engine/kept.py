"""Writes what a trial trained so that it can be used: the adapter, and what its outputs stand for."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedConfig

from whichpeft.methods import Adapter
from whichpeft.storage.atomic import write_folder
from whichpeft.tasks import Task
from whichpeft.tasks.named_outputs import with_named_outputs


def keep_adapter(adapter: Adapter, task: Task, folder: Path) -> None:
    """Write an adapter with its model's ``config.json``, which has the names of the classes.

    A method that trains nothing leaves an empty folder.
    """

    def write(place: Path) -> None:
        adapter.save(place)
        config = getattr(adapter.model, "config", None)
        if any(place.iterdir()) and isinstance(config, PreTrainedConfig):
            with_named_outputs(config, task).save_pretrained(place)

    write_folder(folder, write)
