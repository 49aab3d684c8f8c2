"""Low-rank updates and their kin: LoRA and DoRA; and the rescaling of IA3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whichpeft.methods.method import Situation
from whichpeft.methods.peft_method import PeftMethod

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Lora(PeftMethod):
    """LoRA: a trained low-rank product beside each target's frozen weight.

    lora_alpha: the update is scaled by lora_alpha / r; twice the rank where not given.
    """

    name = "lora"
    description = "a low-rank update beside frozen weights"
    paper = "Hu et al. 2021, arXiv 2106.09685"
    usual_learning_rate = 2e-3
    learning_rate_source = "docs/defaults.md: a sweep with minilm on stdlib-docs"
    scales_with_width = True
    config = "LoraConfig"
    targets = True
    aliases = {"alpha": "lora_alpha", "dropout": "lora_dropout"}  # noqa: RUF012

    r: int = 8
    lora_alpha: int | None = None
    lora_dropout: float = 0.1
    target_modules: tuple[str, ...] | None = None

    @property
    def hyperparameters(self) -> dict[str, Any]:
        own = super().hyperparameters
        return own | {"lora_alpha": 2 * self.r if self.lora_alpha is None else self.lora_alpha}


@dataclass(frozen=True, kw_only=True)
class Dora(Lora):
    """DoRA: LoRA on a weight's direction, with its magnitude trained apart."""

    name = "dora"
    description = "LoRA on the weights' direction, their magnitude trained apart"
    paper = "Liu et al. 2024, arXiv 2402.09353"

    def config_fields(self, model: torch.nn.Module, situation: Situation) -> dict[str, Any]:
        return super().config_fields(model, situation) | {"use_dora": True}


@dataclass(frozen=True, kw_only=True)
class IA3(PeftMethod):
    """IA3: one learned factor for each output of the target modules."""

    name = "ia3"
    description = "learned factors on the outputs of the target modules"
    paper = "Liu et al. 2022, arXiv 2205.05638"
    usual_learning_rate = 3e-2
    learning_rate_source = "docs/defaults.md: a sweep with minilm on stdlib-docs"
    config = "IA3Config"
    targets = True

    target_modules: tuple[str, ...] | None = None

    def config_fields(self, model: torch.nn.Module, situation: Situation) -> dict[str, Any]:
        fields = super().config_fields(model, situation)
        if self.target_modules is not None or situation.same_targets:
            # PEFT wants to know which targets are rescaled at their input: none of the shared ones.
            fields["feedforward_modules"] = []
        return fields
