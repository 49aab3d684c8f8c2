"""Architectures known by name: configurations without weights, for planning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from whichpeft.backbones.backbone import Backbone


@dataclass(frozen=True, slots=True)
class Architecture:
    """The configuration of a pretrained model."""

    name: str
    """Short name."""
    hub: str
    """Id of the weights on the hub."""
    description: str
    """One line for lists."""
    config: Mapping[str, Any]
    """The model's ``config.json``."""

    def backbone(self) -> Backbone:
        return Backbone(name=self.name, revision="", config=self.config, weights=False)


@cache
def architectures() -> Mapping[str, Architecture]:
    """Return every architecture by name, from ``architectures.yaml``."""
    text = (files("whichpeft.backbones") / "architectures.yaml").read_text(encoding="utf-8")
    return {
        name: Architecture(name, facts["hub"], facts["description"], facts["config"])
        for name, facts in yaml.safe_load(text).items()
    }
