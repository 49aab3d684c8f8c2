"""Several short training examples in one row of a batch, each read as if it stood alone.

An example's positions begin anew at each, which is how transformers knows where one ends
(`find_packed_sequence_indices` in its `masking_utils`): it then lets no example attend to another.
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

# Layers of other kinds carry a state along a row, from one example into the next.
_KEPT_APART = frozenset({"full_attention", "sliding_attention", "chunked_attention"})


class PackedExamples(GenerativeExamples):
    """Training examples that share rows where that saves some; who is in a batch stays the same."""

    @classmethod
    def of(cls, examples: GenerativeExamples) -> PackedExamples:
        return cls(**{f.name: getattr(examples, f.name) for f in dataclasses.fields(examples)})

    def rows(self, indices: Array) -> int:
        """Return how many rows these examples take as a batch."""
        return len(first_fit(self.sizes[indices]))

    def batch(self, indices: Array) -> Batch:
        """Return the examples as tensors, padded as ever where no two of them fit into one row.

        position_ids: an example's begin at 0. labels: the next tokens at `columns`, which are the
        positions that have something to learn in any row.
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
        # What fills a row is one more text, which nothing is learnt from.
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
    """Put examples into rows of at most the longest's size, and return each row's numbers.

    The longest come first, each into the first row that has room. Longer rows would hold more, but
    what attention costs grows with the square of their length.
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
    """Say why examples in one row are not kept apart by this architecture, or None."""
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
