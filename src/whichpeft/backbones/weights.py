"""Loads the weights of a backbone with transformers, and tells without loading them what would fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whichpeft.backbones.folder import weight_files
from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.errors import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.models.auto.auto_factory import _BaseAutoModelClass

    from whichpeft.backbones.backbone import Backbone

# A model's folder may also hold an adapter, which transformers would load on top of it. It looks for
# one in this sub-folder of the backbone's folder, which is a file.
_NO_ADAPTER = {"subfolder": "config.json"}
_PACKED = frozenset({"I8", "U8", "I32", "U32"})  # what quantised weights are stored as
_PACKED_NAMES = ("weight", "weight_packed", "weight_scale", "qweight", "qzeros")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What of a model's parameters was found in its weights."""

    missing: frozenset[str]
    """Parameters and buffers of the model that the weights lack."""
    mismatched: frozenset[str]
    """Those that the weights hold in another shape."""
    unexpected: frozenset[str]
    """What the weights hold and the model does not have."""

    @property
    def drawn(self) -> frozenset[str]:
        """What is newly drawn."""
        return self.missing | self.mismatched


def load_weights(
    backbone: Backbone, auto_class: str, kind: str, **options: Any
) -> tuple[PreTrainedModel, Loaded]:
    """Load a backbone in float32 as a model of an auto class of transformers, without any adapter.

    Parameters and buffers that the weights lack, or hold in another shape, are newly drawn. Raises
    BackboneError if the files are not such a model.

    Parameters
    ----------
    backbone
        The backbone.
    auto_class
        Name of the auto class.
    kind
        What the model is, for messages.
    options
        Further arguments of ``from_pretrained``.
    """
    import torch

    try:
        with quiet_loading():
            model, found = _auto_class(auto_class).from_pretrained(
                backbone.files,
                **{**backbone.overrides, **options},
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                adapter_kwargs=_NO_ADAPTER,
            )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # safetensors and quantisation libraries raise errors of many types
        raise _unloadable(backbone, kind, error) from None
    return model, _loaded(found)


def compare_weights(backbone: Backbone, auto_class: str, kind: str) -> tuple[PreTrainedModel, Loaded]:
    """Tell what `load_weights` would find, from the names and shapes in the files alone.

    transformers itself compares them, so that names which it translates while loading count as it
    counts them. The model that is returned has no weights.
    """
    import torch

    stored = stored_tensors(backbone)
    try:
        with quiet_loading():
            with torch.device("meta"):
                bare = _auto_class(auto_class).from_config(backbone.architecture())
            model, found = type(bare).from_pretrained(
                None,
                config=bare.config,  # of the text alone if the model is a part of a larger one
                state_dict={n: torch.empty(shape, device="meta") for n, (shape, _) in stored.items()},
                device_map={"": "meta"},
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:  # as above
        raise _unloadable(backbone, kind, error) from None
    return model, _loaded(found)


def stored_tensors(backbone: Backbone) -> Mapping[str, tuple[tuple[int, ...], str]]:
    """Return the shape and type of every tensor in a backbone's weights, by name.

    Raises BackboneError if a file is damaged, or the weights are stored quantised.
    """
    from safetensors import SafetensorError, safe_open

    found = {}
    for path in weight_files(backbone.files, backbone.config, f"backbone {backbone.name!r}"):
        try:
            with safe_open(path, framework="np") as file:
                for name in file.keys():  # noqa: SIM118
                    tensor = file.get_slice(name)
                    found[name] = tuple(tensor.get_shape()), str(tensor.get_dtype())
        except (SafetensorError, OSError, ValueError) as error:
            raise BackboneError(
                f"{path}: is damaged or incomplete ({error}); copy or download it again"
            ) from None
    for name, (_, stored_as) in found.items():
        if stored_as.startswith(("F8", "F6", "F4")) or (
            stored_as in _PACKED and name.rpartition(".")[2] in _PACKED_NAMES
        ):
            raise BackboneError(
                f"backbone {backbone.name!r}: its weights are stored quantised ({name} as {stored_as}), "
                "which methods cannot be compared on; give the model's original weights"
            )
    return found


def _auto_class(name: str) -> type[_BaseAutoModelClass]:
    import transformers

    found: type[_BaseAutoModelClass] = getattr(transformers, name)
    return found


def _loaded(found: Mapping[str, Collection[Any]]) -> Loaded:
    return Loaded(
        missing=frozenset(found["missing_keys"]),
        mismatched=frozenset(name for name, *_ in found["mismatched_keys"]),
        unexpected=frozenset(found["unexpected_keys"]),
    )


def _unloadable(backbone: Backbone, kind: str, error: Exception) -> BackboneError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return BackboneError(f"backbone {backbone.name!r}: cannot be loaded as {kind}: {reason}")
