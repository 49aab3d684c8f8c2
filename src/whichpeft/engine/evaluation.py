"""What a model predicts on a split, and how few examples at a time if memory runs out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from whichpeft.engine.batches import evaluation_batches
from whichpeft.engine.memory import ran_out_of_memory
from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.errors import TrialFailed, without_secrets
from whichpeft.tasks import Array, Batch, DecodedTask, Examples


def evaluate(prepared: PreparedTrial, split: str) -> dict[str, Array]:
    """Return ``outputs`` on a split, one row per example, in the split's own order.

    The other arrays are those that the task keeps of its predictions.
    """
    examples: Examples = prepared.examples[split]
    constant = None if prepared.adapter.trains else prepared.task.constant_baseline(len(examples))
    outputs = _outputs(prepared, examples) if constant is None else constant
    if isinstance(prepared.task, DecodedTask):
        return dict(prepared.task.predictions(outputs, examples, prepared.backbone))
    return {"outputs": outputs}


def _outputs(prepared: PreparedTrial, examples: Examples) -> Array:
    rows: list[Array] = []
    batches: list[Array] = []
    left = evaluation_batches(examples.sizes, prepared.evaluated_at_once)
    prepared.model.eval()
    group = prepared.group
    while left:
        batch = left[0]
        own = group.own(batch)
        try:
            outputs = predict(prepared, examples.batch(own if len(own) else batch[:1]))
        except Exception as error:
            # The processes of a group would have to agree on it.
            if group.size > 1 or not ran_out_of_memory(error):
                raise
            if len(batch) == 1:
                text = without_secrets(" ".join(str(error).split()))
                raise TrialFailed(
                    f"out of memory in evaluation, with one example at a time: {text[:300]}"
                ) from None
        else:
            rows.append(outputs[: len(own)])
            batches.append(left.pop(0))
            continue
        # Outside the handler, so that no traceback keeps the attempt's tensors alive. The model stays
        # as it was. The largest batches come first, so the others fit at once.
        left = halves(left, math.ceil(len(batch) / 2))
        prepared.compute.let_go()
    by_rank = group.gathered(rows)
    shares = [[batch[rank :: group.size] for batch in batches] for rank in range(group.size)]
    return in_order(list(itertools.chain(*by_rank)), list(itertools.chain(*shares)))


def halves(batches: Sequence[Array], size: int) -> list[Array]:
    """Cut batches into parts of at most `size` examples, in the same order."""
    return [batch[i : i + size] for batch in batches for i in range(0, len(batch), size)]


def predict(prepared: PreparedTrial, batch: Batch, model: torch.nn.Module | None = None) -> Array:
    """Return the outputs on one batch, from the prepared model or another form of it, in `eval` mode."""
    # Weights gathered from other processes must be usable in training again, so no inference mode there.
    without_graph = torch.inference_mode if prepared.group.size == 1 else torch.no_grad
    with without_graph(), prepared.compute.autocast():
        outputs = prepared.task.outputs(model or prepared.model, prepared.compute.place(batch))
    rows: Array = outputs.float().cpu().numpy()
    return rows


def in_order(rows: Sequence[Array], batches: Sequence[Array]) -> Array:
    """Return the rows of evaluation batches in the order of the split."""
    found: Array = np.empty_like(np.concatenate(rows))
    found[np.concatenate(batches)] = np.concatenate(rows)
    return found
