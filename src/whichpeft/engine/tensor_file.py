"""Writes tensors of a device into a safetensors file, without a copy of all of them on the host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from whichpeft.storage.atomic import open_whole

_CHUNK = 1 << 28  # bytes that are on the host at a time
_TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL",
}  # fmt: skip


def tensor_bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    """Return how many bytes the tensors take in a file."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file completely or not at all.

    `safetensors.torch.save_file` needs all tensors on the host at once, and rejects tensors that share
    memory, as some buffers do. Here each tensor is copied in chunks and written out on its own.
    """
    # Wide numbers come first, so that every tensor starts at a multiple of its own width.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in ordered:
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]
        }  # fmt: skip
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open_whole(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in ordered:
            if tensor.numel():
                flat = tensor.detach().reshape(-1)
                for chunk in flat.split(_CHUNK // tensor.element_size()):
                    file.write(chunk.cpu().view(torch.uint8).numpy())
