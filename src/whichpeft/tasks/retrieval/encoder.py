"""A backbone as an encoder of texts: its body alone, and the mean of its last hidden states."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING

from whichpeft.backbones.fit import Fit, check_fit
from whichpeft.backbones.quantisation import quantisation_config
from whichpeft.backbones.weights import compare_weights, load_weights
from whichpeft.errors import BackboneError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from whichpeft.backbones import Backbone

_AUTO_CLASS, _KIND = "AutoModel", "an encoder of texts"


def check_encodes(backbone: Backbone) -> None:
    """Raise BackboneError if a backbone does not turn one text into hidden states."""
    if backbone.architecture().is_encoder_decoder or _class_of(backbone).main_input_name != "input_ids":
        raise BackboneError(
            f"backbone {backbone.name!r}: a {backbone.family} model does not encode texts on their own, "
            "as this task requires; name another one with --backbone, such as minilm or "
            "microsoft/unixcoder-base"
        )


def build_encoder(backbone: Backbone) -> torch.nn.Module:
    """Load a backbone's body in float32. Raises BackboneError if the weights lack a part of it."""
    check_encodes(backbone)
    options = _without_pooler(backbone)
    if backbone.quantise is not None:
        options["quantization_config"] = quantisation_config(backbone.quantise, [])
    model, found = load_weights(backbone, _AUTO_CLASS, _KIND, **options)
    check_fit(model, found, backbone, ())
    return model


def build_encoder_on_meta(backbone: Backbone) -> torch.nn.Module:
    """Build the model of `build_encoder` without weights, on the device of the caller's context."""
    import torch
    import transformers

    check_encodes(backbone)
    made: torch.nn.Module = transformers.AutoModel.from_config(
        backbone.architecture(), dtype=torch.float32, **_without_pooler(backbone)
    )
    return made


def compare_encoder(backbone: Backbone) -> Fit:
    """Tell what a user should know of the weights, without loading them.

    Raises the errors of `build_encoder`.
    """
    check_encodes(backbone)
    model, found = compare_weights(backbone, _AUTO_CLASS, _KIND)
    unread = frozenset(name for name in found.missing if name.startswith("pooler."))
    return check_fit(model, replace(found, missing=found.missing - unread), backbone, ())


def embed(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean of the last hidden states of each text, in float32 and of length 1.

    Virtual tokens, which a method may put before a text, are averaged over, too.
    """
    import torch
    from torch.nn import functional

    given = {} if mask is None else {"attention_mask": mask}
    hidden: torch.Tensor = model(input_ids=ids, **given).last_hidden_state.float()
    if mask is None:
        return functional.normalize(hidden.mean(dim=1), dim=1)
    virtual = hidden.shape[1] - mask.shape[1]
    weights = torch.cat([mask.new_ones(len(mask), virtual), mask], dim=1).unsqueeze(2)
    return functional.normalize((hidden * weights).sum(dim=1) / weights.sum(dim=1), dim=1)


def _without_pooler(backbone: Backbone) -> dict[str, object]:
    """Return the option that leaves out a pooler, which nothing would read and no loss would train."""
    known = inspect.signature(_class_of(backbone).__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in known else {}


def _class_of(backbone: Backbone) -> type[PreTrainedModel]:
    from transformers import MODEL_MAPPING

    try:
        found = MODEL_MAPPING[type(backbone.architecture())]
    except KeyError:
        raise BackboneError(
            f"backbone {backbone.name!r}: transformers has no body of a {backbone.family} model"
        ) from None
    chosen: type[PreTrainedModel] = found[0] if isinstance(found, tuple) else found
    return chosen
