"""Computes a loss, likelihoods or generated tokens from a language model and a batch."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch.nn import functional

from whichpeft.tasks.generative.device_rows import rows_in_memory
from whichpeft.tasks.generative.examples import IGNORED
from whichpeft.tasks.generative.greedy_decoding import greedy_decode
from whichpeft.tasks.protocol import Batch

# Tokens that pass through the model together in evaluation, including those that may be generated; at
# least one example.
_MOST_TOKENS = 16_384

_after_prompts: ContextVar[torch.Tensor | None] = ContextVar("after_prompts", default=None)


def positions_after_prompts() -> torch.Tensor | None:
    """Return the number of positions after each prompt in the current pass, with padding: (batch,).

    Return None if everything is prompt, as in generation. For methods that edit only prompts.
    """
    return _after_prompts.get()


def completion_loss(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return the mean cross entropy of the completions' tokens, in float32."""
    logits, labels = completion_logits(model, batch)
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def likelihoods(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return each completion's log-likelihood in nats and its number of tokens: (rows, 2), float32."""
    keys = ("input_ids", "attention_mask", "labels", "after")
    parts = _parts(batch, keys, batch["input_ids"].shape[1], _rows_with_logits(model, batch))
    return torch.cat([_likelihoods(*completion_logits(model, part)) for part in parts])


def choice_likelihoods(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return each choice's log-likelihood, in total and per character: (batch, choices, 2)."""
    by_choice = continuations(model, batch)[:, 0]
    found: torch.Tensor = batch["choice_scores"].clone()
    found.view(-1, 2)[batch["slots"]] = torch.stack([by_choice, by_choice / batch["letters"]], dim=1)
    return found


def continuations(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return log-likelihoods of texts, and whether each of their tokens is the likeliest: (texts, 2).

    Text i follows the prompt of row ``rows[i]`` and ends with the token ``lasts[i]``; several texts may
    share a row.
    """
    keys = ("input_ids", "attention_mask", "labels", "after", "ends")
    shared, likeliest, last = [], [], []
    most = _rows_with_logits(model, batch)
    for part in _parts(batch, keys, batch["input_ids"].shape[1], most):
        logits, labels = completion_logits(model, part)
        shared.append(_likelihoods(logits, labels)[:, 0])
        likeliest.append(((logits.argmax(dim=-1) == labels) | (labels == IGNORED)).all(dim=1))
        every = torch.arange(len(logits), device=logits.device)
        last.append(logits[every, part["ends"]].log_softmax(dim=-1))
    rows, lasts, following = batch["rows"], batch["lasts"], torch.cat(last)
    nats = torch.cat(shared)[rows] + following[rows, lasts]
    greedy = torch.cat(likeliest)[rows] & (following.argmax(dim=-1)[rows] == lasts)
    return torch.stack([nats, greedy.float()], dim=1)


def _likelihoods(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    losses = functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    counted = (labels != IGNORED).sum(dim=1)
    return torch.stack([-losses.view(labels.shape).sum(dim=1), counted.float()], dim=1)


def generate(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return the tokens that greedy decoding generates after each prompt: (batch, longest).

    Positions after the end of a text are padding.
    """
    found: torch.Tensor = batch["generated"].clone()
    length, longest = batch["input_ids"].shape[1], found.shape[1]
    start = 0
    most = rows_in_memory(model, batch["input_ids"].device, logits=1, tokens=length + longest)
    for part in _parts(batch, ("input_ids", "attention_mask"), length + longest, most):
        new = greedy_decode(model, part["input_ids"], part["attention_mask"], longest)
        found[start : start + len(new), : new.shape[1]] = new
        start += len(new)
    return found


def completion_logits(model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of the positions that have labels, and the labels.

    These are the last positions, or ``columns`` if examples share rows.
    """
    labels = batch["labels"]
    if "columns" in batch:
        return _packed_logits(model, batch), labels
    kept = labels.shape[1]
    options = {"logits_to_keep": kept} if _keeps_logits(model) else {}
    with _followed_by(batch.get("after")):
        output = model(
            input_ids=batch["input_ids"], attention_mask=batch.get("attention_mask"), **options
        )
    # Count from the end, because virtual tokens are added at the beginning.
    return output.logits[:, -kept:].float(), labels


def _packed_logits(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return the logits at ``columns`` of rows that examples share."""
    options = {"logits_to_keep": batch["columns"]} if _keeps_logits(model) else {}
    # With a mask or a cache, transformers would treat a row as one text.
    output = model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False, **options
    )
    logits: torch.Tensor = output.logits if options else output.logits[:, batch["columns"]]
    return logits.float()


@contextmanager
def _followed_by(positions: torch.Tensor | None) -> Iterator[None]:
    token = _after_prompts.set(positions)
    try:
        yield
    finally:
        _after_prompts.reset(token)


def _keeps_logits(model: torch.nn.Module) -> bool:
    """Whether the model can compute only the requested logits."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(base.forward).parameters


def _rows_with_logits(model: torch.nn.Module, batch: Batch) -> int | None:
    """Return how many rows' logits fit on the device; None if that is not known, as on a CPU."""
    kept = batch["labels" if _keeps_logits(model) else "input_ids"].shape[1]
    return rows_in_memory(model, batch["input_ids"].device, logits=kept)


def _parts(batch: Batch, keys: tuple[str, ...], length: int, most: int | None) -> Iterator[Batch]:
    """Split a batch into parts of at most `_MOST_TOKENS` tokens, and of at most `most` rows if given."""
    rows = max(1, _MOST_TOKENS // length)
    if most is not None:
        rows = min(rows, most)
    for start in range(0, len(batch["input_ids"]), rows):
        yield {key: batch[key][start : start + rows] for key in keys}
