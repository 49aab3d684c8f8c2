"""Text tasks: single sentences or sentence pairs, classification or regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whichpeft.tasks.labelled import LabelledTask
from whichpeft.tasks.protocol import Batch, Examples

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.backbones.fit import Fit


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TextTask(LabelledTask):
    """Sentences or sentence pairs with a class or a value each; or proteins, or pairs of them."""

    @property
    def task_type(self) -> str:
        return "SEQ_CLS"

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Tokenise the splits with the backbone's own tokenizer.

        `max_train` keeps the training examples with the lowest content hash. Raises DataError if a
        class would be left without a training example, and BackboneError if the backbone does not read
        text or its tokenizer cannot be loaded.
        """
        from whichpeft.tasks.classifier import check_modality
        from whichpeft.tasks.residues.encoding import encode_sequences
        from whichpeft.tasks.text_encoding import encode_texts, load_tokenizer

        splits = self.cut_splits(max_train)
        check_modality(backbone, "text")
        tokenizer = load_tokenizer(backbone)
        if self.residues:
            return {
                key: encode_sequences(split.inputs, split.labels, tokenizer, backbone)
                for key, split in splits.items()
            }
        return {
            key: encode_texts(
                split.inputs, split.labels, tokenizer, backbone, f"task {self.name!r} [{key}]"
            )
            for key, split in splits.items()
        }

    def build(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.classifier import build_classifier

        return build_classifier(backbone, modality="text", classes=self.classes)

    def compare_weights(self, backbone: Backbone) -> Fit:
        from whichpeft.tasks.classifier import compare_classifier

        return compare_classifier(backbone, modality="text")

    def build_on_meta(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.classifier import build_classifier_on_meta

        return build_classifier_on_meta(backbone, modality="text", classes=self.classes)

    def dummy_batch(self, backbone: Backbone, size: int, length: int) -> Batch:
        import torch

        from whichpeft.tasks.text_encoding import made_up_ids

        # No mask: a model treats that like a mask that hides nothing.
        return {
            "input_ids": made_up_ids(backbone, size, length),
            "labels": torch.zeros(size, dtype=torch.int64 if self.classes else torch.float32),
        }
