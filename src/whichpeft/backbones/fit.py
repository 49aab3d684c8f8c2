"""Whether a backbone's weights fit its configuration: what they lack, and what they hold beyond it.

A head is new in every study, and a pooler may be: many checkpoints come without one. Anything else that
weights lack would be random, and a method that trains little would keep it so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from whichpeft.backbones.weights import stored_tensors
from whichpeft.errors import BackboneError
from whichpeft.units import counted, join_words

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from whichpeft.backbones.backbone import Backbone
    from whichpeft.backbones.weights import Loaded

_POOLER = "pooler"
# Statistics that batch norm collects in pretraining. Other buffers are computed, so none is lost.
_STATISTICS = ("running_mean", "running_var")
_UNREAD = ("mask_token",)  # only pretraining masks patches
# Causal masks, which older versions of transformers stored with the weights.
_OLD_MASKS = re.compile(r"(attn|attention)\.(masked_)?bias$|inv_freq$|num_batches_tracked$|_index$")


@dataclass(frozen=True, slots=True)
class Fit:
    """What a user should know of a backbone's weights that fit."""

    new_layers: tuple[str, ...] = ()
    """Modules inside the backbone that are newly drawn: poolers."""
    notes: tuple[str, ...] = ()
    """One sentence without a full stop each."""


def check_fit(model: PreTrainedModel, loaded: Loaded, backbone: Backbone, head: Collection[str]) -> Fit:
    """Return what a user should know of the weights. Raises BackboneError if they do not fit.

    Parameters
    ----------
    model
        The model that they were loaded into or compared with.
    loaded
        What of it was found.
    backbone
        The backbone, for messages.
    head
        Parameters that do not belong to the backbone, so that they may be new.
    """
    needed = [name for name, _ in model.named_parameters()]
    needed += [name for name, _ in model.named_buffers() if name.endswith(_STATISTICS)]
    heads = {name.rpartition(".")[0] for name in head}
    body = [n for n in needed if n not in head and n.rpartition(".")[0] not in heads]
    drawn = [name for name in body if name in loaded.drawn and not name.endswith(_UNREAD)]
    poolers = [name for name in drawn if _in_pooler(name)]
    wrong = [name for name in drawn if name in loaded.mismatched]
    if wrong:
        raise BackboneError(
            f"backbone {backbone.name!r}: the weights of {wrong[0]}{_more(wrong)} do not have the shape "
            "that its config.json gives; the two files belong to different models, or the weights were "
            "saved in parts"
        )
    lost = [name for name in drawn if name not in poolers]
    if lost:
        raise BackboneError(
            f"backbone {backbone.name!r}: {_what_is_lost(lost, body, loaded, model, backbone)}"
        )
    new = tuple(dict.fromkeys(name.rpartition(".")[0] for name in poolers))
    notes = list(_beyond(loaded.unexpected, needed, model.base_model_prefix))
    if new:
        verb = "is" if len(new) == 1 else "are"
        notes.insert(0, f"its {join_words(new)} {verb} newly drawn: its weights have no pooler")
    return Fit(new, tuple(notes))


def stored_names(backbone: Backbone) -> frozenset[str] | None:
    """Return the names of what a backbone's weights hold; None if they are not on this machine."""
    if backbone.folder is None:
        return None
    try:
        return frozenset(stored_tensors(backbone))
    except BackboneError:  # a run says so
        return None


def missing_poolers(model: PreTrainedModel, stored: Collection[str]) -> set[str]:
    """Return the parameters of poolers inside a model's body that its weights, by name, lack."""
    body = f"{model.base_model_prefix}."
    own = [name for name, _ in model.named_parameters() if name.startswith(body) and _in_pooler(name)]
    return {n for n in own if not any(key.endswith(n.removeprefix(body)) for key in stored)}


def _in_pooler(name: str) -> bool:
    """Whether a parameter is in the pooler after the layers, rather than in a layer that pools."""
    parts = name.split(".")
    before = parts[: parts.index(_POOLER)] if _POOLER in parts else parts
    return _POOLER in parts and not any(part.isdigit() for part in before)


def _what_is_lost(
    lost: list[str], body: list[str], loaded: Loaded, model: PreTrainedModel, backbone: Backbone
) -> str:
    wrapped = sorted(name for name in loaded.unexpected if ".base_layer." in name or "lora_" in name)
    if wrapped:
        return (
            f"its weights are those of a model inside an adapter ({wrapped[0]}); merge the adapter with "
            "merge_and_unload(), and save the model again"
        )
    sizes = {name: value.numel() for name, value in model.named_parameters()}
    most = sum(sizes.get(name, 0) for name in lost) > 0.5 * sum(sizes.get(name, 0) for name in body)
    if most and all(name in lost for name in body if ".0." in name):
        return (
            f"the weights in {backbone.folder} are not those of a {backbone.family} model; most of its "
            f"parameters are missing, such as {lost[0]}; give the weights of this model"
        )
    for prefix, layers in _layers(body).items():
        own = [name for name in body if name.startswith(f"{prefix}.")]
        gone = [n for n in layers if all(x in lost for x in own if x.startswith(f"{prefix}.{n}."))]
        if gone:
            verb = "is" if len(gone) == 1 else "are"
            return (
                f"its config.json says {counted(len(layers), 'layer')}, but the weights have "
                f"{len(layers) - len(gone)}: {_spans(prefix, gone)} {verb} missing; give the weights of "
                "this model, or the config.json that they were saved with"
            )
    return (
        f"the weights in {backbone.folder} lack {lost[0]}{_more(lost)}; give the weights of this "
        "model, all of them"
    )


def _beyond(unexpected: Collection[str], needed: list[str], body: str) -> Iterable[str]:
    """Yield notes on layers, and on parameters inside the model's layers, that it does not have.

    Weights may be stored with or without the name of the body before theirs.
    """
    own = _layers(needed)
    further: dict[str, set[int]] = {}
    inside = []
    for name in sorted(unexpected):
        either = (*_numbered(name), *_numbered(f"{body}.{name}"))
        found = [(prefix, number) for prefix, number in either if prefix in own]
        if not found or _OLD_MASKS.search(name):
            continue
        beyond = [(prefix, number) for prefix, number in found if number > max(own[prefix])]
        if beyond:
            further.setdefault(beyond[0][0], set()).add(beyond[0][1])
        else:
            inside.append(name)
    for prefix, numbers in further.items():
        yield (
            f"its weights also hold {_spans(prefix, sorted(numbers))}, which its config.json "
            f"({counted(len(own[prefix]), 'layer')}) leaves out"
        )
    if inside:
        yield (
            f"its weights also hold {inside[0]}{_more(inside)}, which a model of its config.json does "
            "not have"
        )


def _numbered(name: str) -> list[tuple[str, int]]:
    """Return every list of layers that a name is in, outermost first, and its number there."""
    parts = name.split(".")
    return [(".".join(parts[:i]), int(part)) for i, part in enumerate(parts) if part.isdigit()]


def _layers(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the numbers of the layers in each list of a model, by the name of the list."""
    found: dict[str, set[int]] = {}
    for name in names:
        for prefix, number in _numbered(name):
            found.setdefault(prefix, set()).add(number)
    return {prefix: sorted(numbers) for prefix, numbers in found.items()}


def _spans(prefix: str, numbers: list[int]) -> str:
    """Name layers: one, or the first and the last of each unbroken run."""
    starts = [numbers[0], *(b for a, b in pairwise(numbers) if b > a + 1)]
    ends = [*(a for a, b in pairwise(numbers) if b > a + 1), numbers[-1]]
    return join_words(
        f"{prefix}.{a}" if a == b else f"{prefix}.{a} to {prefix}.{b}"
        for a, b in zip(starts, ends, strict=True)
    )


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if names[1:] else ""
