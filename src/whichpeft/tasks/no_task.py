"""Stands in for the task if a plan is made for a backbone alone: no head, no examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whichpeft.errors import BackboneError, DataError
from whichpeft.metrics.metric import Array, Metric
from whichpeft.tasks.protocol import Batch, Examples

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone

SECOND = 16_000  # samples of speech, at the sampling rate that speech models are pretrained with
_USUAL_IMAGE = 224
_FEWEST_SAMPLES = SECOND // 2
_LAYER_DROPS = ("layerdrop", "encoder_layerdrop", "decoder_layerdrop")
_MANY = 1_000_000  # training examples, so that no method refuses because of too few steps


@dataclass(frozen=True, slots=True)
class NoTask:
    """Stands in for the task if a plan is made without one.

    Decoders and encoder-decoders get their language model and its loss. Other backbones get only their
    body, and the mean of its last hidden states serves as the loss.
    """

    backbone: Backbone
    """The backbone to plan for."""

    name = "none"
    problem = "none"
    fingerprint = ""
    metrics: tuple[Metric, ...] = ()
    notes: tuple[str, ...] = ()
    chance = 0.0

    @property
    def task_type(self) -> str | None:
        kind = _kind(self.backbone.family)
        if kind == "AutoModelForCausalLM":
            return "CAUSAL_LM"
        if kind == "AutoModelForSeq2SeqLM":
            return "SEQ_2_SEQ_LM"
        text = kind == "AutoModel" and _main_input(self.backbone) == "input_ids"
        return "FEATURE_EXTRACTION" if text else None

    @property
    def counts(self) -> Mapping[str, int]:
        return {"train": _MANY}

    @property
    def usual_length(self) -> int:
        """Default length of an example: one second of speech, else at most 128 tokens."""
        if _main_input(self.backbone) == "input_values":
            return SECOND
        return min(128, self.backbone.input_positions or 128)

    def build_on_meta(self, backbone: Backbone) -> torch.nn.Module:
        import torch
        import transformers

        config = backbone.architecture()
        if hasattr(config, "vision_config") and hasattr(config, "text_config"):
            raise BackboneError(
                f"backbone {backbone.name!r}: a {backbone.family} model reads images and text together; "
                "name the task to plan for with --task"
            )
        for key in _LAYER_DROPS:
            # Layers dropped at random: the largest step drops none.
            if hasattr(config, key):
                setattr(config, key, 0.0)
        try:
            made: torch.nn.Module = getattr(transformers, _kind(backbone.family)).from_config(
                config, dtype=torch.float32
            )
        except ValueError as error:
            reason = " ".join(str(error).split())[:200]
            raise BackboneError(f"backbone {backbone.name!r}: cannot be built: {reason}") from None
        return made

    def dummy_batch(self, backbone: Backbone, size: int, length: int) -> Batch:
        """Return a batch that has the right shapes, but no content.

        `length` counts the tokens of a text, or the samples of raw speech (16,000 per second; at least
        half a second, since speech models mask spans of that order). For backbones that read
        spectrograms of one size it counts the tokens to write; for images it is ignored.
        """
        import torch

        config = backbone.architecture()
        main = _main_input(backbone)
        if main == "pixel_values":
            height, width = _pair(getattr(config, "image_size", None) or _USUAL_IMAGE)
            return {"pixel_values": torch.zeros(size, config.num_channels, height, width)}
        if main == "input_values":
            return {"input_values": torch.zeros(size, max(length, _FEWEST_SAMPLES))}
        tokens = torch.ones((size, length), dtype=torch.int64)
        if main == "input_features":
            frames = 2 * config.max_source_positions
            return {"input_features": torch.zeros(size, config.num_mel_bins, frames), "labels": tokens}
        return {"input_ids": tokens} | (
            {} if _kind(backbone.family) == "AutoModel" else {"labels": tokens}
        )

    def head_parameters(self, model: torch.nn.Module) -> set[str]:
        return set()

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the loss of the next tokens or of the text to write, or a mean of hidden states."""
        from torch.nn import functional

        if "labels" not in batch:
            hidden: torch.Tensor = model(**batch).last_hidden_state
            return hidden.float().mean()
        if "input_ids" in batch and self.task_type == "CAUSAL_LM":
            # No labels for the model: some methods would add their terms to its own loss.
            wanted = batch["labels"]
            logits = model(input_ids=batch["input_ids"]).logits[:, -wanted.shape[1] :].float()
            return functional.cross_entropy(logits[:, :-1].flatten(0, 1), wanted[:, 1:].flatten())
        loss: torch.Tensor = model(**batch).loss
        return loss

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        raise DataError("there are no examples without a task; name one with --task")

    def without_examples(self) -> NoTask:
        return self

    def build(self, backbone: Backbone) -> torch.nn.Module:
        raise DataError("there is nothing to train without a task; name one with --task")

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        raise DataError("there are no outputs without a task; name one with --task")

    def constant_baseline(self, count: int) -> Array:
        raise DataError("there is nothing to predict without a task; name one with --task")


def _kind(family: str) -> str:
    """Return the name of the transformers class that builds the whole backbone."""
    from transformers.models.auto import modeling_auto as auto

    if family in auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES:
        return "AutoModelForSpeechSeq2Seq"
    if family in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "AutoModelForSeq2SeqLM"
    # Encoders are also listed as causal models, for use as decoders; masked models are encoders first.
    encoder = family in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if family in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not encoder:
        return "AutoModelForCausalLM"
    return "AutoModel"


def _main_input(backbone: Backbone) -> str:
    """Return what the model reads: input_ids, pixel_values, input_values or input_features."""
    from transformers import MODEL_MAPPING

    known = MODEL_MAPPING[type(backbone.architecture())]
    model = known[0] if isinstance(known, tuple) else known
    kind = _kind(backbone.family)
    # The main input of an encoder-decoder is that of its encoder.
    return "input_features" if kind == "AutoModelForSpeechSeq2Seq" else str(model.main_input_name)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
