"""What is adapted: pretrained models from the hub, a folder or this package's own dependency."""

from whichpeft.backbones.resolve import BACKBONES, resolve_backbone
from whichpeft.backbones.spec import FREE_POSITIONS, Backbone

__all__ = ["BACKBONES", "FREE_POSITIONS", "Backbone", "resolve_backbone"]
