"""LoRA and its variants, whose scaling follows from their rank, and IA3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from whichpeft.methods.method import MethodContext
from whichpeft.methods.peft_adapter import PeftAdapter
from whichpeft.methods.peft_method import PeftMethod

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Lora(PeftMethod):
    """LoRA: a trained low-rank product is added to each target's frozen weight."""

    alpha_of_rank: ClassVar[int] = 2
    """Default of `lora_alpha`, as a multiple of the rank."""

    r: int = 8
    """Rank of the product."""

    lora_alpha: int | None = None
    """The update is scaled by lora_alpha / r; if None, `alpha_of_rank` times the rank."""

    @property
    def hyperparameters(self) -> dict[str, Any]:
        own = super().hyperparameters
        if self.from_file is not None:
            return own
        alpha = self.alpha_of_rank * self.r if self.lora_alpha is None else self.lora_alpha
        return own | {"lora_alpha": alpha}

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if self.initialisation in _NEEDS_MORE:
            return (
                f"init_lora_weights={self.initialisation} needs calibration data or gradients, which "
                "whichpeft does not provide; use true, pissa, olora or mica"
            )
        if self.initialisation == "olora" and backbone.family in _TRANSPOSED:
            return f"PEFT's OLoRA does not turn the weights of {backbone.family}, which are transposed"
        return super().refuses(backbone, task, budget)

    @property
    def adapts_convolutions(self) -> bool:
        # PEFT decomposes only matrices; on convolutions it starts the factors at random.
        return super().adapts_convolutions and not (
            isinstance(self.initialisation, str) and self.initialisation.startswith(_READS_WEIGHTS)
        )

    @property
    def initialisation(self) -> object:
        """How the factors are initialised: the value of ``init_lora_weights``."""
        return (self.hyperparameters | dict(self.peft.fixed)).get("init_lora_weights")

    def refuses_options(self, study: Study) -> str | None:
        start = self.initialisation
        if study.conditions.quantise and isinstance(start, str) and start.startswith(_NEEDS_EXACT):
            return f"init_lora_weights={start} needs the exact singular vectors of the weights"
        if study.conditions.packing and self.hyperparameters.get("alora_invocation_tokens"):
            return "it starts at the last invocation tokens of a row, but packed examples share rows"
        return super().refuses_options(study)

    def trial_fields(
        self, fields: dict[str, Any], model: torch.nn.Module, context: MethodContext
    ) -> dict[str, object]:
        own = super().trial_fields(fields, model, context)
        start = fields.get("init_lora_weights")
        if context.weightless and isinstance(start, str) and start.startswith(_READS_WEIGHTS):
            own["init_lora_weights"] = True  # the factors have the same shapes
        return own

    def adapter(self, model: PeftModel, separate_head: frozenset[str]) -> PeftAdapter:
        if self.initialisation == "mica":
            # Its frozen factor: PEFT freezes it only when it decomposes weights, not without weights.
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.requires_grad_(False)
        return LoraAdapter(model, separate_head)


class LoraAdapter(PeftAdapter):
    """LoRA on a model; some initialisations move a part of the weights into the factors."""

    def detach(self, *, restore_head: bool = True) -> torch.nn.Module:
        start = self.model.peft_config["default"].init_lora_weights
        if isinstance(start, str) and start.startswith(_MOVES_WEIGHTS):
            raise ValueError(f"init_lora_weights={start} moves a part of the weights into the adapter")
        if self.model.peft_config["default"].bias != "none":
            raise ValueError("it trains the backbone's own biases, so the original ones are lost")
        return super().detach(restore_head=restore_head)


# Families whose linear layers keep their weights transposed (Conv1D in transformers).
_TRANSPOSED = frozenset({"gpt2", "imagegpt", "openai-gpt"})
_MOVES_WEIGHTS = ("olora", "pissa")
_NEEDS_EXACT = ("pissa", "mica")
_READS_WEIGHTS = ("pissa", "olora", "mica", "orthogonal")
# Initialisations that PEFT can only make after it was given data, gradients or a quantised model.
_NEEDS_MORE = ("corda", "eva", "loftq", "lora_ga")


@dataclass(frozen=True, kw_only=True)
class UnitLora(Lora):
    """A variant of LoRA whose default `lora_alpha` is the rank, so that the scaling is 1 or root r."""

    alpha_of_rank: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class IA3(PeftMethod):
    """IA3: one learned factor per output of the target modules."""

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, object]:
        fields = super().config_fields(model, context)
        if getattr(self, "target_modules", None) is not None or context.same_targets:
            # PEFT needs the list of targets that are rescaled at their input: none of the shared ones.
            fields.setdefault("feedforward_modules", [])
        return fields
