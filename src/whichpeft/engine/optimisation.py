"""The optimiser and the learning rates of a training: the same for every method."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.methods import Method

MAX_GRADIENT_NORM = 1.0


class Optimisation:
    """AdamW with warm-up, linear decay and clipping, stepping through a known number of steps.

    In float16 the loss is scaled, so that small gradients do not become zero (Micikevicius et al. 2018,
    arXiv 1710.03740). A step whose gradients overflow is skipped, and the scale is halved.
    """

    def __init__(self, prepared: PreparedTrial, method: Method, steps: int) -> None:
        self._parameters = prepared.trained()
        self._method = method
        self._steps = steps
        # As usual, biases, norms and other vectors do not decay.
        groups = [
            {
                "params": [p for p in self._parameters if p.dim() >= 2],
                "weight_decay": method.weight_decay,
            },
            {"params": [p for p in self._parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        self._adamw = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=method.learning_rate or 0.0,
            fused=prepared.compute.device.type in ("cpu", "cuda"),
        )
        # If it is not enabled, its methods do nothing but call those of the loss and of AdamW.
        self._scaler = torch.amp.GradScaler(
            prepared.compute.device.type, enabled=prepared.compute.precision == "float16"
        )

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of a loss to those of the step."""
        self._scaler.scale(loss).backward()

    def step(self, step: int) -> None:
        """Apply the gradients of step `step` (from 0); call `clear` afterwards."""
        self._scaler.unscale_(self._adamw)
        torch.nn.utils.clip_grad_norm_(self._parameters, MAX_GRADIENT_NORM)
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate(self._method, step, self._steps)
        self._scaler.step(self._adamw)
        self._scaler.update()
        if self._scaler.is_enabled():
            # Clipping to an infinite norm left zeros and NaN, which the method may read as gradients.
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.grad.nan_to_num_(nan=0.0)

    def clear(self) -> None:
        self._adamw.zero_grad(set_to_none=True)

    def skipped(self, steps: int) -> int:
        """Return how many of the steps so far were skipped, because their gradients overflowed."""
        if not self._scaler.is_enabled():
            return 0
        taken = [int(own["step"]) for own in self._adamw.state_dict()["state"].values()]
        return steps - max(taken, default=0)

    def state(self) -> dict[str, torch.Tensor]:
        """Return AdamW's moments and counts, named by the number of their parameter, and the scale."""
        kept = self._adamw.state_dict()["state"]
        found = {f"adamw/{i}/{key}": value for i, own in kept.items() for key, value in own.items()}
        scale = {f"scale/{key}": torch.tensor(v) for key, v in self._scaler.state_dict().items()}
        return found | scale

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Load what `state` returned; other names are ignored."""
        kept: dict[int, dict[str, torch.Tensor]] = {}
        scale: dict[str, float] = {}
        for name, tensor in tensors.items():
            if name.startswith("adamw/"):
                _, i, key = name.split("/")
                kept.setdefault(int(i), {})[key] = tensor
            elif name.startswith("scale/"):
                scale[name.removeprefix("scale/")] = tensor.item()
        if scale:
            self._scaler.load_state_dict(scale)
        groups = self._adamw.state_dict()["param_groups"]
        self._adamw.load_state_dict({"state": kept, "param_groups": groups})


def learning_rate(method: Method, step: int, steps: int) -> float:
    """Return the rate: linear from 0 to the peak during warm-up, then linear to 0 at the last step."""
    peak, warmup = method.learning_rate or 0.0, math.ceil(method.warmup_ratio * steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (steps - step) / max(1, steps - warmup)
