"""Puts a new classification head on a backbone and knows which parameters belong to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from whichpeft.backbones.quantisation import quantisation_config
from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.errors import BackboneError
from whichpeft.tasks.text_encoding import pad_id

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel
    from transformers.models.auto.auto_factory import _BaseAutoModelClass

    from whichpeft.backbones import Backbone

Modality = Literal["text", "images"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What transformers calls the classifiers of one modality."""

    auto_class: str
    """Name of the auto class."""
    known: str
    """Name of the mapping from model types to classifiers."""
    examples: str
    """Backbones that read this modality, for messages."""


_Mismatch = tuple[str, tuple[int, ...], tuple[int, ...]]  # a name, and the two shapes


class _LoadingInfo(TypedDict):
    """What transformers reports of loaded weights, as far as it is read here."""

    missing_keys: Collection[str]
    mismatched_keys: Collection[_Mismatch]


_KINDS: Mapping[Modality, _Kind] = {
    "text": _Kind(
        "AutoModelForSequenceClassification",
        "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
        "minilm or roberta-base",
    ),
    "images": _Kind(
        "AutoModelForImageClassification",
        "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
        "google/vit-base-patch16-224-in21k, or digits-vit for images of 8x8",
    ),
}
# Attribute in which `build_classifier` stores the names of newly drawn parameters for `head_parameters`.
_DRAWN = "whichpeft_drawn"


def check_modality(backbone: Backbone, modality: Modality) -> None:
    """Raise BackboneError if transformers has no classifier of this modality for a backbone."""
    from transformers.models.auto import modeling_auto

    kind = _KINDS[modality]
    if backbone.family not in getattr(modeling_auto, kind.known):
        raise BackboneError(
            f"backbone {backbone.name!r}: a {backbone.family} model does not classify {modality}, as "
            f"this task requires; name another one with --backbone, such as {kind.examples}"
        )


def build_classifier(
    backbone: Backbone, *, modality: Modality, classes: Sequence[str]
) -> torch.nn.Module:
    """Load a backbone in float32 with a head for `classes`, or with one output if there are none.

    The head is drawn from torch's global generator. If the checkpoint already has a head, it is redrawn,
    so that every study starts from the backbone alone. Raises BackboneError if the files are not a model
    that classifies such inputs.
    """
    check_modality(backbone, modality)
    names = list(classes) or ["value"]
    options: dict[str, object] = {
        "num_labels": len(names),
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
        "problem_type": "single_label_classification" if classes else "regression",
    }
    kept = _head_modules(backbone, modality, classes) if backbone.quantise else []
    model, found = _load(backbone, modality, options, kept)
    drawn_in = {key.rpartition(".")[0] for key in found["missing_keys"]}
    if backbone.quantise and not drawn_in <= set(kept):
        # Modules missing from the checkpoint (BERT's pooler) have to train; quantised weights cannot.
        model, found = _load(backbone, modality, options, [*kept, *sorted(drawn_in - set(kept))])
    if modality == "text":
        model.config.get_text_config().pad_token_id = pad_id(backbone)
    drawn = set(found["missing_keys"]) | {key for key, *_ in found["mismatched_keys"]}
    parameters = dict(model.named_parameters())
    _check_body(model, drawn, found["mismatched_keys"], backbone)
    classifier = _classifier(model, len(names))
    for name in sorted(classifier - drawn):
        _draw(parameters[name], model.config)
    setattr(model, _DRAWN, frozenset((classifier | drawn) & set(parameters)))
    return model


def _load(
    backbone: Backbone, modality: Modality, options: Mapping[str, object], kept: Sequence[str]
) -> tuple[PreTrainedModel, _LoadingInfo]:
    """Load the weights; the modules in `kept` stay in float32 if the backbone is quantised."""
    import torch

    if backbone.quantise is not None:
        options = {**options, "quantization_config": quantisation_config(backbone.quantise, kept)}
    try:
        with quiet_loading():
            model, found = _auto_class(modality).from_pretrained(
                backbone.files,
                **options,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BackboneError(
            f"backbone {backbone.name!r}: cannot be loaded as a classifier of {modality}: {reason}"
        ) from None
    return model, found


def _head_modules(backbone: Backbone, modality: Modality, classes: Sequence[str]) -> list[str]:
    """Return the modules of the head, found on a model without weights."""
    import torch

    with torch.device("meta"):
        meta_model = build_classifier_on_meta(backbone, modality=modality, classes=classes)
    return sorted({name.rpartition(".")[0] for name in head_parameters(meta_model)})


def build_classifier_on_meta(
    backbone: Backbone, *, modality: Modality, classes: Sequence[str]
) -> torch.nn.Module:
    """Build the model of `build_classifier` without weights, on the device of the caller's context.

    Its head is everything outside the body, as if the checkpoint held the body alone. Raises
    BackboneError if the architecture does not classify such inputs.
    """
    import torch

    check_modality(backbone, modality)
    config = backbone.architecture()
    config.num_labels = len(classes) or 1
    config.problem_type = "single_label_classification" if classes else "regression"
    text = config.get_text_config()
    if modality == "text" and getattr(text, "pad_token_id", None) is None:
        text.pad_token_id = 0  # unused without content, but classifiers of decoders require one
    model = _auto_class(modality).from_config(config, dtype=torch.float32)
    names = {name for name, _ in model.named_parameters()}
    outside = {name for name in names if not _in_body(model, name)}
    if outside == names:  # the classifier uses only part of the body, like CLIP's
        outside = set()
    setattr(model, _DRAWN, frozenset(outside | _classifier(model, config.num_labels)))
    return model


def head_parameters(model: torch.nn.Module) -> set[str]:
    """Return the names of the parameters that do not come from the pretrained backbone.

    These are the final classifier and anything else missing from the checkpoint, such as RoBERTa's dense
    layer or DeBERTa's pooler.
    """
    drawn: frozenset[str] = getattr(model, _DRAWN)
    return set(drawn)


def _auto_class(modality: Modality) -> type[_BaseAutoModelClass]:
    import transformers

    found: type[_BaseAutoModelClass] = getattr(transformers, _KINDS[modality].auto_class)
    return found


def _in_body(model: PreTrainedModel, name: str) -> bool:
    return name.startswith(f"{model.base_model_prefix}.")


def _classifier(model: PreTrainedModel, size: int) -> set[str]:
    """Return the parameters of the last layer outside the body that has `size` outputs."""
    from torch import nn

    layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == size and not _in_body(model, name)
    ]
    if not layers:
        return set()
    return {f"{layers[-1]}.{name}" for name, _ in model.get_submodule(layers[-1]).named_parameters()}


def _check_body(
    model: PreTrainedModel, drawn: set[str], mismatched: Collection[_Mismatch], backbone: Backbone
) -> None:
    """Refuse the weights of another model: a pooler may be new, but not most of the backbone."""
    body = {name: value.numel() for name, value in model.named_parameters() if _in_body(model, name)}
    wrong = [key for key, *_ in mismatched if key in body]
    if wrong:
        raise BackboneError(
            f"backbone {backbone.name!r}: the weights of {wrong[0]} do not have the shape that its "
            "config.json gives; the two files belong to different models"
        )
    if sum(body[name] for name in drawn & set(body)) > 0.5 * sum(body.values()):
        raise BackboneError(
            f"backbone {backbone.name!r}: the weights in {backbone.folder} are not those of a "
            f"{model.config.model_type} model; most of its parameters are missing"
        )


def _draw(parameter: torch.nn.Parameter, config: PreTrainedConfig) -> None:
    """Redraw a classifier as transformers does: normal weights, biases of 0."""
    from torch import nn

    if parameter.dim() > 1:
        deviation = getattr(config.get_text_config(), "initializer_range", None) or 0.02
        nn.init.normal_(parameter, std=float(deviation))
    else:
        nn.init.zeros_(parameter)
