"""Prompts and completions as a language model reads them: token ids in flat arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whichpeft.metrics.metric import Array
from whichpeft.tasks.generative.scoring import ABSENT, Evaluation
from whichpeft.tasks.protocol import Batch
from whichpeft.tasks.ragged import take_rows

IGNORED = -100
"""The target of positions that do not count in the loss."""


@dataclass(frozen=True, slots=True, eq=False)
class GenerativeExamples:
    """One split in tokens."""

    ids: Array
    """Tokens of all prompts with completions; example i is ``ids[offsets[i]:offsets[i + 1]]``."""
    offsets: Array
    """Start of each example in `ids`, and the end of the last; shape (n + 1,)."""
    prompts: Array
    """Number of tokens of each prompt, at least one."""
    labels: Array
    """Number of the right choice, or a hash of the right answer."""
    right: Array
    """The right answer as text if answers are generated, else empty."""
    options: Array
    """The choices as text, one per line, if answers are generated, else empty."""
    groups: Array
    """Number of the set that each example comes from."""
    choices: Array
    """Tokens of all choices, `max_choices` per example; missing ones are empty."""
    choice_offsets: Array
    """Start of each choice in `choices`, and the end of the last."""
    letters: Array
    """Length of each choice in characters, shape (n, max_choices)."""
    evaluation: Evaluation | None
    """How the split is evaluated; None for training."""
    longest: int
    """Most tokens that may be generated."""
    cap: int
    """Most tokens of prompt and completion together."""
    begin: tuple[int, ...]
    """Tokens that every prompt begins with."""
    between: tuple[int, ...]
    """Tokens between a shown example and the next one."""
    pad: int
    """Token id that fills a batch."""
    uncut: Array
    """Tokens of each example before it was cut, with the room for what follows the prompt."""
    as_text: int = 0
    """Number of examples with special strings of the tokenizer, which are read as text."""
    special_strings: tuple[str, ...] = ()
    """Those strings."""
    unknown: int = 0
    """Number of tokens that stand for words or characters that the tokenizer does not know."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sizes(self) -> Array:
        return np.diff(self.offsets)

    @property
    def tokens(self) -> Array:
        return np.diff(self.offsets)

    @property
    def truncated(self) -> float:
        """Share of the examples that were cut."""
        return float(np.mean(self.uncut > self.cap))

    @property
    def weights(self) -> Array:
        """Weight of each example in the loss of a batch: the number of tokens of its completion."""
        counts: Array = np.maximum(self.tokens - self.prompts, 1)
        return counts

    def learnt(self, indices: Array) -> int:
        """Return how many positions of each row of a batch have a next token to learn."""
        return int(self.sizes[indices].max() - self.prompts[indices].min()) + 1

    @property
    def max_choices(self) -> int:
        """Number of choices of the example with the most."""
        return int(self.letters.shape[1])

    def shots(self, count: int) -> tuple[tuple[int, ...], ...]:
        """Return the tokens of `count` examples, spread over the split, to show before prompts."""
        chosen = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int))
        # Without the end-of-text token, after which a model would start a new text.
        return tuple(
            (*self.ids[start + len(self.begin) : stop - 1].tolist(), *self.between)
            for start, stop, _ in self._places(chosen)
        )

    def with_shots(self, shown: Sequence[tuple[int, ...]]) -> GenerativeExamples:
        """Return the split with examples shown before each prompt: all, or the last ones that fit."""
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

    def take(self, indices: Array) -> GenerativeExamples:
        """Return some examples of the split, in the given order."""
        ids, offsets = take_rows(self.ids, self.offsets, indices)
        slots = (indices[:, None] * self.max_choices + np.arange(self.max_choices)).ravel()
        choices, choice_offsets = take_rows(self.choices, self.choice_offsets, slots)
        by_example = ("prompts", "labels", "right", "options", "groups", "letters", "uncut")
        return dataclasses.replace(
            self,
            ids=ids,
            offsets=offsets,
            choices=choices,
            choice_offsets=choice_offsets,
            **{name: getattr(self, name)[indices] for name in by_example},
        )

    def batch(self, indices: Array) -> Batch:
        """Return the examples at `indices` as tensors.

        Completions, for training and for likelihoods, are padded on the right; prompts for generation on
        the left. ``labels`` holds the next tokens of the last positions, one column per position.
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
        """Return rows that lead up to the last token of the choices, and the row of each choice.

        Choices that differ only in their last token, such as ``answer1`` and ``answer2``, share a row.
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
    """Return token ids, the mask, and the targets from the end of the shortest prompt.

    ``after`` is the number of positions after each prompt; ``ends`` is the column of each row's last
    token in the targets.
    """
    import torch

    length = max(len(tokens) for tokens, _ in rows)
    kept = length - min(prompt for _, prompt in rows) + 1
    ids = np.full((len(rows), length), pad, dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.int64)
    # One extra column, because nothing follows the last position.
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
