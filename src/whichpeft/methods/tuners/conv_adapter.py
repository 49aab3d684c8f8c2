"""Convolutional adapters as a PEFT tuner: a bottleneck of 1x1 convolutions after a convolution.

Chen et al. 2022, arXiv 2208.07463. It saves and loads like PEFT's own adapters; its non-linearity makes
merging impossible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftType

from whichpeft.methods.tuners.bottleneck import (
    Bottleneck,
    BottleneckConfig,
    BottleneckModel,
    SeriesAdapterLayer,
)
from whichpeft.methods.tuners.shared import register


@dataclass
class ConvAdapterConfig(BottleneckConfig):
    """Configuration of a convolutional adapter."""

    bottleneck: int = 8
    """Channels of the bottleneck."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PeftType.CONV_ADAPTER


class ConvBottleneck(Bottleneck):
    """up(act(down(x))) at every pixel, on images of shape (batch, channels, height, width)."""

    def projection(self, width_in: int, width_out: int, **settings: Any) -> torch.nn.Module:
        return torch.nn.Conv2d(width_in, width_out, kernel_size=1, **settings)


class ConvAdapterLayer(SeriesAdapterLayer):
    """A convolution whose output h becomes h + up(act(down(h)))."""

    adapter_layer_names = ("conv_adapter_bottleneck",)

    def widths(self, module: torch.nn.Module) -> tuple[int, int]:
        if not isinstance(module, torch.nn.Conv2d):
            raise ValueError(
                f"conv-adapter needs convolutions, and {type(module).__name__} is not one; set "
                "target_modules to convolutions"
            )
        return module.in_channels, module.out_channels

    def make(
        self, width_in: int, width_out: int, config: BottleneckConfig, device: torch.device
    ) -> Bottleneck:
        return ConvBottleneck(width_out, width_out, config, device)


class ConvAdapterModel(BottleneckModel):
    """Puts a bottleneck after each target convolution."""

    prefix = "conv_adapter_"
    tuner_layer_cls = ConvAdapterLayer


register("conv_adapter", ConvAdapterConfig, ConvAdapterModel)
