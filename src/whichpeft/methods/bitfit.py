"""BitFit as a method; `tuners.bitfit` is its PEFT tuner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whichpeft.methods.info import MethodInfo, PeftInfo
from whichpeft.methods.layers import bare_model
from whichpeft.methods.method import MethodContext
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.targets import new_modules

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget
    from whichpeft.tasks import Task


@dataclass(frozen=True, kw_only=True)
class BitFit(PeftMethod):
    """BitFit: only the biases train."""

    info = MethodInfo(
        name="bitfit",
        description="trains only the backbone's biases",
        paper="Ben Zaken et al. 2022, arXiv 2106.10199",
        paper_title=(
            "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked Language-models"
        ),
        learning_rate=2.5e-3,
        learning_rate_source="docs/defaults.md: searches with minilm, and eight seeds on SST-2",
        several_adapters=True,
    )
    peft = PeftInfo(
        config="BitFitConfig",
        peft_type="BITFIT",
        targets_modules=True,
        stacking_order=0,
        claims=("norms' biases",),
        loads_with="tuners",
    )

    def config_class(self) -> type[PeftConfig]:
        from whichpeft.methods.tuners.bitfit import BitFitConfig

        return BitFitConfig

    def choose_targets(self, model: torch.nn.Module, context: MethodContext) -> list[str]:
        from whichpeft.methods.tuners.bitfit import biased_modules

        outside = new_modules(context.head)
        return [name for name in biased_modules(model) if name not in outside]

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        from whichpeft.methods.tuners.bitfit import biased_modules

        if not biased_modules(bare_model(backbone)):
            return f"BitFit trains biases, but {backbone.family} has none"
        return None
