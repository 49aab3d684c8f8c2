"""Prompts and completions as a language model reads them: token ids, kept flat."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whichpeft.metrics.metric import Array
from whichpeft.tasks.generative.scoring import ABSENT, Evaluation
from whichpeft.tasks.protocol import Batch

IGNORED = -100
"""The target of a position whose next token is not learnt."""


@dataclass(frozen=True, slots=True, eq=False)
class GenerativeExamples:
    """One split in tokens; example i is ``ids[offsets[i]:offsets[i + 1]]``, prompt and completion.

    prompts: how many of an example's tokens are its prompt, at least one. labels: number of the right
    choice, or of the right answer (a hash of it). right: of answers that are generated, what is right,
    and options, what there is to choose from, a line each; empty elsewhere. groups: number of the set
    that an example is from. choices: tokens of the choices, `most` an example, empty where it has fewer;
    letters: their lengths as text, shape (n, most). evaluation: how the split is read, or None.
    longest: tokens that may be written; cap: tokens that may be read and written. begin: what every
    prompt begins with; between: what stands between an example that is shown and the next. pad: id that
    fills a batch. truncated: share that was cut.
    """

    ids: Array
    offsets: Array
    prompts: Array
    labels: Array
    right: Array
    options: Array
    groups: Array
    choices: Array
    choice_offsets: Array
    letters: Array
    evaluation: Evaluation | None
    longest: int
    cap: int
    begin: tuple[int, ...]
    between: tuple[int, ...]
    pad: int
    truncated: float

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sizes(self) -> Array:
        return np.diff(self.offsets)

    @property
    def tokens(self) -> Array:
        return np.diff(self.offsets)

    @property
    def weights(self) -> Array:
        """What each example counts for in the loss of a batch: the tokens of its completion."""
        counts: Array = np.maximum(self.tokens - self.prompts, 1)
        return counts

    @property
    def max_choices(self) -> int:
        """The most choices that an example has."""
        return int(self.letters.shape[1])

    def shots(self, count: int) -> tuple[tuple[int, ...], ...]:
        """Return the tokens of so many examples, spread over the split, as prompts are shown them."""
        chosen = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int))
        # Of a completion all but the end of the text, after which a model would begin another one.
        return tuple(
            (*self.ids[start + len(self.begin) : stop - 1].tolist(), *self.between)
            for start, stop, _ in self._places(chosen)
        )

    def with_shots(self, shown: Sequence[tuple[int, ...]]) -> GenerativeExamples:
        """Return the split with examples shown before each prompt, the last ones where not all fit."""
        rows, prompts = [], []
        for index, (start, stop, prompt) in enumerate(self._places(np.arange(len(self)))):
            own = self.ids[start + len(self.begin) : stop].tolist()
            follows = max(
                [stop - start - prompt, *(len(self._choice(index, c)) for c in range(self.max_choices))]
            )
            room = self.cap - prompt - (self.longest if self.evaluation == "generation" else follows)
            before: list[int] = []
            for shot in reversed(shown):
                if len(before) + len(shot) > room:
                    break
                before = [*shot, *before]
            rows.append([*self.begin, *before, *own])
            prompts.append(len(before) + prompt)
        return dataclasses.replace(
            self,
            ids=np.array([token for row in rows for token in row], dtype=np.int32),
            offsets=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
            prompts=np.array(prompts, dtype=np.int32),
        )

    def batch(self, indices: Array) -> Batch:
        """Return the examples at `indices` as tensors.

        Completions are padded on the right, for training and for likelihoods; prompts to be continued on
        the left. ``labels`` are the next tokens at the last positions, as many as there are columns.
        """
        chosen = np.asarray(indices)
        if self.evaluation == "generation":
            return self._prompts(chosen)
        if self.evaluation == "choices":
            return self._choices(chosen)
        return right_padded([(self.ids[a:b], int(p)) for a, b, p in self._places(chosen)], self.pad)

    def _choice(self, index: int, choice: int) -> Array:
        first = index * self.max_choices + choice
        tokens: Array = self.choices[self.choice_offsets[first] : self.choice_offsets[first + 1]]
        return tokens

    def _places(self, chosen: Array) -> Iterator[tuple[int, int, int]]:
        yield from zip(
            self.offsets[chosen].tolist(),
            self.offsets[chosen + 1].tolist(),
            self.prompts[chosen].tolist(),
            strict=True,
        )

    def _prompts(self, chosen: Array) -> Batch:
        import torch

        rows = [self.ids[start : start + prompt] for start, _, prompt in self._places(chosen)]
        length = max(map(len, rows))
        ids = np.full((len(rows), length), self.pad, dtype=np.int64)
        mask = np.zeros((len(rows), length), dtype=np.int64)
        for row, tokens in enumerate(rows):
            ids[row, length - len(tokens) :] = tokens
            mask[row, length - len(tokens) :] = 1
        written = np.full((len(rows), self.longest), self.pad, dtype=np.int64)
        found = {"input_ids": ids, "attention_mask": mask, "generated": written}
        return {key: torch.from_numpy(value) for key, value in found.items()}

    def _choices(self, chosen: Array) -> Batch:
        """Return rows that lead to the last token of the choices, and which choice ends which of them.

        Choices that differ in their last token only, as ``answer1`` and ``answer2`` do, share a row.
        """
        import torch

        rows: list[tuple[Array, int]] = []
        numbers: dict[tuple[int, ...], int] = {}
        ending, lasts, slots, letters = [], [], [], []
        for place, (index, (start, _, prompt)) in enumerate(
            zip(chosen.tolist(), self._places(chosen), strict=True)
        ):
            context = self.ids[start : start + prompt]
            for choice in range(self.max_choices):
                tokens = self._choice(index, choice)
                if not len(tokens):
                    continue
                shared = (place, *tokens[:-1].tolist())
                if shared not in numbers:
                    numbers[shared] = len(rows)
                    rows.append((np.concatenate([context, tokens[:-1]]), prompt))
                ending.append(numbers[shared])
                lasts.append(int(tokens[-1]))
                slots.append(place * self.max_choices + choice)
                letters.append(self.letters[index, choice])
        batch = right_padded(rows, self.pad)
        found = np.full((len(chosen), self.max_choices, 2), ABSENT, dtype=np.float32)
        return batch | {
            "rows": torch.tensor(ending),
            "lasts": torch.tensor(lasts),
            "slots": torch.tensor(slots),
            "letters": torch.tensor(letters, dtype=torch.float32),
            "choice_scores": torch.from_numpy(found),
        }


def right_padded(rows: list[tuple[Array, int]], pad: int) -> dict[str, Any]:
    """Return token ids, the mask, and the targets of the last positions, from the shortest prompt on.

    after: the positions that follow each prompt. ends: where each row's end is among the targets.
    """
    import torch

    length = max(len(tokens) for tokens, _ in rows)
    kept = length - min(prompt for _, prompt in rows) + 1
    ids = np.full((len(rows), length), pad, dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.int64)
    # One more than there is, since nothing follows the last position.
    targets = np.full((len(rows), length + 1), IGNORED, dtype=np.int64)
    for row, (tokens, prompt) in enumerate(rows):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
        targets[row, prompt : len(tokens)] = tokens[prompt:]
    return {
        "after": torch.tensor([length - prompt for _, prompt in rows]),
        "ends": torch.tensor([kept - 1 - (length - len(tokens)) for tokens, _ in rows]),
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.from_numpy(np.ascontiguousarray(targets[:, 1:][:, -kept:])),
    }
