"""Finds the first and the last real positions of a batch whenever the model is called.

If a completion follows a prompt, these are positions of the prompt, since a model that generates has
read nothing else.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from whichpeft.tasks.generative.model_outputs import positions_after_prompts


class PromptReader:
    """A hook before a model's forward pass that stores which positions are real.

    They are stored until the next pass, because gradient checkpointing computes layers again after the
    model's own pass has ended.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._arguments = list(inspect.signature(model.forward).parameters)
        self._mask: torch.Tensor | None = None
        self._past = 0
        self._after: torch.Tensor | None = None
        self._found: dict[tuple[object, ...], tuple[torch.Tensor, torch.Tensor]] = {}
        self.hook = model.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = dict(zip(self._arguments, args, strict=False)) | kwargs
        past = given.get("past_key_values")
        self._past = 0 if past is None else past.get_seq_length()
        self._mask = given.get("attention_mask")
        self._after = positions_after_prompts()
        self._found = {}

    def continues(self, length: int) -> bool:
        """Whether this pass is a later step of generation, with the prompt in the cache."""
        return self._past > 0 and length == 1

    def positions(self, hidden: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the first and the last `count` real positions of each sequence.

        Parameters
        ----------
        hidden
            Hidden states, (batch, length, width).
        count
            Number of positions at either end.

        Returns
        -------
        tuple of torch.Tensor
            The positions, and which of them count, both (batch, 2, count). Half of a sequence shorter
            than twice `count` counts at either end, as in the authors' code, and the rest does not.
        """
        batch, length = hidden.shape[:2]
        key = (batch, length, count, hidden.device)
        if key not in self._found:
            self._found[key] = self._find(batch, length, count, hidden.device)
        return self._found[key]

    def _find(
        self, batch: int, length: int, count: int, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        real = self._real(batch, length, device)
        if self._after is not None:  # what follows a prompt did not exist when it was read
            real = real & (torch.arange(length, device=device) < length - self._after[:, None])
        start, total = real.int().argmax(dim=1, keepdim=True), real.sum(dim=1, keepdim=True)
        each = (total // 2).clamp(max=count)
        steps = torch.arange(count, device=device).expand(batch, count)
        places = torch.stack([start + steps, start + total - each + steps], dim=1)
        counts = (steps < each)[:, None].expand(batch, 2, count)
        return places.clamp(max=length - 1), counts

    def _real(self, batch: int, length: int, device: torch.device) -> torch.Tensor:
        """Return which positions are not padding, (batch, length).

        Raises ValueError if the mask has another shape.
        """
        mask = self._mask
        if mask is None:
            return torch.ones(batch, length, dtype=torch.bool, device=device)
        if not isinstance(mask, torch.Tensor) or mask.dim() != 2:
            raise ValueError("LoReFT needs an attention mask of shape (batch, length)")
        if mask.shape[1] == length:
            return mask.bool()
        if self._past:  # the mask also covers what is in the cache
            return mask[:, -length:].bool()
        # A mask over audio samples, many per position.
        samples = torch.arange(length, device=device) * mask.shape[1] // length
        return mask[:, samples].bool()


def reader_of(model: torch.nn.Module) -> PromptReader:
    """Return the hook of a model, the existing one or a new one."""
    for hook in model._forward_pre_hooks.values():
        if isinstance(hook, PromptReader):
            return hook
    return PromptReader(model)
