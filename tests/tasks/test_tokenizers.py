"""Tokenizers of every kind are loaded as transformers loads them, or refused if they read no text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers
from transformers.models.myt5.tokenization_myt5 import MyT5Tokenizer

from whichpeft.backbones import Backbone
from whichpeft.errors import BackboneError
from whichpeft.tasks import text_task
from whichpeft.tasks.text_encoding import load_tokenizer

TEXTS = ("plain words", "Grüße, 世界 \U0001f600")


def backbone(folder: Path, family: str, **config: object) -> Backbone:
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"model_type": family, **config}
    (folder / "config.json").write_text(json.dumps(fields))
    return Backbone(name=family, revision="0", folder=folder, config=fields)


@pytest.mark.parametrize(
    ("family", "tokenizer", "ids"),
    [
        # CANINE reads code points between [CLS] and [SEP]; ByT5 bytes, its first three ids are special.
        ("canine", transformers.CanineTokenizer, lambda text: [0xE000, *map(ord, text), 0xE001]),
        ("t5", transformers.ByT5Tokenizer, lambda text: [*(b + 3 for b in text.encode()), 1]),
        ("perceiver", transformers.PerceiverTokenizer, lambda t: [4, *(b + 6 for b in t.encode()), 5]),
    ],
)
def test_tokenizers_without_a_vocabulary(
    tmp_path: Path, family: str, tokenizer: type, ids: object
) -> None:
    model = backbone(tmp_path, family)
    tokenizer().save_pretrained(tmp_path)
    for text in TEXTS:
        assert load_tokenizer(model)(text)["input_ids"] == ids(text)  # type: ignore[operator]
    # The model's own folder alone says nothing about a tokenizer.
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "tokenizer.json").unlink(missing_ok=True)
    with pytest.raises(BackboneError, match=r"save one there with tokenizer.save_pretrained"):
        load_tokenizer(model)


def test_a_whole_task_is_read_in_characters(tmp_path: Path) -> None:
    model = backbone(tmp_path, "canine", max_position_embeddings=16384)
    transformers.CanineTokenizer().save_pretrained(tmp_path)
    task = text_task("letters", train=[(f"text {'ab'[i % 2]}{i}", i % 2) for i in range(40)])
    found = task.encode(model, max_train=None)["test"]
    texts = [text for (text,) in task.splits["test"].inputs]
    assert found.tokens.tolist() == [len(text) + 2 for text in texts]


def test_vocabularies_in_files_of_other_names(tmp_path: Path) -> None:
    maps = {"decompose_map": {}, "merge_map": {}}
    (tmp_path / "byte_maps.json").write_text(json.dumps(maps))
    MyT5Tokenizer(str(tmp_path / "byte_maps.json")).save_pretrained(tmp_path)
    own = transformers.AutoTokenizer.from_pretrained
    model = backbone(tmp_path, "t5")
    for text in TEXTS:
        assert load_tokenizer(model)(text)["input_ids"] == own(tmp_path)(text)["input_ids"]


@pytest.mark.parametrize(
    ("family", "files"),
    [
        ("bert", {}),
        ("bert", {"tokenizer_config.json": '{"tokenizer_class": "BertTokenizer"}'}),
        ("bert", {"tokenizer_config.json": '{"tokenizer_class": "NoSuchTokenizer"}'}),
        ("bert", {"vocab.json": '{"a": 0, "b": 1}'}),  # another kind's vocabulary: nothing would be read
        ("bert", {"vocab.txt": ""}),
        ("bert", {"tokenizer.json": '{"version": "1.0", "model": {"type": "Unheard"}}'}),
        ("gpt2", {"vocab.json": '{"a": 0, "b": 1}'}),  # without merges.txt
        ("mistral", {"tekken.json": "{}"}),
        ("t5", {"spiece.model": "version https://git-lfs.github.com/spec/v1\n"}),
        (
            "mbart",
            {
                "tokenizer_config.json": '{"tokenizer_class": "BartphoTokenizer"}',
                "sentencepiece.bpe.model": "x",
            },
        ),
        (
            "bert",
            {
                "tokenizer_config.json": '{"tokenizer_class": "Own", "auto_map": '
                '{"AutoTokenizer": ["own.Own", null]}}',
                "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n",
                "own.py": "raise SystemExit",
            },
        ),
    ],
)
def test_tokenizers_that_would_read_nothing(tmp_path: Path, family: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(BackboneError, match=r"cannot load a tokenizer from .*; save one") as caught:
        load_tokenizer(backbone(tmp_path, family))
    assert "\n" not in str(caught.value)
