"""Loads a backbone as a causal language model, with its own head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whichpeft.backbones.fit import Fit, check_fit
from whichpeft.backbones.quantisation import quantisation_config
from whichpeft.backbones.weights import compare_weights, load_weights
from whichpeft.errors import BackboneError
from whichpeft.tasks.text_encoding import load_tokenizer, pad_id

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone

_AUTO_CLASS, _KIND = "AutoModelForCausalLM", "a language model"


def check_causal_lm(backbone: Backbone) -> None:
    """Raise BackboneError if transformers has no causal language model of this family."""
    from transformers.models.auto import modeling_auto

    causal = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    encoder = backbone.family in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    # A decoder taken out of an encoder-decoder would read what it never saw in pretraining.
    paired = backbone.family in causal and backbone.architecture().is_encoder_decoder
    if backbone.family not in causal or encoder or paired:
        raise BackboneError(
            f"backbone {backbone.name!r}: a {backbone.family} model cannot generate text from left to "
            "right, as this task requires; name a causal language model with --backbone"
        )


def load_causal_lm(backbone: Backbone) -> torch.nn.Module:
    """Load a causal language model in float32, set to decode greedily until the end-of-text token.

    Raises BackboneError if the files are not such a model.
    """
    import transformers

    check_causal_lm(backbone)
    options: dict[str, Any] = {}
    if backbone.quantise is not None:
        options["quantization_config"] = quantisation_config(backbone.quantise, ["lm_head"])
    model, found = load_weights(backbone, _AUTO_CLASS, _KIND, **options)
    check_fit(model, found, backbone, head=())
    model.generation_config = transformers.GenerationConfig(
        do_sample=False,
        eos_token_id=load_tokenizer(backbone).eos_token_id,
        pad_token_id=pad_id(backbone),
        bos_token_id=model.generation_config.bos_token_id,
    )
    return model


def compare_causal_lm(backbone: Backbone) -> Fit:
    """Tell what a user should know of a language model's weights, without loading them.

    Raises the errors of `load_causal_lm`.
    """
    check_causal_lm(backbone)
    model, found = compare_weights(backbone, _AUTO_CLASS, _KIND)
    return check_fit(model, found, backbone, head=())


def build_causal_lm_on_meta(backbone: Backbone) -> torch.nn.Module:
    """Build the model of `load_causal_lm` without weights, on the device of the caller's context."""
    import torch
    import transformers

    check_causal_lm(backbone)
    model: torch.nn.Module = transformers.AutoModelForCausalLM.from_config(
        backbone.architecture(), dtype=torch.float32
    )
    return model
