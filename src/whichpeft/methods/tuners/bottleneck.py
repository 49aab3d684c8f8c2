"""Series and parallel adapters as PEFT tuners: a small bottleneck after a module, or next to it.

Series: Houlsby et al. 2019, arXiv 1902.00751. Parallel: He et al. 2022, arXiv 2110.04366. Both on
named linear modules: Hu et al. 2023 (LLM-Adapters), arXiv 2304.01933. They save and load like PEFT's
own adapters; their non-linearity makes merging impossible.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from peft import PeftConfig, PeftType
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from transformers.pytorch_utils import Conv1D

from whichpeft.errors import unknown
from whichpeft.methods.tuners.shared import autocasts, register

ACTIVATIONS: dict[str, type[torch.nn.Module]] = {
    "relu": torch.nn.ReLU,
    "gelu": torch.nn.GELU,
    "tanh": torch.nn.Tanh,
}


_NO_MERGE = "a bottleneck with a non-linearity cannot be merged into a weight"


@dataclass
class BottleneckConfig(PeftConfig):  # type: ignore[misc]
    """What the configurations of series and parallel adapters share.

    Raises ValueError if the activation is unknown.
    """

    bottleneck: int = 48
    """Inner width."""

    activation: str = "relu"
    """A key of `ACTIVATIONS`."""

    use_bias: bool = False
    """Whether both projections have a bias."""

    dropout: float = 0.0
    """Dropout of the inner activations."""

    target_modules: list[str] | str | None = None
    """Full or leaf names of linear modules."""

    exclude_modules: list[str] | str | None = None
    """Full or leaf names of modules that are left out."""

    modules_to_save: list[str] | None = field(default=None)
    """Names of other modules that train and are saved, such as the head."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in ACTIVATIONS:
            raise ValueError(unknown("activation", self.activation, ACTIVATIONS))


@dataclass
class SeriesAdapterConfig(BottleneckConfig):
    """Configuration of a series adapter."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PeftType.SERIES_ADAPTER


@dataclass
class ParallelAdapterConfig(BottleneckConfig):
    """Configuration of a parallel adapter."""

    scaling: float = 4.0
    """Factor of what the bottleneck adds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PeftType.PARALLEL_ADAPTER


class Bottleneck(torch.nn.Module):  # type: ignore[misc]
    """up(act(down(x))), from (..., width_in) to (..., width_out); zero before training."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        config: BottleneckConfig,
        device: torch.device,
        scaling: float = 1.0,
    ) -> None:
        super().__init__()
        self.scaling = scaling
        width, bias = config.bottleneck, config.use_bias
        # Float32 even if the backbone is stored in bfloat16: small weights take small steps.
        settings = {"bias": bias, "device": device, "dtype": torch.float32}
        self.down = self.projection(width_in, width, **settings)
        self.act = ACTIVATIONS[config.activation]()
        self.dropout = torch.nn.Dropout(config.dropout)
        self.up = self.projection(width, width_out, **settings)
        torch.nn.init.zeros_(self.up.weight)
        if bias:
            torch.nn.init.zeros_(self.down.bias)
            torch.nn.init.zeros_(self.up.bias)

    def projection(self, width_in: int, width_out: int, **settings: Any) -> torch.nn.Module:
        """Return a new linear map between two widths."""
        return torch.nn.Linear(width_in, width_out, **settings)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Autocast casts by itself, but a backbone wholly in bfloat16 runs without it.
        inner = x if autocasts(x) else x.to(self.down.weight.dtype)
        out: torch.Tensor = self.up(self.dropout(self.act(self.down(inner))))
        return out.to(x.dtype)


class BottleneckLayer(torch.nn.Module, BaseTunerLayer):  # type: ignore[misc]
    """A linear module with one bottleneck per adapter."""

    def __init__(self, base_layer: torch.nn.Module, adapter_name: str, config: BottleneckConfig) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.merged_adapters: list[str] = []
        # PEFT distinguishes tuners by a prefix, so each kind has its own name for its bottlenecks.
        setattr(self, self.adapter_layer_names[0], torch.nn.ModuleDict())
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, config)

    @property
    def bottlenecks(self) -> torch.nn.ModuleDict:
        found: torch.nn.ModuleDict = getattr(self, self.adapter_layer_names[0])
        return found

    def update_layer(self, adapter_name: str, config: BottleneckConfig) -> None:
        """Add an adapter, which does not change outputs at first."""
        base = self.get_base_layer()
        width_in, width_out = self.widths(base)
        self.bottlenecks[adapter_name] = self.make(width_in, width_out, config, base.weight.device)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def widths(self, module: torch.nn.Module) -> tuple[int, int]:
        """Return a module's input and output width. Raises ValueError if it has none."""
        return _widths(module)

    def make(
        self, width_in: int, width_out: int, config: BottleneckConfig, device: torch.device
    ) -> Bottleneck:
        """Return a new bottleneck for a module from `width_in` to `width_out`."""
        raise NotImplementedError

    def active_bottlenecks(self) -> list[torch.nn.Module]:
        """Return the bottlenecks in use, none if adapters are disabled."""
        if self.disable_adapters:
            return []
        return [self.bottlenecks[name] for name in self.active_adapters if name in self.bottlenecks]

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Raise ValueError: no weight has the same effect."""
        raise ValueError(_NO_MERGE)

    def unmerge(self) -> None:
        """Do nothing, since nothing can be merged."""


class SeriesAdapterLayer(BottleneckLayer):
    """A linear module whose output h becomes h + up(act(down(h)))."""

    adapter_layer_names = ("series_adapter_bottleneck",)

    def make(
        self, width_in: int, width_out: int, config: BottleneckConfig, device: torch.device
    ) -> Bottleneck:
        return Bottleneck(width_out, width_out, config, device)

    def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        hidden: torch.Tensor = self.base_layer(x, *args, **kwargs)
        for bottleneck in self.active_bottlenecks():
            hidden = hidden + bottleneck(hidden)
        return hidden


class ParallelAdapterLayer(BottleneckLayer):
    """A linear module whose output W x becomes W x + scaling up(act(down(x)))."""

    adapter_layer_names = ("parallel_adapter_bottleneck",)

    def make(
        self, width_in: int, width_out: int, config: BottleneckConfig, device: torch.device
    ) -> Bottleneck:
        return Bottleneck(width_in, width_out, config, device, config.scaling)

    def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        hidden: torch.Tensor = self.base_layer(x, *args, **kwargs)
        for bottleneck in self.active_bottlenecks():
            hidden = torch.add(hidden, bottleneck(x), alpha=bottleneck.scaling)
        return hidden


class BottleneckModel(BaseTuner):  # type: ignore[misc]
    """What the tuners of series and parallel adapters share."""

    tuner_layer_cls: ClassVar[type[BottleneckLayer]]
    target_module_mapping: dict[str, list[str]] = {}  # noqa: RUF012

    def _check_merge_allowed(self) -> None:
        raise ValueError(_NO_MERGE)

    def _create_and_replace(
        self,
        peft_config: BottleneckConfig,
        adapter_name: str,
        target: torch.nn.Module,
        target_name: str,
        parent: torch.nn.Module,
        current_key: str,
        **kwargs: object,
    ) -> None:
        if isinstance(target, self.tuner_layer_cls):
            target.update_layer(adapter_name, peft_config)
            return
        layer = self.tuner_layer_cls(target, adapter_name, peft_config)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)


class SeriesAdapterModel(BottleneckModel):
    """Puts a bottleneck after each target module."""

    prefix = "series_adapter_"
    tuner_layer_cls = SeriesAdapterLayer


class ParallelAdapterModel(BottleneckModel):
    """Puts a bottleneck next to each target module."""

    prefix = "parallel_adapter_"
    tuner_layer_cls = ParallelAdapterLayer


def _widths(module: torch.nn.Module) -> tuple[int, int]:
    """Return input and output width. Raises ValueError if the module is not linear."""
    if isinstance(module, torch.nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, Conv1D):  # GPT-2 keeps its weights transposed
        return module.nx, module.nf
    raise ValueError(
        f"adapters need linear modules, and {type(module).__name__} is not one; set target_modules to "
        "linear modules"
    )


register("series_adapter", SeriesAdapterConfig, SeriesAdapterModel)
register("parallel_adapter", ParallelAdapterConfig, ParallelAdapterModel)
