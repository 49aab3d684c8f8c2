"""The size on disk of an adapter: it saves itself, and its weights are counted instead of written."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import torch

from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.methods import Adapter

_LENGTH_FIELD = 8  # bytes before a safetensors header that hold its length
_ALIGNMENT = 8


def bytes_to_save(adapter: Adapter) -> int | Exception:
    """Return the bytes of weights and configuration that `Adapter.save` would write.

    The error if the adapter consists of fake tensors, whose mode is on, and the method has to read their
    content to save them.
    """
    with tempfile.TemporaryDirectory(prefix="whichpeft-") as folder, _weights_counted() as sizes:
        try:
            with quiet_warnings():
                adapter.save(Path(folder))
        except RuntimeError as error:
            return error
        kept = [path for path in Path(folder).rglob("*") if path.is_file() and path.suffix != ".md"]
        return sum(sizes) + sum(path.stat().st_size for path in kept)


@contextlib.contextmanager
def _weights_counted() -> Iterator[list[int]]:
    """Make safetensors count bytes instead of writing them; tensors without content have none."""
    import peft.peft_model

    sizes: list[int] = []

    def count(
        tensors: Mapping[str, torch.Tensor], path: object, metadata: Mapping[str, str] | None = None
    ) -> None:
        sizes.append(safetensors_bytes(tensors, metadata))

    with (
        mock.patch("safetensors.torch.save_file", count),
        mock.patch.object(peft.peft_model, "safe_save_file", count),
    ):
        yield sizes


def safetensors_bytes(
    tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> int:
    """Return the size of a safetensors file: a length, a header in JSON, then the content."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    # In the order that safetensors writes them, since offsets with more digits take more bytes.
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        end = offset + tensor.numel() * tensor.element_size()
        kind = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}.get(
            tensor.dtype, "I64"
        )
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = len(json.dumps(header, separators=(",", ":")))
    return _LENGTH_FIELD + -(-text // _ALIGNMENT) * _ALIGNMENT + offset
