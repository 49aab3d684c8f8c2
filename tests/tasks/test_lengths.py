"""Lengths of inputs before they are cut, as plain tokenizers count them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.study import Budget
from whichpeft.tasks import text_task
from whichpeft.tasks.encoded_data import write_data
from whichpeft.tasks.generative import Prompted, generative_task


def test_lengths_are_those_before_cutting(tiny_backbone: Path, tmp_path: Path) -> None:
    backbone = resolve_backbone(str(tiny_backbone))
    texts = ["a film " * (i + 1) for i in range(400)]
    task = text_task("long", train=[(text, i % 2) for i, text in enumerate(texts)])
    _, found = write_data(task, backbone, Budget(), tmp_path)
    sizes = sorted(map(len, AutoTokenizer.from_pretrained(tiny_backbone)(texts)["input_ids"]))
    assert found is not None
    assert found.limit is not None
    assert (found.count, found.longest, found.median) == (400, sizes[-1], round(np.median(sizes)))
    assert found.p95 == sizes[379], "380 of 400 texts are not longer"
    assert found.cut == sum(size > found.limit for size in sizes) > 0


def test_prompts_and_completions_count_together(tiny_writer: Backbone, tmp_path: Path) -> None:
    backbone = tiny_writer
    examples = [Prompted(prompt=f"{'one two ' * (30 * i)}{i}", completion=str(i)) for i in range(30)]
    task = generative_task("count", train=examples, metric="log_likelihood")
    _, found = write_data(task, backbone, Budget(), tmp_path)
    encoded = task.encode(backbone, max_train=None)
    splits = [split for name, split in encoded.items() if name != "held-out"]
    assert found is not None
    assert found.count == 30
    assert found.limit == splits[0].cap  # type: ignore[attr-defined]
    assert found.cut == sum(int((split.uncut > found.limit).sum()) for split in splits)  # type: ignore[attr-defined]
    assert 0 < found.cut < 30
    tokenizer = AutoTokenizer.from_pretrained(backbone.files)
    longest = len(tokenizer(f"{examples[-1].prompt} 29")["input_ids"]) + 1
    assert abs(found.longest - longest) <= 1, "the prompt, the completion and the end of the text"


@pytest.mark.parametrize(
    ("text", "noted"), [("a film \U0001f600", False), ("a film \u1c82\u1c83 \u1c84", True)]
)
def test_texts_that_the_tokenizer_does_not_know_are_said(
    text: str, noted: bool, tiny_backbone: Path, tmp_path: Path
) -> None:
    """An emoji is an unknown token of many; a language of another script is mostly unknown."""
    backbone = resolve_backbone(str(tiny_backbone))
    texts = [
        f"{text} number {i} of many ordinary words" if not noted else text + " \u1c84" * i
        for i in range(40)
    ]
    task = text_task("unknown", train=[(text, i % 2) for i, text in enumerate(texts)])
    _, found = write_data(task, backbone, Budget(), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_backbone)
    ids = np.concatenate(tokenizer(texts)["input_ids"])
    share = np.mean(ids == tokenizer.unk_token_id)
    assert found is not None
    notes = [note for note in found.notes if "does not know" in note]
    assert bool(notes) == noted
    if noted:
        assert notes[0].startswith(f"{share * 100:.0f} % of the tokens")
    else:
        assert 0 < share < 0.1


def test_a_tokenizer_without_a_first_token_is_said(tiny_backbone: Path, tmp_path: Path) -> None:
    """A tokenizer made by hand often lacks the post-processor that puts [CLS] before a text."""
    folder = tmp_path / "bare"
    shutil.copytree(tiny_backbone, folder)
    made = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(made | {"post_processor": None}))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # BertTokenizer would put it back
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    task = text_task("bare", train=[(f"film number {i}", i % 2) for i in range(40)])
    notes = []
    for place in (folder, tiny_backbone):
        scratch = tmp_path / f"scratch-{place.name}"
        scratch.mkdir()
        _, found = write_data(task, resolve_backbone(str(place)), Budget(), scratch)
        assert found is not None
        notes.append([note for note in found.notes if "puts no" in note])
    adds = [AutoTokenizer.from_pretrained(place)("")["input_ids"] for place in (folder, tiny_backbone)]
    assert adds[0] == []
    assert len(adds[1]) == 2
    assert notes[0][0].startswith("the tokenizer puts no [CLS] before a text")
    assert notes[1] == []


def test_prompts_that_the_tokenizer_does_not_know_are_said(
    tiny_writer: Backbone, tmp_path: Path
) -> None:
    unknown = [Prompted(prompt=f"\u1c82\u1c83 \u1c84 {i}", completion=str(i)) for i in range(20)]
    tokenizer = AutoTokenizer.from_pretrained(tiny_writer.files)
    task = generative_task("count", train=unknown, metric="log_likelihood")
    _, found = write_data(task, tiny_writer, Budget(), tmp_path)
    assert found is not None
    unread = (
        np.concatenate(tokenizer([e.prompt for e in unknown])["input_ids"]) == tokenizer.unk_token_id
    )
    assert any("does not know" in note for note in found.notes) == (unread.mean() > 0.1)


def test_tokens_per_word_tell_a_foreign_language(tmp_path: Path) -> None:
    """MiniLM's tokenizer was made for English; Chinese has no spaces to count words by."""
    english = "The customer says that the printer does not start after the last update of the driver"
    german = "Der Kunde meldet, dass der Drucker nach der letzten Aktualisierung nicht mehr ging"
    chinese = "客户报告说打印机在最后一次驱动程序更新后无法启动"
    minilm = resolve_backbone("minilm")

    def read(text: str) -> float | None:
        task = text_task("tickets", train=[(f"{text} {i}", i % 2) for i in range(30)])
        _, found = write_data(task, minilm, Budget(), tmp_path)
        assert found is not None
        return found.pieces_per_word

    # Counted by hand from the tokenizer: no word of the English text is split.
    assert read(english) == pytest.approx(1.0, abs=0.05)
    assert (read(german) or 0.0) > 1.75
    assert read(chinese) is None
