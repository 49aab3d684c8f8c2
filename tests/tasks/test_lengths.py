"""Lengths of inputs before they are cut, as plain tokenizers count them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from transformers import AutoTokenizer

from whichpeft.backbones import resolve_backbone
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


def test_prompts_and_completions_count_together(tmp_path: Path) -> None:
    backbone = resolve_backbone("tiny-llama")
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
