"""Backbones: the pretrained models that are adapted, from the hub, a folder or a bundled package."""

from whichpeft.backbones.architectures import architectures
from whichpeft.backbones.backbone import Backbone
from whichpeft.backbones.resolve import BACKBONES, resolve_backbone

__all__ = ["BACKBONES", "Backbone", "architectures", "resolve_backbone"]
