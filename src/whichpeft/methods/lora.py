"""LoRA and its variants, whose scale follows from their rank, and IA3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from whichpeft.methods.method import MethodContext
from whichpeft.methods.peft_adapter import PeftAdapter
from whichpeft.methods.peft_method import PeftMethod

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Lora(PeftMethod):
    """LoRA: a trained low-rank product beside each target's frozen weight.

    lora_alpha: the update is scaled by lora_alpha / r; `alpha_of_rank` times the rank where not
    given.
    """

    alpha_of_rank: ClassVar[int] = 2

    r: int = 8
    lora_alpha: int | None = None

    @property
    def hyperparameters(self) -> dict[str, Any]:
        own = super().hyperparameters
        if self.from_file is not None:
            return own
        alpha = self.alpha_of_rank * self.r if self.lora_alpha is None else self.lora_alpha
        return own | {"lora_alpha": alpha}

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if self.start in _SHOWN:
            return (
                f"{self.start} starts from data, gradients or a quantised model, which whichpeft does "
                "not show it; use true, pissa, olora or mica"
            )
        return super().refuses(backbone, task, budget)

    @property
    def start(self) -> object:
        """How its factors are drawn."""
        return (self.hyperparameters | dict(self.peft.fixed)).get("init_lora_weights")

    def refuses_options(self, study: Study) -> str | None:
        if study.conditions.quantise and isinstance(self.start, str) and self.start.startswith(_EXACT):
            return f"{self.start} starts from the weights' exact singular directions"
        if study.conditions.packing and self.hyperparameters.get("alora_invocation_tokens"):
            return "it begins where a row says so last, and packed examples share a row"
        return super().refuses_options(study)

    def adapter(self, model: Any, apart: frozenset[str]) -> PeftAdapter:
        return LoraAdapter(model, apart)


class LoraAdapter(PeftAdapter):
    """LoRA on a model; some ways to start it move a part of the weights into its factors."""

    def detach(self, *, restore_head: bool = True) -> torch.nn.Module:
        start = self.model.peft_config["default"].init_lora_weights
        if isinstance(start, str) and start.startswith(_MOVING):
            raise ValueError(f"{start} starts by moving a part of the weights into its factors")
        if self.model.peft_config["default"].bias != "none":
            raise ValueError("it trains the backbone's own biases, so they are not what they were")
        return super().detach(restore_head=restore_head)


_MOVING = ("olora", "pissa")
_EXACT = ("pissa", "mica")
# Ways to start that look at data, gradients or a quantised model, which PEFT has to be shown before.
_SHOWN = ("corda", "eva", "loftq", "lora_ga")


@dataclass(frozen=True, kw_only=True)
class UnitLora(Lora):
    """A variant of LoRA whose factors are to be of the weights' own size, or of the root of r."""

    alpha_of_rank: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class Mica(UnitLora):
    """MiCA: the factor that spans the smallest singular directions stays as it starts."""

    def attach(self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True) -> Any:
        adapted = super().attach(model, context, keeps_head=keeps_head)
        if context.weightless:  # PEFT freezes it when it takes the weights apart
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.requires_grad_(False)
        return adapted


@dataclass(frozen=True, kw_only=True)
class IA3(PeftMethod):
    """IA3: one learned factor for each output of the target modules."""

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, Any]:
        fields = super().config_fields(model, context)
        if getattr(self, "target_modules", None) is not None or context.same_targets:
            # PEFT wants to know which targets are rescaled at their input: none of the shared ones.
            fields.setdefault("feedforward_modules", [])
        return fields
