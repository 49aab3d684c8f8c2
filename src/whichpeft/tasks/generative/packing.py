"""Packing: several short training examples share a row of a batch, each read as if it were alone.

Positions restart at 0 with each example. From this, transformers detects where examples end
(`find_packed_sequence_indices` in its `masking_utils`) and keeps them from attending to each other.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.metrics.metric import Array
from whichpeft.tasks.generative.examples import IGNORED, GenerativeExamples
from whichpeft.tasks.protocol import Batch

if TYPE_CHECKING:
    from whichpeft.backbones import Backbone

# Other types of layers carry a state along a row, from one example into the next.
_KEPT_APART = frozenset({"full_attention", "sliding_attention", "chunked_attention"})


class PackedExamples(GenerativeExamples):
    """Training examples that share rows if that saves rows; the examples of a batch do not change."""

    @classmethod
    def of(cls, examples: GenerativeExamples) -> PackedExamples:
        return cls(**{f.name: getattr(examples, f.name) for f in dataclasses.fields(examples)})

    def rows(self, indices: Array) -> int:
        """Return the number of rows that these examples take as a batch."""
        return len(first_fit(self.sizes[indices]))

    def learnt(self, indices: Array) -> int:
        """Return how many positions of each row of a batch have a next token to learn in any row."""
        return int(self.batch(indices)["labels"].shape[1])

    def batch(self, indices: Array) -> Batch:
        """Return the examples as tensors; if no two of them fit into one row, padded as usual.

        ``position_ids`` restart at 0 with each example. ``labels`` holds the next tokens at ``columns``,
        the positions that count in the loss in any row.
        """
        chosen = np.asarray(indices)
        rows = first_fit(self.sizes[chosen])
        if len(rows) == len(chosen):
            return GenerativeExamples.batch(self, chosen)
        return self._packed([list(self._places(chosen[row])) for row in rows])

    def _packed(self, rows: Sequence[Sequence[tuple[int, int, int]]]) -> Batch:
        import torch

        length = max(sum(stop - start for start, stop, _ in row) for row in rows)
        ids = np.full((len(rows), length), self.pad, dtype=np.int64)
        # The padding of a row is one more text, which does not count in the loss.
        positions = np.zeros((len(rows), length), dtype=np.int64)
        targets = np.full((len(rows), length), IGNORED, dtype=np.int64)
        for number, row in enumerate(rows):
            at = 0
            for start, stop, prompt in row:
                tokens, end = self.ids[start:stop], at + stop - start
                ids[number, at:end] = tokens
                positions[number, at:end] = np.arange(len(tokens))
                targets[number, at + prompt - 1 : end - 1] = tokens[prompt:]
                at = end
            positions[number, at:] = np.arange(length - at)
        columns = np.flatnonzero((targets != IGNORED).any(axis=0))
        found = {
            "input_ids": ids,
            "position_ids": positions,
            "columns": columns,
            "labels": np.ascontiguousarray(targets[:, columns]),
        }
        return {key: torch.from_numpy(value) for key, value in found.items()}


def first_fit(sizes: Array) -> list[list[int]]:
    """Assign examples to rows as long as the longest example; return the example numbers of each row.

    Longer examples come first; each goes into the first row with enough room. Longer rows would hold
    more examples, but the cost of attention grows with the square of their length.
    """
    room: list[int] = []
    rows: list[list[int]] = []
    for number in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[number])
        row = next((i for i, left in enumerate(room) if size <= left), None)
        if row is None:
            room.append(int(sizes.max()) - size)
            rows.append([number])
        else:
            room[row] -= size
            rows[row].append(number)
    return rows


def refuses_packing(backbone: Backbone) -> str | None:
    """Return why this architecture would mix examples that share a row, or None if it would not."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    config = backbone.architecture()
    try:
        model = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    except KeyError:
        return f"transformers has no causal language model of the family {backbone.family}"
    takes = inspect.signature(model.forward).parameters
    masked = hasattr(sys.modules[model.__module__], "create_causal_mask")
    if not masked or not {"position_ids", "use_cache"} <= takes.keys():
        return f"packed examples would see each other in transformers' {backbone.family}"
    kinds = set(getattr(config.get_text_config(), "layer_types", None) or ()) - _KEPT_APART
    if kinds:
        return f"packed examples would see each other in {backbone.family}'s {min(kinds)} layers"
    return None
