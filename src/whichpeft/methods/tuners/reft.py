"""LoReFT as a PEFT tuner: the hidden states of a few positions change within a low-rank subspace.

Wu et al. 2024, arXiv 2404.03592. After each layer, h becomes h + R'(W h + b - R h) at the first and
last n real positions of a sequence. It saves and loads like PEFT's own adapters; it cannot be merged,
since no weight depends on positions.

The layer itself is not replaced. It gets the interventions as a child, and a hook that applies them to
its output: code that reads a layer's attributes or records its outputs sees no difference, and other
adapters find the modules inside under their own names.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftConfig, PeftType
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from transformers import PreTrainedModel

from whichpeft.methods.layers import layer_lists
from whichpeft.methods.tuners.prompt_reader import PromptReader, reader_of
from whichpeft.methods.tuners.shared import autocasts, register

CHILD = "intervention"  # name of the child of a layer
_NO_MERGE = "an intervention on hidden states at some positions cannot be merged into a weight"


@dataclass
class LoReftConfig(PeftConfig):  # type: ignore[misc]
    """Configuration of a LoReFT adapter."""

    rank: int = 8
    """Number of rows of R and W."""

    positions: int = 7
    """Number of positions at the beginning, and the same number at the end."""

    share_weights: bool = True
    """Whether the beginning and the end have the same R, W and b."""

    dropout: float = 0.0
    """Dropout of the changed states."""

    target_modules: list[str] | str | None = None
    """Full names of the layers; if None, all layers of the model.

    In an encoder-decoder, these are the layers of the longer one, and the encoder's if both are equal.
    """

    exclude_modules: list[str] | str | None = None
    """Full names of layers that are left out."""

    modules_to_save: list[str] | None = field(default=None)
    """Names of other modules that train and are saved, such as the head."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PeftType.LOREFT


class Intervention(torch.nn.Module):  # type: ignore[misc]
    """h + R'(W h + b - R h) for one group of positions, or for two groups with their own R, W and b.

    R is the orthonormal basis of the rows of `rotation`, which a Cholesky factor gives. So there are as
    many parameters as R has entries, and saved parameters equal loaded ones. It starts without effect:
    W = R and b = 0. The authors draw W at random.
    """

    def __init__(self, width: int, config: LoReftConfig, device: torch.device) -> None:
        super().__init__()
        groups, rank = (1 if config.share_weights else 2), config.rank
        if rank > width:
            raise ValueError(f"rank {rank} exceeds the width of the hidden states, {width}")
        settings: dict[str, Any] = {"device": device, "dtype": torch.float32}
        self.rotation = torch.nn.Parameter(torch.empty(groups, rank, width, **settings))
        for rows in self.rotation:
            torch.nn.init.orthogonal_(rows)
        self.source = torch.nn.Parameter(self.rotation.detach().clone())
        self.offset = torch.nn.Parameter(torch.zeros(groups * rank, **settings))
        self.dropout = torch.nn.Dropout(config.dropout)

    def basis(self) -> torch.Tensor:
        """Return R, with orthonormal rows: (groups, rank, width), in float32."""
        rows = self.rotation.float()
        factor, _ = torch.linalg.cholesky_ex(rows @ rows.mT)
        return torch.linalg.solve_triangular(factor, rows, upper=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the change of hidden states (batch, groups, positions, width), in float32."""
        kind = hidden.device.type
        with torch.autocast(kind, enabled=False) if autocasts(hidden) else nullcontext():
            states, basis = hidden.float(), self.basis()
            groups, rank, _ = basis.shape
            learned = states @ self.source.float().mT + self.offset.float().view(groups, 1, rank)
            changed = self.dropout(states + (learned - states @ basis.mT) @ basis)
            change: torch.Tensor = changed - states
        return change


class LoReftLayer(torch.nn.Module, BaseTunerLayer):  # type: ignore[misc]
    """The interventions on the output of one layer, one per adapter."""

    adapter_layer_names = ("loreft_interventions",)
    # PEFT reads these from the layer inside, but there is none.
    weight = None
    bias = None

    def __init__(self, layer: torch.nn.Module, width: int, reader: PromptReader) -> None:
        super().__init__()
        self.loreft_interventions = torch.nn.ModuleDict()
        self.merged_adapters: list[str] = []
        self.width = width
        self.reader = reader
        self._counts: dict[str, int] = {}
        # Before other hooks, which record the layer's output.
        self.hook = layer.register_forward_hook(self.intervene, prepend=True)

    def update_layer(self, adapter_name: str, config: LoReftConfig, device: torch.device) -> None:
        """Add an adapter, which does not change outputs at first."""
        self.loreft_interventions[adapter_name] = Intervention(self.width, config, device)
        self._counts[adapter_name] = config.positions
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def intervene(self, layer: torch.nn.Module, args: tuple[object, ...], output: Any) -> Any:
        """Change the hidden states (batch, length, width) that a layer returns, first in a tuple."""
        hidden = output[0] if isinstance(output, tuple) else output
        if self.disable_adapters or self.reader.continues(hidden.shape[1]):
            return output
        for name in self.active_adapters:
            if name in self.loreft_interventions:
                hidden = self._change(hidden, self.loreft_interventions[name], self._counts[name])
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    def _change(self, hidden: torch.Tensor, intervention: torch.nn.Module, count: int) -> torch.Tensor:
        places, counts = self.reader.positions(hidden, count)
        batch, width = len(hidden), hidden.shape[2]
        index = places.reshape(batch, -1, 1).expand(-1, -1, width)
        groups = intervention.rotation.shape[0]
        chosen = hidden.gather(1, index).view(batch, groups, -1, width)
        change = intervention(chosen).view(batch, -1, width) * counts.reshape(batch, -1, 1)
        return hidden.scatter_add(1, index, change.to(hidden.dtype))

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Raise ValueError: no weight has the same effect."""
        raise ValueError(_NO_MERGE)

    def unmerge(self) -> None:
        """Do nothing, since nothing can be merged."""


class LoReftModel(BaseTuner):  # type: ignore[misc]
    """Intervenes on the outputs of a model's layers."""

    prefix = "loreft_"
    tuner_layer_cls = LoReftLayer
    target_module_mapping: dict[str, list[str]] = {}  # noqa: RUF012

    def _prepare_adapter_config(
        self, peft_config: LoReftConfig, model_config: dict[str, object]
    ) -> LoReftConfig:
        if peft_config.target_modules is None:
            peft_config.target_modules = layer_names(self.model)
        return peft_config

    def _create_and_replace(
        self,
        peft_config: LoReftConfig,
        adapter_name: str,
        target: torch.nn.Module,
        target_name: str,
        parent: torch.nn.Module,
        current_key: str,
        **kwargs: object,
    ) -> None:
        layer = target._modules.get(CHILD)
        device = next(target.parameters()).device
        if layer is None:
            owner = self._owner(current_key)
            layer = LoReftLayer(target, _width(owner), reader_of(owner))
            layer._active_adapter = adapter_name
            target.add_module(CHILD, layer)
        layer.update_layer(adapter_name, peft_config, device)
        if adapter_name not in self.active_adapters:
            layer.loreft_interventions[adapter_name].requires_grad_(False)

    def _owner(self, key: str) -> torch.nn.Module:
        """Return the innermost transformers model around a module, which is called with the mask."""
        owner = module = self.model
        for part in key.split("."):
            if isinstance(module, PreTrainedModel):
                owner = module
            module = getattr(module, part)
        return owner

    def _check_merge_allowed(self) -> None:
        raise ValueError(_NO_MERGE)

    def _unload_and_optionally_merge(self, merge: bool = True, **kwargs: object) -> torch.nn.Module:
        if merge:
            self._check_merge_allowed()
        for module in list(self.model.modules()):
            layer = module._modules.get(CHILD)
            if isinstance(layer, LoReftLayer):
                layer.hook.remove()
                layer.reader.hook.remove()
                del module._modules[CHILD]
        unloaded: torch.nn.Module = super()._unload_and_optionally_merge(merge=False, **kwargs)
        return unloaded


def layer_names(model: torch.nn.Module) -> list[str]:
    """Return the names of the layers on whose outputs LoReFT intervenes.

    Raises ValueError if no list of layers is found.
    """
    lists = layer_lists(model)
    if not lists:
        raise ValueError(
            f"whichpeft cannot find the layers of {type(model).__name__}; name them in target_modules"
        )
    name, layers = max(lists, key=lambda item: len(item[1]))
    return [f"{name}.{index}" for index in range(len(layers))]


def _width(model: torch.nn.Module) -> int:
    width = getattr(getattr(model, "config", None), "hidden_size", None)
    if not isinstance(width, int):
        raise ValueError(f"LoReFT needs hidden_size in the config of {type(model).__name__}")
    return width


register("loreft", LoReftConfig, LoReftModel)
