"""How the files that a method left are loaded into a model: by PEFT alone, or with whichpeft."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whichpeft.methods import Adapter, Method, PeftMethod, methods, resolve_method
from whichpeft.methods.baselines import WEIGHTS, PlainMethod
from whichpeft.methods.composition import StackedAdapter, compose
from whichpeft.methods.from_file import read_config
from whichpeft.methods.peft_adapter import HEAD, PeftAdapter, running_statistics

SETTINGS, ADAPTER = "hyperparameters.json", "adapter"
"""What ``--write`` leaves: the file that says how the method was trained, the folder of its adapter."""
CONFIG = "adapter_config.json"
MODEL_CONFIG = "config.json"
"""File of the model's configuration, which has the names of the classes."""


@dataclass(frozen=True, slots=True)
class HowToLoad:
    """How to load the files of an adapter's folder."""

    by: str
    """``peft``; ``tuners``, which is PEFT after ``import whichpeft.methods.tuners``; ``plain``, which is
    torch alone; or ``whichpeft``."""

    peft_type: str = ""
    """PEFT's name of the adapter, if it is a single one of PEFT's."""

    head: bool = False
    """Whether the task's head is in a file of its own."""

    configs: tuple[str, ...] = ()
    """The PEFT configs in the folder, relative to it."""

    def spelled(self, folder: str = "") -> str:
        """Return the method by its configs, in whichpeft's notation; empty without configs."""
        return "+".join(f"{folder}/{path}" if folder else path for path in self.configs)


def how_to_load(folder: Path, method: str) -> HowToLoad:
    """Tell how to load what `method`, named as in the records, left in a folder."""
    configs = config_paths(folder)
    if not configs:
        if (folder / WEIGHTS).is_file() and isinstance(resolve_method(method), PlainMethod):
            return HowToLoad("plain")
        return HowToLoad("whichpeft")
    single = configs == [folder / CONFIG]
    peft_type = str(read_json(configs[0]).get("peft_type", "")) if single else ""
    return HowToLoad(
        by=_loads_with(peft_type) if single else "whichpeft",
        peft_type=peft_type,
        head=(folder / HEAD).is_file(),
        configs=tuple(path.relative_to(folder).as_posix() for path in configs),
    )


def how_made(method: Method, adapter: Adapter) -> HowToLoad:
    """Tell how to load what an adapter of a method will save."""
    if isinstance(adapter, StackedAdapter):
        return HowToLoad("whichpeft", configs=tuple(f"{name}/{CONFIG}" for name in adapter.adapters))
    if isinstance(adapter, PeftAdapter) and isinstance(method, PeftMethod):
        facts = method.peft
        apart = adapter.has_separate_head or bool(running_statistics(adapter.model))
        return HowToLoad(facts.loads_with, facts.peft_type, apart, (CONFIG,))
    return HowToLoad("plain" if isinstance(method, PlainMethod) else "whichpeft")


def method_in(folder: Path, method: str) -> Method:
    """Return the method that can load a folder: by its config files, or else by the method's name.

    Raises
    ------
    StudyError
        If there are no config files and the method is unknown, or a file cannot be read.
    """
    parts = [read_config(str(path), methods().values()) for path in config_paths(folder)]
    if not parts:
        return resolve_method(method)
    return parts[0] if len(parts) == 1 else compose(parts, method)


def config_paths(folder: Path) -> list[Path]:
    """Return the PEFT configs in a folder and, for a composition, in its sub-folders."""
    paths = [folder / CONFIG, *sorted(folder.glob(f"*/{CONFIG}"))]
    return [path for path in paths if path.is_file()]


def read_json(path: Path) -> Mapping[str, Any]:
    """Return the content of a JSON file that whichpeft or PEFT wrote."""
    found: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _loads_with(peft_type: str) -> str:
    """Return what loads an adapter of PEFT's: see `PeftInfo.loads_with`."""
    return next(
        (
            method.peft.loads_with
            for method in methods().values()
            if issubclass(method, PeftMethod) and method.peft.peft_type == peft_type
        ),
        "peft",
    )
