"""Series, parallel and convolutional adapters as methods; `tuners` has their PEFT tuners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from whichpeft.errors import MethodError
from whichpeft.methods.info import MethodInfo, PeftInfo
from whichpeft.methods.layers import (
    attention_ends,
    bare_model,
    feed_forward_ends,
    feed_forward_modules,
)
from whichpeft.methods.method import MethodContext
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.targets import (
    linear_modules,
    new_modules,
    shared_convolutions,
    shared_targets,
)

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget
    from whichpeft.tasks import Task

Activation = Literal["relu", "gelu", "tanh"]
Placement = Literal["houlsby", "pfeiffer", "modules"]

_WIDTHS = (8, 16, 48, 64, 128, 256)  # inner widths that tuning tries
_ALIASES = {"bias": "use_bias"}

_ONLY_CONVOLUTIONS = "it adapts linear layers, and {} has only convolutions; conv-adapter adapts those"
_UNKNOWN_BLOCKS = "whichpeft cannot find the attention and feed-forward blocks of {}; set target_modules"


@dataclass(frozen=True, kw_only=True)
class _Adapter(PeftMethod):
    """What the adapters share."""

    bottleneck: int = 48
    """Inner width; 48, a sixteenth of a base model's 768, is usual at that size."""

    activation: Activation = "relu"
    """ReLU as in Pfeiffer et al. and He et al.; Houlsby et al. use GELU, LLM-Adapters tanh."""

    use_bias: bool = False
    """Whether both projections have a bias."""

    dropout: float = 0.0
    """Dropout of the inner activations."""

    target_modules: tuple[str, ...] | str | None = None
    """Modules to adapt, by name."""

    def reads_quantised(self, quantise: str) -> bool:
        return True  # it changes no module's weight


@dataclass(frozen=True, kw_only=True)
class SeriesAdapter(_Adapter):
    """Series adapters: a bottleneck reads the output of a block and adds to it.

    The bottleneck reads the output of a block's last projection, before residual and layer norm.
    Houlsby et al. apply dropout before it; here, dropout follows. The adapter of Pfeiffer et al. (2021,
    arXiv 2005.00247) follows the layer norm.
    """

    info = MethodInfo(
        name="series-adapter",
        description="adds a bottleneck after the attention and feed-forward of every layer",
        paper="Houlsby et al. 2019, arXiv 1902.00751",
        paper_title="Parameter-Efficient Transfer Learning for NLP",
        learning_rate=3e-3,
        learning_rate_source="docs/defaults.md: a sweep with minilm on stdlib-docs",
        scales_with_width=True,
        choices={"bottleneck": _WIDTHS},
        aliases=_ALIASES,
        merges=False,
        several_adapters=True,
    )
    peft = PeftInfo(
        config="SeriesAdapterConfig",
        peft_type="SERIES_ADAPTER",
        targets_modules=True,
        stacking_order=2,
        loads_with="tuners",
    )

    placement: Placement = "houlsby"
    """Position in a layer; `target_modules` implies ``modules``.

    ``houlsby`` is after attention and feed-forward, ``pfeiffer`` after feed-forward only, and
    ``modules`` after each of `target_modules`, by default those that all methods share.
    """

    @property
    def hyperparameters(self) -> dict[str, Any]:
        own = super().hyperparameters
        if self.from_file is not None:
            return own
        return own | {"placement": "modules" if self.target_modules else self.placement}

    def config_class(self) -> type[PeftConfig]:
        from whichpeft.methods.tuners.bottleneck import SeriesAdapterConfig

        return SeriesAdapterConfig

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, object]:
        fields = super().config_fields(model, context)
        del fields["placement"]  # the target modules express it
        return fields

    def choose_targets(self, model: torch.nn.Module, context: MethodContext) -> list[str] | str | None:
        if self.target_modules:
            return super().choose_targets(model, context)
        if self.placement == "modules":
            return shared_targets(model, context.head)
        return _outside_head(_ENDS[self.placement](model), model, context)

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if self.from_file is not None or self.target_modules:
            return None
        model = bare_model(backbone)
        if not linear_modules(model):
            return _ONLY_CONVOLUTIONS.format(backbone.family)
        if self.placement == "modules":
            return None
        if feed_forward_ends(model) and (self.placement == "pfeiffer" or attention_ends(model)):
            return None
        return _UNKNOWN_BLOCKS.format(backbone.family)


@dataclass(frozen=True, kw_only=True)
class ParallelAdapter(_Adapter):
    """Parallel adapters: a bottleneck next to a linear module, from its input to its output."""

    info = MethodInfo(
        name="parallel-adapter",
        description="adds a bottleneck next to each target module",
        paper="He et al. 2022, arXiv 2110.04366",
        paper_title="Towards a Unified View of Parameter-Efficient Transfer Learning",
        learning_rate=2e-3,
        learning_rate_source="docs/defaults.md: a sweep with minilm on stdlib-docs",
        scales_with_width=True,
        choices={"bottleneck": _WIDTHS},
        aliases=_ALIASES,
        merges=False,
        several_adapters=True,
    )
    peft = PeftInfo(
        config="ParallelAdapterConfig",
        peft_type="PARALLEL_ADAPTER",
        targets_modules=True,
        stacking_order=2,
        loads_with="tuners",
    )

    scaling: float = 4.0
    """Factor of what the bottleneck adds; 4 in He et al., 1 in LLM-Adapters."""

    def config_class(self) -> type[PeftConfig]:
        from whichpeft.methods.tuners.bottleneck import ParallelAdapterConfig

        return ParallelAdapterConfig

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if (
            self.from_file is None
            and not self.target_modules
            and not linear_modules(bare_model(backbone))
        ):
            return _ONLY_CONVOLUTIONS.format(backbone.family)
        return None

    def choose_targets(self, model: torch.nn.Module, context: MethodContext) -> list[str] | str | None:
        chosen = super().choose_targets(model, context)
        if chosen is not None:
            return chosen
        return _outside_head(feed_forward_modules(model), model, context)


@dataclass(frozen=True, kw_only=True)
class ConvAdapter(_Adapter):
    """Convolutional adapters: a bottleneck of 1x1 convolutions reads a convolution and adds to it.

    Chen et al. also try larger windows, one channel at a time, and a place next to the convolution or
    around a block. Depthwise convolutions get no bottleneck.
    """

    info = MethodInfo(
        name="conv-adapter",
        description="adds a bottleneck of 1x1 convolutions after each convolution",
        paper="Chen et al. 2022, arXiv 2208.07463",
        paper_title="Conv-Adapter: Exploring Parameter Efficient Transfer Learning for ConvNets",
        supports="convolutions",
        learning_rate=2e-3,
        learning_rate_source="not swept: same as LoRA",
        choices={"bottleneck": (4, 8, 16, 32)},
        aliases=_ALIASES,
        merges=False,
        several_adapters=True,
    )
    peft = PeftInfo(
        config="ConvAdapterConfig",
        peft_type="CONV_ADAPTER",
        targets_modules=True,
        stacking_order=2,
        loads_with="tuners",
    )

    bottleneck: int = 8
    """Channels of the bottleneck."""

    def config_class(self) -> type[PeftConfig]:
        from whichpeft.methods.tuners.conv_adapter import ConvAdapterConfig

        return ConvAdapterConfig

    def choose_targets(self, model: torch.nn.Module, context: MethodContext) -> list[str] | str | None:
        if self.target_modules:
            return super().choose_targets(model, context)
        found = shared_convolutions(model, context.head)
        if not found:
            raise MethodError(
                "it adapts networks of convolutions, and this backbone has linear layers; use "
                "series-adapter or parallel-adapter"
            )
        return sorted(found)


def _all_ends(model: torch.nn.Module) -> list[str]:
    attention, feed_forward = attention_ends(model), feed_forward_ends(model)
    return [*attention, *feed_forward] if attention and feed_forward else []


_ENDS: dict[str, Callable[[torch.nn.Module], list[str]]] = {
    "houlsby": _all_ends,
    "pfeiffer": feed_forward_ends,
}


def _outside_head(names: list[str], model: torch.nn.Module, context: MethodContext) -> list[str]:
    """Remove the head's modules. Raises ValueError if no module is left."""
    outside = new_modules(context.head)
    left = [name for name in names if name not in outside]
    if not left:
        raise ValueError(_UNKNOWN_BLOCKS.format(type(model).__name__))
    return left
