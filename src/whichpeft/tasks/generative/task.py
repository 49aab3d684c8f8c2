"""Tasks for language models: trained on completions, evaluated by likelihood or by generated text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array, Metric
from whichpeft.tasks.generative.answers import final_number, find_choice, is_number, same_number
from whichpeft.tasks.generative.examples import GenerativeExamples
from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.generative.scoring import TEXT_METRICS, Evaluation
from whichpeft.tasks.protocol import HELD_OUT, SPLITS, Batch, Examples, Excerpt
from whichpeft.tasks.splits import subset
from whichpeft.tasks.tables.table import ColumnUse

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.backbones.fit import Fit


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GenerativeTask:
    """Prompts with completions."""

    name: str
    """Name in reports and records."""
    fingerprint: str
    """Hash of all examples and the metric."""
    metrics: tuple[Metric, ...]
    """Metrics to record; the first one is the score."""
    evaluation: Evaluation
    """What is scored; see `whichpeft.tasks.generative.scoring`."""
    chance: float | None
    """Score of the most frequent training answer; None for likelihoods, which have no chance level."""
    counts: Mapping[str, int]
    """Number of examples per split."""
    groups: tuple[str, ...] = ("",)
    """Names of the sets of a mixture; a single empty name for other tasks."""
    class_counts: Mapping[str, int] = field(default_factory=dict)
    """Number of examples of each answer in all splits together; empty if the choices differ."""
    class_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of examples of each class by split; empty without classes."""
    leaked: Mapping[str, int] = field(default_factory=dict)
    """Number of examples of validation and of test whose input is also in train, by split."""
    columns: ColumnUse | None = None
    """What the columns of the data are used for; None if the data do not come from a table."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the data were read, one line per fact."""
    usual_lengths: tuple[int, int] | None = None
    """Tokens of the longest example, and of a batch on average, for plans without a tokenizer."""
    splits: Mapping[str, tuple[Prompted, ...]] = field(default_factory=dict, repr=False)
    """The examples; empty after `without_examples`."""
    held_out: tuple[str, ...] = field(default=(), repr=False)
    """Texts of the kind that the backbone was pretrained on, to measure what an adapter forgets."""

    problem = "generation"
    chat = True  # use the tokenizer's chat template, if it has one
    task_type = "CAUSAL_LM"

    def without_examples(self) -> GenerativeTask:
        return dataclasses.replace(self, splits={}, held_out=())

    def excerpts(self, split: str, places: Sequence[int]) -> list[Excerpt]:
        """Return the prompts of some examples with their answers."""
        asked = (self.splits[split][place] for place in places)
        return [
            Excerpt(inputs=(one.plain_prompt,), answer=one.right, choices=one.choices) for one in asked
        ]

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Tokenise the splits with the backbone's own tokenizer.

        Raises BackboneError if the backbone is not a causal language model.
        """
        from whichpeft.tasks.generative.causal_lm import check_causal_lm
        from whichpeft.tasks.generative.encoding import PromptEncoder

        if not self.splits:
            raise DataError(f"task {self.name!r}: its examples were removed; load the task again")
        check_causal_lm(backbone)
        encoder = PromptEncoder(backbone, chat=self.chat)
        train = self.splits["train"]
        if max_train is not None:
            chosen = subset(
                [(e.plain_prompt,) if e.prompt else (e.prompt, e.completion) for e in train],
                None,
                max_train,
            )
            train = tuple(train[i] for i in chosen)
        longest = encoder.longest_completion(train)
        found = {
            split: encoder.encode(
                train if split == "train" else self.splits[split],
                None if split == "train" else self.evaluation,
                self.groups,
                longest,
            )
            for split in SPLITS
        }
        texts = [Prompted(prompt="", completion=text) for text in self.held_out]
        if texts:
            found[HELD_OUT] = encoder.encode(texts, "likelihood", ("",), 0)
        return found

    def build(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.generative.causal_lm import load_causal_lm

        return load_causal_lm(backbone)

    def compare_weights(self, backbone: Backbone) -> Fit:
        from whichpeft.tasks.generative.causal_lm import compare_causal_lm

        return compare_causal_lm(backbone)

    def build_on_meta(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.generative.causal_lm import build_causal_lm_on_meta

        return build_causal_lm_on_meta(backbone)

    def dummy_batch(self, backbone: Backbone, size: int, length: int) -> Batch:
        from whichpeft.tasks.text_encoding import made_up_ids

        # Every token counts in the loss: this takes the most memory, and a completion may be that long.
        tokens = made_up_ids(backbone, size, length)
        return {"input_ids": tokens, "labels": tokens}

    def refuses_packing(self, backbone: Backbone) -> str | None:
        from whichpeft.tasks.generative.packing import refuses_packing

        return refuses_packing(backbone)

    def packed(self, examples: GenerativeExamples) -> Examples:
        from whichpeft.tasks.generative.packing import PackedExamples

        return PackedExamples.of(examples)

    def head_parameters(self, model: torch.nn.Module) -> set[str]:
        """Return an empty set: the head of a language model belongs to the backbone."""
        return set()

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the mean cross entropy of the completions' tokens, in float32."""
        from whichpeft.tasks.generative.model_outputs import completion_loss

        return completion_loss(model, batch)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return likelihoods as described in `scoring`, or the generated tokens."""
        from whichpeft.tasks.generative import model_outputs

        if "generated" in batch:
            return model_outputs.generate(model, batch)
        return (
            model_outputs.choice_likelihoods if "choice_scores" in batch else model_outputs.likelihoods
        )(model, batch)

    def constant_baseline(self, count: int) -> None:
        """Return None: an untrained language model is evaluated instead of a constant prediction."""

    def predictions(
        self, outputs: Array, examples: GenerativeExamples, backbone: Backbone | None
    ) -> Mapping[str, Array]:
        """Return the outputs of a split in the form that metrics read, and what is stored with them.

        ``groups`` is the set that each example of a mixture comes from; ``answers`` is the generated
        text, if any.
        """
        found: dict[str, Array] = {"outputs": outputs}
        if examples.evaluation == "generation":
            from whichpeft.tasks.text_encoding import load_tokenizer

            assert backbone is not None
            texts = load_tokenizer(backbone).batch_decode(
                outputs.astype(np.int64), skip_special_tokens=True
            )
            found = {"outputs": self._marks(texts, examples), "answers": np.array(texts)}
        if len(self.groups) > 1 and examples.evaluation == self.evaluation:
            found["groups"] = np.asarray(examples.groups)
        return found

    def _marks(self, texts: Sequence[str], examples: GenerativeExamples) -> Array:
        """Mark each text as described in `scoring`."""
        right, options = examples.right.tolist(), examples.options.tolist()
        if self.metrics[0] in TEXT_METRICS:
            from whichpeft.tasks.generative.free_text import text_counts

            return text_counts(texts, right)
        marks = [_marked(*each) for each in zip(texts, right, options, strict=True)]
        return np.array(marks, dtype=np.float32)


def _marked(text: str, right: str, options: str) -> tuple[bool, bool]:
    """Return whether the answer in a text is right, and whether there is an answer."""
    if options:
        choice = find_choice(text, options.split("\n"))
        return choice == right, choice is not None
    if is_number(right):
        number, wanted = final_number(text), final_number(right)
        return (
            number is not None and wanted is not None and same_number(number, wanted),
            number is not None,
        )
    answer = " ".join(text.split())
    return answer == " ".join(right.split()), bool(answer)
