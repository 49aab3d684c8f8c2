"""What is adapted: pretrained models from the hub, a folder or this package's own dependency."""

from whichpeft.backbones.architectures import architectures
from whichpeft.backbones.backbone import Backbone
from whichpeft.backbones.resolve import BACKBONES, resolve_backbone

__all__ = ["BACKBONES", "Backbone", "architectures", "resolve_backbone"]
