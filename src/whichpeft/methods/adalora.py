"""AdaLoRA: LoRA that moves its rank budget between layers during training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.methods.lora import Lora
from whichpeft.methods.method import MethodContext
from whichpeft.methods.peft_adapter import PeftAdapter

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task


_IMPORTANCE = ("ipt", "exp_avg_ipt", "exp_avg_unc")  # what PEFT's rank allocator stores per factor


class AdaLoraAdapter(PeftAdapter):
    """Keeps the factors close to orthogonal and moves the rank budget after each step."""

    needs_own_step = True

    def __init__(self, model: PeftModel, separate_head: frozenset[str], weight: float) -> None:
        super().__init__(model, separate_head)
        self._weight = weight
        names = [
            (name, p) for name, p in model.named_parameters() if "lora_A" in name or "lora_B" in name
        ]
        # P has one row per direction (lora_A), Q one column (lora_B): compare rows of both.
        self._factors = [(p, "lora_B" in name) for name, p in names]

    def penalty(self) -> torch.Tensor:
        """Return the paper's regulariser: the mean of ||P P' - I|| and ||Q' Q - I||, weighted."""
        import torch

        total = torch.zeros((), device=self._factors[0][0].device)
        for factor, in_columns in self._factors:
            rows = factor.T if in_columns else factor
            gram = rows @ rows.T
            total = total + torch.linalg.norm(gram - torch.eye(len(gram), device=gram.device))
        return self._weight * total / len(self._factors)

    def state(self) -> dict[str, torch.Tensor]:
        """Return the running importance of every factor, and which ranks are not pruned."""
        import torch

        allocator, config = self.model.base_model.rankallocator, self.model.peft_config["default"]
        found = {
            f"{kind}/{name}": tensor
            for kind in _IMPORTANCE
            for name, tensor in getattr(allocator, kind).items()
        }
        alive = {name: torch.tensor(ranks) for name, ranks in (config.rank_pattern or {}).items()}
        return found | {f"rank_pattern/{name}": ranks for name, ranks in alive.items()}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        allocator, config = self.model.base_model.rankallocator, self.model.peft_config["default"]
        found: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in state.items():
            kind, _, rest = name.partition("/")
            found.setdefault(kind, {})[rest] = tensor
        for kind in _IMPORTANCE:
            setattr(allocator, kind, found.get(kind, {}))
        config.rank_pattern = {name: r.tolist() for name, r in found.get("rank_pattern", {}).items()}

    def save(self, folder: Path) -> None:
        # The ranks left now: at an earlier checkpoint, those of the last step would be wrong.
        config = self.model.peft_config["default"]
        if config.rank_pattern:
            config.rank_pattern = {
                name: (p != 0).view(-1).tolist()
                for name, p in self.model.base_model.model.named_parameters()
                if "lora_E" in name
            }
        super().save(folder)

    def after_step(self, step: int) -> None:
        # PEFT counts steps from 1 and scores ranks by the gradients of the step just taken.
        self.model.base_model.update_and_allocate(step + 1)


@dataclass(frozen=True, kw_only=True)
class AdaLora(Lora):
    """AdaLoRA: an SVD-shaped update whose rank budget moves to the layers that need it.

    `r` is the mean rank at the end. The budget shrinks after a tenth of the steps and is fixed during
    the last three tenths.
    """

    init_r: int | None = None
    """Rank at the start; if None, one and a half times `r`."""

    @property
    def hyperparameters(self) -> dict[str, Any]:
        own = super().hyperparameters
        if self.from_file is not None:
            return own
        return own | {"init_r": self.r + max(1, self.r // 2) if self.init_r is None else self.init_r}

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, object]:
        fields = super().config_fields(model, context)
        fields["target_r"] = fields.pop("r")
        steps = context.steps
        return fields | {
            "tinit": steps // 10,
            "tfinal": steps * 3 // 10,
            "deltaT": 1,
        }

    def trial_fields(
        self, fields: dict[str, Any], model: torch.nn.Module, context: MethodContext
    ) -> dict[str, object]:
        # The trial sets the number of steps, not the training that wrote the file.
        own = super().trial_fields(fields, model, context)
        steps = context.steps
        if context.weightless:  # without a trial there is no number of steps: one that PEFT accepts
            steps = max(steps, int(fields.get("tinit") or 0) + int(fields.get("tfinal") or 0) + 1)
        return own | {"total_step": steps, "rank_pattern": None}

    def not_used(self, given: dict[str, Any], backbone: Backbone) -> dict[str, str]:
        found = super().not_used(given, backbone)
        if given.get("rank_pattern"):
            found["rank_pattern"] = (
                "rank_pattern holds the ranks that an earlier training kept, so it is not used"
            )
        return found

    def notes(self, backbone: Backbone, task: Task) -> tuple[str, ...]:
        total = self.hyperparameters.get("total_step")
        if total is None:
            return super().notes(backbone, task)
        note = f"total_step is {total} in the file; here it is the number of steps of a trial"
        return (*super().notes(backbone, task), note)

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if self.init_r is not None and self.init_r <= self.r:
            return f"AdaLoRA prunes from init_r={self.init_r} to r={self.r}; init_r has to be larger"
        steps = budget.steps(task.counts["train"])
        given = self.hyperparameters
        fixed = int(given.get("tinit") or 0) + int(given.get("tfinal") or 0)
        if fixed >= steps:
            return f"its config keeps the ranks fixed for {fixed} steps, but training has only {steps}"
        if steps < 10:
            return f"AdaLoRA moves its rank budget during training, and {steps} steps are too few"
        return super().refuses(backbone, task, budget)

    def refuses_options(self, study: Study) -> str | None:
        if study.conditions.shards > 1:
            return (
                "AdaLoRA needs whole factors and their gradients to move its rank budget, but each "
                "process holds only a shard of them"
            )
        return super().refuses_options(study)

    def attach(
        self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True
    ) -> PeftModel:
        adapted = super().attach(model, context, keeps_head=keeps_head)
        for name, parameter in adapted.named_parameters():
            if "ranknum" in name:  # a count; PEFT freezes it only if it has weights
                parameter.requires_grad_(False)
        return adapted

    def resume(self, model: torch.nn.Module, context: MethodContext, folder: Path) -> PeftAdapter:
        saved = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        alive = [rank for ranks in (saved.get("rank_pattern") or {}).values() for rank in ranks]
        if not all(alive):
            raise ValueError(
                "AdaLoRA saves only the directions that are left, so pruning cannot resume from there"
            )
        return super().resume(model, context, folder)

    def adapter(self, model: PeftModel, separate_head: frozenset[str]) -> PeftAdapter:
        return AdaLoraAdapter(model, separate_head, model.peft_config["default"].orth_reg_weight)
