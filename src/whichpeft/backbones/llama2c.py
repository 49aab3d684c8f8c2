"""Converts language models in the layout of llama2.c (version 0) to ordinary transformers folders.

A checkpoint is seven integers followed by the weights in float32. A file next to it has the pieces of
its tokenizer. Both are converted once, into the user's cache.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.errors import BackboneError
from whichpeft.storage.cache import cached

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RECIPE = 1  # increase this when the conversion changes
_HEADER = struct.Struct("<7i")
_MOST = 2**26  # largest valid number in a header; no model has more
_UNKNOWN, _BEGIN, _END, _BYTES = 0, 1, 2, 3  # ids; those of single bytes follow
_SPACE = "\u2581"  # stands for a space in pieces


@dataclass(frozen=True, slots=True)
class _Shape:
    """The numbers in a checkpoint's header."""

    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    positions: int
    tied: bool

    @property
    def tensors(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes in the order of the file; the rotary tables are computed, not converted."""
        n, d, head = self.layers, self.dim, self.dim // self.heads
        kv = self.kv_heads * head
        found: list[tuple[str, tuple[int, ...]]] = [
            ("model.embed_tokens.weight", (self.vocabulary, d)),
            ("input_layernorm", (n, d)),
            ("self_attn.q_proj", (n, d, d)),
            ("self_attn.k_proj", (n, kv, d)),
            ("self_attn.v_proj", (n, kv, d)),
            ("self_attn.o_proj", (n, d, d)),
            ("post_attention_layernorm", (n, d)),
            ("mlp.gate_proj", (n, self.hidden, d)),
            ("mlp.down_proj", (n, d, self.hidden)),
            ("mlp.up_proj", (n, self.hidden, d)),
            ("model.norm.weight", (d,)),
            ("rotary", (2, self.positions, head // 2)),
        ]
        return found if self.tied else [*found, ("lm_head.weight", (self.vocabulary, d))]

    @property
    def bytes(self) -> int:
        return _HEADER.size + 4 * sum(int(np.prod(shape, dtype=object)) for _, shape in self.tensors)


def is_llama2c(path: Path) -> bool:
    """Whether a path is a checkpoint in this layout, or a folder that has one and no other model."""
    if path.is_dir():
        others = ("config.json", "adapter_config.json")
        return not any((path / name).exists() for name in others) and any(path.glob("*.bin"))
    return path.suffix == ".bin" and path.is_file()


def llama2c_folder(path: Path) -> Path:
    """Return the folder converted from a checkpoint and the tokenizer next to it.

    Raises BackboneError if a file does not fit its header, or the tokenizer is missing.
    """
    checkpoint, shape = _checkpoint(path)
    pieces = _tokenizer(checkpoint, shape.vocabulary)
    digest = hashlib.sha256(json.dumps([RECIPE, *_versions()]).encode())
    for file in (checkpoint, pieces):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return cached(
        f"llama2c-{digest.hexdigest()[:24]}", lambda folder: _make(folder, checkpoint, shape, pieces)
    )


def _versions() -> list[str]:
    return [version(library) for library in ("tokenizers", "transformers")]


def _checkpoint(path: Path) -> tuple[Path, _Shape]:
    """Find the checkpoint: the file itself, or the largest one in a folder."""
    if path.is_file():
        return path, _read_header(path)
    files = sorted(path.glob("*.bin"), key=lambda file: (-file.stat().st_size, file.name))
    return files[0], _read_header(files[0])  # a tokenizer is smaller than the model


def _read_header(path: Path) -> _Shape:
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
    size = path.stat().st_size
    if len(head) < _HEADER.size:
        raise BackboneError(f"backbone {path}: {size} bytes are too few for a llama2.c checkpoint")
    dim, hidden, layers, heads, kv_heads, vocabulary, positions = _HEADER.unpack(head)
    values = (dim, hidden, layers, heads, kv_heads, abs(vocabulary), positions)
    names = ("dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "max_seq_len")
    for name, value in zip(names, values, strict=True):
        if not 0 < value <= _MOST:
            raise BackboneError(
                f"backbone {path}: is not a llama2.c checkpoint of version 0: its header gives "
                f"{name} {value}"
            )
    if dim % (2 * heads) or heads % kv_heads:
        raise BackboneError(
            f"backbone {path}: is not a llama2.c checkpoint of version 0: its header gives {heads} "
            f"heads and {kv_heads} key-value heads for a width of {dim}, which they do not divide"
        )
    shape = _Shape(dim, hidden, layers, heads, kv_heads, abs(vocabulary), positions, vocabulary > 0)
    if size != shape.bytes:
        raise BackboneError(
            f"backbone {path}: has {size:,} bytes, but its header requires {shape.bytes:,}; the file is "
            "damaged, or its layout is not llama2.c's version 0"
        )
    return shape


def _tokenizer(checkpoint: Path, vocabulary: int) -> Path:
    """Find the tokenizer next to a checkpoint: the file that has `vocabulary` pieces."""
    others = [file for file in sorted(checkpoint.parent.glob("*.bin")) if file != checkpoint]
    for file in others:
        if sum(1 for _ in _pieces(file)) == vocabulary:
            return file
    found = ", ".join(f"{file.name} {sum(1 for _ in _pieces(file))}" for file in others)
    raise BackboneError(
        f"backbone {checkpoint}: there is no tokenizer of {vocabulary} pieces next to it"
        f"{f' (pieces found: {found})' if found else ''}; put llama2.c's tokenizer .bin there"
    )


def _pieces(path: Path) -> Iterator[tuple[str, float]]:
    """Read a tokenizer's pieces and their scores, up to the first invalid entry."""
    data = path.read_bytes()
    place = 4  # after the length of the longest piece, which is not needed
    while place + 8 <= len(data):
        score, length = struct.unpack_from("<fi", data, place)
        if not 0 <= length <= len(data) - place - 8:
            return
        piece = data[place + 8 : place + 8 + length]
        yield piece.decode("utf-8", "replace"), score
        place += 8 + length


def _make(folder: Path, checkpoint: Path, shape: _Shape, pieces: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig

    weights = {
        name: torch.from_numpy(np.ascontiguousarray(value))
        for name, value in _weights(checkpoint, shape)
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.dim,
        intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.positions,
        rms_norm_eps=1e-5,
        tie_word_embeddings=shape.tied,
        bos_token_id=_BEGIN,
        eos_token_id=_END,
        architectures=["LlamaForCausalLM"],
    )
    config.save_pretrained(folder)
    with quiet_loading():
        _fast_tokenizer(list(_pieces(pieces)), shape.positions).save_pretrained(folder)


def _weights(path: Path, shape: _Shape) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the weights under transformers' names."""
    flat = np.fromfile(path, dtype="<f4", offset=_HEADER.size)
    place = 0
    for name, size in shape.tensors:
        count = int(np.prod(size))
        value = flat[place : place + count].reshape(size)
        place += count
        if name == "rotary":
            continue
        if name.startswith(("model.", "lm_head.")):
            yield name, value
            continue
        for layer, own in enumerate(value):
            if name.endswith(("q_proj", "k_proj")):
                heads = shape.heads if name.endswith("q_proj") else shape.kv_heads
                own = _halves(own, heads)
            yield f"model.layers.{layer}.{name}.weight", own


def _halves(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder a head's rows: llama2.c rotates neighbours in pairs, transformers rotates two halves."""
    pairs = rows.reshape(heads, -1, 2, rows.shape[1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def _fast_tokenizer(pieces: list[tuple[str, float]], positions: int) -> PreTrainedTokenizerBase:
    """Build a tokenizer that merges the best-scored neighbours first, as sentencepiece's BPE does."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<s>", "</s>"]
    names = [piece.strip() if i < _BYTES else piece for i, (piece, _) in enumerate(pieces)]
    names = [*special, *(name.replace(" ", _SPACE) for name in names[_BYTES:])]
    ids = {name: i for i, name in enumerate(names)}
    words = Tokenizer(
        models.BPE(
            vocab=ids,
            merges=_merges(names, [score for _, score in pieces], ids),
            unk_token=special[_UNKNOWN],
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    words.normalizer = normalizers.Sequence(
        [normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)]
    )
    words.decoder = decoders.Sequence(
        [
            decoders.Replace(_SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", _BEGIN)]
    )
    words.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token=special[_UNKNOWN],
        bos_token=special[_BEGIN],
        eos_token=special[_END],
        model_max_length=positions,
        clean_up_tokenization_spaces=False,
    )


def _merges(names: list[str], scores: list[float], ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return all pairs of pieces that form another piece, ordered by that piece's score, best first."""
    first = _BYTES + 256  # skip the special tokens and bytes, whose names are not text
    found = []
    for i in sorted(range(first, len(names)), key=lambda i: (-scores[i], i)):
        name = names[i]
        for cut in range(1, len(name)):
            left, right = name[:cut], name[cut:]
            if ids.get(left, 0) >= first and ids.get(right, 0) >= first:
                found.append((left, right))
    return found
