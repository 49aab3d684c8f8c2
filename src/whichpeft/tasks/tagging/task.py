"""Tagging: a tag for each word, scored by entities or by words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array, Metric
from whichpeft.metrics.tagging import OUTSIDE, counts
from whichpeft.tasks.protocol import Batch, Examples, Excerpt
from whichpeft.tasks.splits import subset
from whichpeft.tasks.tables.table import ColumnUse

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.backbones.fit import Fit
    from whichpeft.tasks.tagging.encoding import TaggedExamples

NO_WORD = -1
"""The tag where a sentence has no word, and of a word that is not read."""


@dataclass(frozen=True, slots=True, eq=False)
class TaggedSentences:
    """One split."""

    words: tuple[tuple[str, ...], ...]
    """The words of each sentence."""
    tags: tuple[Array, ...]
    """The number of each word's tag, by sentence."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaggingTask:
    """Sentences whose words have a tag each."""

    name: str
    """Name in reports and records."""
    fingerprint: str
    """Hash of all words and tags."""
    metrics: tuple[Metric, ...]
    """Metrics to record; the first one is the score."""
    chance: float
    """Test score of the constant baseline."""
    counts: Mapping[str, int]
    """Number of sentences per split."""
    classes: tuple[str, ...]
    """The tags."""
    majority: int
    """Number of the most frequent tag in train, which the constant baseline gives to each word."""
    class_counts: Mapping[str, int] = field(default_factory=dict)
    """Number of words of each tag in all splits together."""
    class_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of words of each tag by split."""
    leaked: Mapping[str, int] = field(default_factory=dict)
    """Number of sentences of validation and of test that are also in train, by split."""
    residues: bool = False
    """Whether words are the residues of proteins."""
    columns: ColumnUse | None = None
    """What the columns of the data are used for; None if the data do not come from a table."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the data were read, one line per fact."""
    splits: Mapping[str, TaggedSentences] = field(default_factory=dict, repr=False)
    """The examples; empty after `without_examples`."""

    problem = "tagging"
    task_type = "TOKEN_CLS"
    groups = ("",)

    @property
    def output_size(self) -> int:
        """Width of the head: the number of tags."""
        return len(self.classes)

    def with_chance(self, chance: float) -> TaggingTask:
        return dataclasses.replace(self, chance=chance)

    def without_examples(self) -> TaggingTask:
        return dataclasses.replace(self, splits={})

    def excerpts(self, split: str, places: Sequence[int]) -> list[Excerpt]:
        """Return some sentences, with blanks between their words."""
        words = self.splits[split].words
        return [Excerpt(inputs=(" ".join(words[place]),)) for place in places]

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Tokenise the splits with the backbone's own tokenizer.

        `max_train` keeps the training sentences with the lowest content hash. Raises BackboneError if
        transformers has no token classifier of the backbone's family, or its tokenizer cannot be loaded.
        """
        from whichpeft.tasks.classifier import check_modality
        from whichpeft.tasks.tagging.encoding import encode_residues, encode_sentences
        from whichpeft.tasks.text_encoding import load_tokenizer

        if not self.splits:
            raise DataError(f"task {self.name!r}: its examples were removed; load the task again")
        check_modality(backbone, "words")
        tokenizer = load_tokenizer(backbone)
        found = {}
        for key, split in self.splits.items():
            chosen = list(range(len(split.words)))
            if key == "train" and max_train is not None:
                chosen = subset(split.words, None, max_train)
            words, tags = [split.words[i] for i in chosen], [split.tags[i] for i in chosen]
            if self.residues:
                found[key] = encode_residues(words, tags, tokenizer, backbone)
            else:
                location = f"task {self.name!r} [{key}]"
                found[key] = encode_sentences(words, tags, tokenizer, backbone, location)
        return found

    def build(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.classifier import build_classifier

        return build_classifier(backbone, modality="words", classes=self.classes)

    def compare_weights(self, backbone: Backbone) -> Fit:
        from whichpeft.tasks.classifier import compare_classifier

        return compare_classifier(backbone, modality="words")

    def build_on_meta(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.classifier import build_classifier_on_meta

        return build_classifier_on_meta(backbone, modality="words", classes=self.classes)

    def dummy_batch(self, backbone: Backbone, size: int, length: int) -> Batch:
        import torch

        from whichpeft.tasks.text_encoding import made_up_ids

        ids = made_up_ids(backbone, size, length)
        return {
            "input_ids": ids,
            "labels": torch.zeros_like(ids),
            "words": torch.arange(length, dtype=torch.int64).expand(size, length),
        }

    def head_parameters(self, model: torch.nn.Module) -> set[str]:
        from whichpeft.tasks.classifier import head_parameters

        return head_parameters(model)

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the mean cross entropy of the words, in float32."""
        from torch.nn import functional

        logits = _logits(model, batch)
        return functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return what the model says of each word, shape (n, words, 3).

        It is the number of the likeliest tag, its probability, and the log-likelihood of the right tag;
        `NO_WORD`, 0 and 0 if there is no word.
        """
        import torch

        chances = _logits(model, batch).log_softmax(dim=2)
        best, tags = chances.max(dim=2)
        right = chances.gather(2, batch["labels"].clamp(min=0)[..., None])[..., 0]
        found = torch.stack([tags.float(), best.exp(), right], dim=2)
        words = batch["words"][..., None]
        there = found.gather(1, words.clamp(min=0).expand(-1, -1, 3))
        return torch.where(words >= 0, there, there.new_tensor([NO_WORD, 0, 0]))

    def constant_baseline(self, count: int) -> Array:
        """Return one column, which stands for all words of a sentence."""
        return np.full((count, 1), self.majority, dtype=np.float32)

    def predictions(
        self, outputs: Array, examples: TaggedExamples, backbone: Backbone | None
    ) -> Mapping[str, Array]:
        """Count entities and words of each sentence as `metrics.tagging` does, and keep the tags.

        A word that was cut off counts as tagged ``O``, or as wrong if there is no such tag; it is as
        likely to have one tag as another.

        Returns
        -------
        Mapping[str, Array]
            ``outputs`` for the metrics; ``tags``, ``right`` and ``chances``, shape (n, words), are the
            tags by number, the right ones, and the probabilities of the former.
        """
        lengths = examples.labels
        right = np.full((len(lengths), examples.longest), NO_WORD, dtype=np.int16)
        right[np.arange(examples.longest) < lengths[:, None]] = examples.tags
        if outputs.ndim == 2:
            tags = np.where(right >= 0, np.repeat(outputs, right.shape[1], axis=1), NO_WORD)
            # As if the output of this tag were 1 and those of the others 0.
            every = np.log(np.e + len(self.classes) - 1)
            nats = np.where(right >= 0, every - (right == tags), 0)
            chances = np.where(right >= 0, np.exp(1 - every), 0)
        else:
            tags, chances = outputs[..., 0], outputs[..., 1]
            cut = (right >= 0) & (tags == NO_WORD)
            nats = np.where(cut, np.log(len(self.classes)), -outputs[..., 2])
        tags = tags.astype(np.int16)
        names = np.array([*self.classes, OUTSIDE if OUTSIDE in self.classes else ""])
        rows = [
            (*counts(names[true[:end]].tolist(), names[found[:end]].tolist()), own.sum(dtype=np.float64))
            for true, found, own, end in zip(right, tags, nats, lengths, strict=True)
        ]
        return {
            "outputs": np.array(rows, dtype=np.float32),
            "tags": tags,
            "right": right,
            "chances": chances.astype(np.float16),
        }


def _logits(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    inputs = {key: value for key, value in batch.items() if key not in ("labels", "words")}
    logits: torch.Tensor = model(**inputs).logits
    # Virtual tokens come first, and have no tag.
    return logits[:, -batch["input_ids"].shape[1] :].float()
