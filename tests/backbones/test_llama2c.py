"""Models in llama2.c's layout: conversion keeps their numbers, their text and their tokens."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.errors import BackboneError

SHARED = Path(__file__).parents[3] / "shared" / "data"
STORIES = SHARED / "weights" / "stories260K"
needs_stories = pytest.mark.skipif(not STORIES.is_dir(), reason=f"no real weights at {STORIES}")


@pytest.fixture(scope="module")
def stories() -> Backbone:
    return resolve_backbone(str(STORIES))


@needs_stories
def test_it_has_the_documented_number_of_parameters(stories: Backbone) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(stories.files)
    assert sum(parameter.numel() for parameter in model.parameters()) == 260_032
    assert (stories.name, stories.family) == ("stories260K", "llama")
    assert len(stories.revision) == 16


@needs_stories
def test_it_writes_the_documented_story(stories: Backbone) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    documented = (STORIES / "stories260K.md").read_text().split("-t 0.0\n")[1].split("```")[0].strip()
    model = AutoModelForCausalLM.from_pretrained(stories.files)
    written = model.generate(torch.tensor([[1]]), do_sample=False, max_new_tokens=256, eos_token_id=1)
    tokenizer = AutoTokenizer.from_pretrained(stories.files)
    assert tokenizer.decode(written[0], skip_special_tokens=True) == documented


@needs_stories
def test_its_tokens_match_the_reference_algorithm(stories: Backbone) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(stories.files)
    pieces = list(_read_pieces(STORIES / "tok512.bin"))
    texts = [
        "Once upon a time, there was a little girl named Lily.",
        "  two spaces,\ttab\nand a line",
        "naïve façade, 東京 🙂",
        "<s> is text here",
    ]
    arc = SHARED / "llm_adapters" / "ARC-Easy" / "test.json"
    if arc.is_file():
        texts += [row["instruction"] for row in json.loads(arc.read_text())[:400]]
    plain = [text for text in texts if "<s>" not in text]
    found = tokenizer(plain, add_special_tokens=False)["input_ids"]
    expected = [_merge_best(text, pieces) for text in plain]
    differing = [text for text, ids, own in zip(plain, found, expected, strict=True) if ids != own]
    assert differing == []
    assert [tokenizer.decode(ids) for ids in found] == plain
    assert tokenizer("Once")["input_ids"][0] == 1


def _read_pieces(path: Path) -> Iterator[tuple[bytes, float]]:
    data, place = path.read_bytes(), 4
    while place < len(data):
        score, length = struct.unpack_from("<fi", data, place)
        yield data[place + 8 : place + 8 + length], score
        place += 8 + length


def _merge_best(text: str, pieces: list[tuple[bytes, float]]) -> list[int]:
    """Encode like llama2.c: repeatedly merge the neighbours that form the best-scored piece."""
    ids = {piece: i for i, (piece, _) in reversed(list(enumerate(pieces)))}
    tokens = [ids[b" "]]
    for character in text:
        own = character.encode()
        tokens += [ids[own]] if own in ids else [byte + 3 for byte in own]
    while True:
        best, place = -1e10, -1
        for i in range(len(tokens) - 1):
            merged = ids.get(pieces[tokens[i]][0] + pieces[tokens[i + 1]][0])
            if merged is not None and pieces[merged][1] > best:
                best, place = pieces[merged][1], i
        if place < 0:
            return tokens
        merged_id = ids[pieces[tokens[place]][0] + pieces[tokens[place + 1]][0]]
        tokens[place : place + 2] = [merged_id]


def _write(folder: Path, header: tuple[int, ...], numbers: int, pieces: int = 300) -> Path:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=numbers).astype("<f4")
    (folder / "model.bin").write_bytes(struct.pack("<7i", *header) + weights.tobytes())
    named = [b"<unk>", b"\n<s>\n", b"\n</s>\n", *(f"<0x{i:02X}>".encode() for i in range(256))]
    named += [f"w{i}".encode() for i in range(pieces - len(named))]
    body = b"".join(struct.pack("<fi", -float(i), len(p)) + p for i, p in enumerate(named))
    (folder / "tok.bin").write_bytes(struct.pack("<i", 8) + body)
    return folder


# dim 8, hidden 16, 2 layers, 2 heads, 1 key-value head, 300 pieces, 32 positions
FITS = (8, 16, 2, 2, 1, 300, 32)
NUMBERS = 300 * 8 + 2 * (8 + 64 + 32 + 32 + 64 + 8 + 3 * 128) + 8 + 32 * 4


def test_an_untied_head_is_converted(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    header = (*FITS[:5], -300, 32)
    own = resolve_backbone(str(_write(tmp_path / "untied", header, NUMBERS + 300 * 8)))
    model = AutoModelForCausalLM.from_pretrained(own.files)
    numbers = np.fromfile(tmp_path / "untied" / "model.bin", "<f4", offset=28)
    assert np.array_equal(model.lm_head.weight.detach().numpy(), numbers[-2400:].reshape(300, 8))


Spoil = Callable[[Path], Any]
SPOILT: dict[str, tuple[Spoil, str]] = {
    "cut short": (
        lambda f: _cut(f / "model.bin", -4),
        "has 14,904 bytes, but its header requires 14,908",
    ),
    "too long": (lambda f: _cut(f / "model.bin", 4), "has 14,912 bytes, but its header requires 14,908"),
    "no header": (
        lambda f: (f / "model.bin").write_bytes(b"\0" * 20),
        "too few for a llama2.c checkpoint",
    ),
    "absurd": (lambda f: _header(f, (2**31 - 1, *FITS[1:])), "its header gives dim 2147483647"),
    "negative": (lambda f: _header(f, (8, 16, -2, 2, 1, 300, 32)), "its header gives n_layers -2"),
    "heads": (lambda f: _header(f, (8, 16, 2, 3, 1, 300, 32)), "3 heads and 1 key-value heads"),
    "huge but plausible": (
        lambda f: _header(f, (2**20, 2**20, 96, 64, 64, 2**20, 2**20)),
        "but its header requires",
    ),
    "other tokenizer": (lambda f: _write(f, FITS, NUMBERS, pieces=290), "no tokenizer of 300 pieces"),
    "no tokenizer": (lambda f: (f / "tok.bin").unlink(), "no tokenizer of 300 pieces next to it;"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_file_that_does_not_fit_its_header_is_refused(name: str, tmp_path: Path) -> None:
    spoil, message = SPOILT[name]
    folder = _write(tmp_path / "model", FITS, NUMBERS)
    resolve_backbone(str(folder))
    spoil(folder)
    with pytest.raises(BackboneError) as raised:
        resolve_backbone(str(folder / "model.bin"))
    assert message in str(raised.value)
    assert str(folder / "model.bin") in str(raised.value)


def test_a_transformers_folder_is_not_converted(tmp_path: Path) -> None:
    folder = _write(tmp_path / "model", FITS, NUMBERS)
    made = resolve_backbone(str(folder)).files
    shutil.copytree(made, tmp_path / "usual")
    (tmp_path / "usual" / "pytorch_model.bin").write_bytes(b"a pickle")
    assert resolve_backbone(str(tmp_path / "usual")).files == tmp_path / "usual"


def _cut(path: Path, change: int) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:change] if change < 0 else data + b"\0" * change)


def _header(folder: Path, header: tuple[int, ...]) -> None:
    data = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(struct.pack("<7i", *header) + data[28:])
