"""BitFit as a PEFT tuner: every bias of the backbone gets a trained copy.

Ben Zaken et al. 2022, arXiv 2106.10199. It saves, loads and merges like PEFT's own adapters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from peft import PeftConfig, PeftType
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, check_adapters_to_merge
from torch.nn import functional

from whichpeft.methods.tuners.shared import register


@dataclass
class BitFitConfig(PeftConfig):  # type: ignore[misc]
    """Configuration of a BitFit adapter."""

    target_modules: list[str] | str | None = None
    """Full or leaf names of the modules whose bias trains; if None, all that have one."""

    exclude_modules: list[str] | str | None = None
    """Full or leaf names of modules that are left out."""

    modules_to_save: list[str] | None = field(default=None)
    """Names of other modules that train and are saved, such as the head."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PeftType.BITFIT


class BitFitLayer(torch.nn.Module, BaseTunerLayer):  # type: ignore[misc]
    """A module whose bias is replaced by a trained copy, one per adapter."""

    adapter_layer_names = ("bitfit_bias",)

    def __init__(self, base_layer: torch.nn.Module, adapter_name: str, **kwargs: object) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.bitfit_bias = torch.nn.ParameterDict()
        self.merged_adapters: list[str] = []
        self._frozen_bias: torch.Tensor | None = None
        self._active_adapter = adapter_name
        self.update_layer(adapter_name)

    def update_layer(self, adapter_name: str, inference_mode: bool = False) -> None:
        """Add an adapter: a copy of the pretrained bias, so that outputs do not change at first."""
        bias = self._pretrained_bias()
        self.bitfit_bias[adapter_name] = torch.nn.Parameter(bias.detach().clone())
        self.set_adapter(self.active_adapters, inference_mode=inference_mode)

    def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        if self.disable_adapters:
            if self.merged:
                self.unmerge()
            return self.base_layer(x, *args, **kwargs)
        if self.merged or not self.active_adapters:
            return self.base_layer(x, *args, **kwargs)
        bias = self.bitfit_bias[self.active_adapters[0]]
        base = self.base_layer
        # The two layers that matter for speed; functional_call below takes a few microseconds longer.
        if type(base) is torch.nn.Linear:
            return functional.linear(x, base.weight, bias)
        if type(base) is torch.nn.LayerNorm:
            return functional.layer_norm(x, base.normalized_shape, base.weight, bias, base.eps)
        # Another adapter may wrap the module; the trained bias replaces the pretrained one inside it.
        return torch.func.functional_call(base, {self._bias_name(): bias}, (x, *args), kwargs)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Replace the pretrained bias by the trained one, and keep it for `unmerge`.

        Raises ValueError if the bias is not finite and `safe_merge` is true.
        """
        chosen = check_adapters_to_merge(self, adapter_names)
        if not chosen:
            return
        if len(chosen) > 1 or self.merged:
            raise ValueError("BitFit can merge only one adapter at a time, since a module has one bias")
        trained = self.bitfit_bias[chosen[0]]
        if safe_merge and not torch.isfinite(trained).all():
            raise ValueError(f"the bias of adapter {chosen[0]} is not finite")
        bias = self._pretrained_bias()
        self._frozen_bias = bias.data.clone()
        bias.data = trained.data.clone().to(bias.dtype)
        self.merged_adapters.append(chosen[0])

    def unmerge(self) -> None:
        """Put the pretrained bias back."""
        if self.merged and self._frozen_bias is not None:
            self.merged_adapters.clear()
            self._pretrained_bias().data = self._frozen_bias
            self._frozen_bias = None

    def _bias_name(self) -> str:
        """Return the name of the pretrained bias in `base_layer`, inside other adapters' layers."""
        name, module = "bias", self.base_layer
        while hasattr(module, "base_layer"):
            name, module = f"base_layer.{name}", module.base_layer
        return name

    def _pretrained_bias(self) -> torch.nn.Parameter:
        bias = self.get_base_layer().bias
        if not isinstance(bias, torch.nn.Parameter):
            raise ValueError(f"{type(self.base_layer).__name__} has no bias for BitFit to train")
        return bias


class BitFitModel(BaseTuner):  # type: ignore[misc]
    """Gives every bias of the backbone a trained copy."""

    prefix = "bitfit_"
    tuner_layer_cls = BitFitLayer
    target_module_mapping: dict[str, list[str]] = {}  # noqa: RUF012

    def _prepare_adapter_config(
        self, peft_config: PeftConfig, model_config: dict[str, object]
    ) -> PeftConfig:
        if peft_config.target_modules is None:
            peft_config.target_modules = biased_modules(self.model)
        return peft_config

    def _create_and_replace(
        self,
        peft_config: PeftConfig,
        adapter_name: str,
        target: torch.nn.Module,
        target_name: str,
        parent: torch.nn.Module,
        current_key: str,
        **kwargs: object,
    ) -> None:
        if isinstance(target, BitFitLayer):
            target.update_layer(adapter_name, inference_mode=peft_config.inference_mode)
            return
        layer = BitFitLayer(target, adapter_name)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)


def biased_modules(model: torch.nn.Module) -> list[str]:
    """Return the names of the modules that have a bias of their own, in the model's order.

    A module wrapped by an adapter has the wrapper's name, not that of the layer inside.
    """
    return [
        name.partition(".base_layer")[0]
        for name, module in model.named_modules()
        if isinstance(module._parameters.get("bias"), torch.nn.Parameter)
    ]


register("bitfit", BitFitConfig, BitFitModel)
