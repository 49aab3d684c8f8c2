"""Loads a backbone as a causal language model, with its own head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whichpeft.backbones.quantisation import quantisation_config
from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.errors import BackboneError
from whichpeft.tasks.text_encoding import load_tokenizer, pad_id

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone


def check_causal_lm(backbone: Backbone) -> None:
    """Raise BackboneError if transformers has no causal language model of this family."""
    from transformers.models.auto import modeling_auto

    causal = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    encoder = backbone.family in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if backbone.family not in causal or encoder:
        raise BackboneError(
            f"backbone {backbone.name!r}: a {backbone.family} model cannot generate text from left to "
            "right, as this task requires; name a causal language model with --backbone"
        )


def load_causal_lm(backbone: Backbone) -> torch.nn.Module:
    """Load a causal language model in float32, set to decode greedily until the end-of-text token.

    Raises BackboneError if the files are not such a model.
    """
    import torch
    import transformers

    check_causal_lm(backbone)
    options: dict[str, Any] = {}
    if backbone.quantise is not None:
        options["quantization_config"] = quantisation_config(backbone.quantise, ["lm_head"])
    try:
        with quiet_loading():
            model, found = transformers.AutoModelForCausalLM.from_pretrained(
                backbone.files,
                **options,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BackboneError(
            f"backbone {backbone.name!r}: cannot be loaded as a language model: {reason}"
        ) from None
    missing = sorted(found["missing_keys"])
    if missing:
        raise BackboneError(
            f"backbone {backbone.name!r}: the weights in {backbone.folder} lack {missing[0]}"
            f"{f' and {len(missing) - 1} more' if missing[1:] else ''}; give the weights of this model, "
            "with its language modelling head"
        )
    model.generation_config = transformers.GenerationConfig(
        do_sample=False,
        eos_token_id=load_tokenizer(backbone).eos_token_id,
        pad_token_id=pad_id(backbone),
        bos_token_id=model.generation_config.bos_token_id,
    )
    return model


def build_causal_lm_on_meta(backbone: Backbone) -> torch.nn.Module:
    """Build the model of `load_causal_lm` without weights, on the device of the caller's context."""
    import torch
    import transformers

    check_causal_lm(backbone)
    model: torch.nn.Module = transformers.AutoModelForCausalLM.from_config(
        backbone.architecture(), dtype=torch.float32
    )
    return model
