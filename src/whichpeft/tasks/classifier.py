"""Puts a new classification head on a backbone and knows which parameters belong to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whichpeft.backbones.fit import Fit, check_fit, missing_poolers, stored_names
from whichpeft.backbones.quantisation import quantisation_config
from whichpeft.backbones.weights import Loaded, compare_weights, load_weights
from whichpeft.errors import BackboneError
from whichpeft.tasks.end_pooling import pool_last_column, pools_end
from whichpeft.tasks.text_encoding import pad_id

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel
    from transformers.models.auto.auto_factory import _BaseAutoModelClass

    from whichpeft.backbones import Backbone

Modality = Literal["text", "images", "words"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What transformers calls the classifiers of one modality."""

    auto_class: str
    """Name of the auto class."""
    known: str
    """Name of the mapping from model types to classifiers."""
    examples: str
    """Backbones that read this modality, for messages."""


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
    "words": _Kind(
        "AutoModelForTokenClassification",
        "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
        "minilm or roberta-base",
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
    that classifies such inputs, or lack a part of the backbone other than a pooler.
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
    drawn_in = {key.rpartition(".")[0] for key in found.missing}
    if backbone.quantise and not drawn_in <= set(kept):
        # Modules missing from the checkpoint (BERT's pooler) have to train; quantised weights cannot.
        model, found = _load(backbone, modality, options, [*kept, *sorted(drawn_in - set(kept))])
    outside, classifier = _outside_body(model, len(names)), _classifier(model, len(names))
    check_fit(model, found, backbone, outside)
    if modality != "images":
        model.config.get_text_config().pad_token_id = pad_id(backbone)
    parameters = dict(model.named_parameters())
    drawn = found.drawn & set(parameters)
    if classifier - found.missing:  # the checkpoint has a head, trained on other classes
        drawn |= _redraw(model, _other_head_modules(model, outside - classifier, modality), drawn)
    for name in sorted(classifier - drawn):
        _draw(parameters[name], model.config)
    setattr(model, _DRAWN, frozenset((classifier | drawn) & set(parameters)))
    return model


def compare_classifier(backbone: Backbone, *, modality: Modality) -> Fit:
    """Tell what a user should know of the weights of a classifier, without loading them.

    Raises the errors of `build_classifier`.
    """
    check_modality(backbone, modality)
    kind = _KINDS[modality]
    model, found = compare_weights(backbone, kind.auto_class, f"a classifier of {modality}")
    return check_fit(model, found, backbone, _outside_body(model, model.config.num_labels))


def _load(
    backbone: Backbone, modality: Modality, options: Mapping[str, object], kept: Sequence[str]
) -> tuple[PreTrainedModel, Loaded]:
    """Load the weights; the modules in `kept` stay in float32 if the backbone is quantised."""
    if backbone.quantise is not None:
        options = {**options, "quantization_config": quantisation_config(backbone.quantise, kept)}
    auto_class = _KINDS[modality].auto_class
    return load_weights(backbone, auto_class, f"a classifier of {modality}", **options)


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

    Its head is that of `build_classifier` if the weights are there, whose names are read. Otherwise it
    is everything outside the body. Raises BackboneError if the architecture does not classify such
    inputs.
    """
    import torch
    import transformers

    check_modality(backbone, modality)
    config = backbone.architecture()
    config.num_labels = len(classes) or 1
    config.problem_type = "single_label_classification" if classes else "regression"
    text = config.get_text_config()
    if modality != "images" and getattr(text, "pad_token_id", None) is None:
        text.pad_token_id = 0  # unused without content, but classifiers of decoders require one
    auto: type[_BaseAutoModelClass] = getattr(transformers, _KINDS[modality].auto_class)
    model = auto.from_config(config, dtype=torch.float32)
    if modality == "text" and pools_end(backbone):
        pool_last_column(model)
    setattr(model, _DRAWN, frozenset(_drawn_on_meta(model, backbone, modality)))
    return model


def _drawn_on_meta(model: PreTrainedModel, backbone: Backbone, modality: Modality) -> set[str]:
    outside = _outside_body(model, model.config.num_labels)
    classifier = _classifier(model, model.config.num_labels)
    stored = stored_names(backbone)
    if stored is None:
        return outside | classifier
    drawn = classifier | (outside - stored) | missing_poolers(model, stored)
    if classifier & stored:  # trained on other classes, with the rest of its head
        for name in _other_head_modules(model, outside - classifier, modality):
            drawn |= {f"{name}.{key}" for key, _ in model.get_submodule(name).named_parameters()}
    return drawn


def head_parameters(model: torch.nn.Module) -> set[str]:
    """Return the names of the parameters that do not come from the pretrained backbone.

    These are the final classifier and anything else missing from the checkpoint, such as RoBERTa's dense
    layer or DeBERTa's pooler.
    """
    drawn: frozenset[str] = getattr(model, _DRAWN)
    return set(drawn)


def _in_body(model: PreTrainedModel, name: str) -> bool:
    return name.startswith(f"{model.base_model_prefix}.")


def _classifier(model: PreTrainedModel, size: int) -> set[str]:
    """Return the parameters of the last layer outside the body that has `size` outputs."""
    last = _last_layer(model, size, lambda name: not _in_body(model, name))
    if not last:
        return set()
    return {f"{last}.{name}" for name, _ in model.get_submodule(last).named_parameters()}


def _last_layer(model: PreTrainedModel, size: int, among: Callable[[str], bool]) -> str:
    from torch import nn

    layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == size and among(name)
    ]
    return layers[-1] if layers else ""


def _outside_body(model: PreTrainedModel, size: int) -> set[str]:
    """Return the parameters that do not come from the pretrained model.

    Some classifiers, like CLIP's, use only a part of it, and have no body of their own. Perceiver's is a
    decoder inside the body.
    """
    names = {name for name, _ in model.named_parameters()}
    outside = {name for name in names if not _in_body(model, name)}
    if outside == names:
        return _classifier(model, size)
    if not outside:
        last = _last_layer(model, size, lambda name: True)
        return {name for name in names if last and name.startswith(".".join(last.split(".")[:2]) + ".")}
    return outside


def _other_head_modules(model: PreTrainedModel, names: Collection[str], modality: Modality) -> list[str]:
    """Return the modules of a head before its classifier, such as RoBERTa's dense layer.

    Some image models have their last norm beside their body, and it is pretrained.
    """
    from torch import nn

    modules = sorted({name.rpartition(".")[0] for name in names})
    if modality != "images":
        return modules
    return [name for name in modules if isinstance(model.get_submodule(name), nn.Linear)]


def _redraw(model: PreTrainedModel, modules: Sequence[str], drawn: Collection[str]) -> set[str]:
    """Draw modules again as transformers does, and return their parameters; `drawn` are new already."""
    redrawn: set[str] = set()
    for name in modules:
        own = {f"{name}.{key}": value for key, value in model.get_submodule(name).named_parameters()}
        for key, value in own.items():
            if key not in drawn:
                value._is_hf_initialized = False
                redrawn.add(key)
        parts = name.split(".")
        for i in range(len(parts) + 1):  # some heads are drawn as one, by the module around them
            model.get_submodule(".".join(parts[:i]))._is_hf_initialized = False
    if redrawn:
        model.initialize_weights()
    return redrawn


def _draw(parameter: torch.nn.Parameter, config: PreTrainedConfig) -> None:
    """Redraw a classifier as transformers does: normal weights, biases of 0."""
    from torch import nn

    if parameter.dim() > 1:
        deviation = getattr(config.get_text_config(), "initializer_range", None) or 0.02
        nn.init.normal_(parameter, std=float(deviation))
    else:
        nn.init.zeros_(parameter)
