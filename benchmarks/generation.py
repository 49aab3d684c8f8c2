"""Compares the speed of writing answers with transformers' plain `generate`.

    python benchmarks/generation.py --backbone ../shared/data/weights/stories260K

Both sides write the answers to the same prompts (questions of GSM8K) with the same model, greedily, in
batches of the same size and with the same limit of tokens. Plain means in the order of the data, each
batch padded on the left to its longest prompt. Sides alternate in one process; medians of --repeats.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = ROOT.parent / "shared" / "data"
    parser.add_argument("--backbone", default=str(shared / "weights" / "stories260K"))
    parser.add_argument("--data", type=Path, default=shared / "gsm8k" / "train.jsonl")
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()

    import torch

    from whichpeft.backbones import resolve_backbone
    from whichpeft.engine.batches import evaluation_batches
    from whichpeft.study import TaskSource
    from whichpeft.tasks import load_task
    from whichpeft.tasks.text_encoding import load_tokenizer

    torch.set_num_threads(asked.threads)
    backbone = resolve_backbone(asked.backbone)
    task: Any = load_task(TaskSource(name=str(asked.data), problem="generation"))
    test: Any = task.encode(backbone, max_train=512)["test"]
    model: Any = task.build(backbone).eval()
    tokenizer = load_tokenizer(backbone)
    tokenizer.padding_side, tokenizer.pad_token_id = "left", test.pad
    prompts = [
        test.ids[test.offsets[i] : test.offsets[i] + test.prompts[i]].tolist()
        for i in range(asked.prompts)
    ]

    def ours() -> list[list[int]]:
        sizes = test.prompts[: asked.prompts]
        found: list[list[int]] = [[]] * asked.prompts
        for batch in evaluation_batches(sizes, asked.batch_size):
            for index, row in zip(batch, task.outputs(model, test.batch(batch)).tolist(), strict=True):
                found[index] = row
        return found

    def plain() -> list[list[int]]:
        found = []
        for start in range(0, asked.prompts, asked.batch_size):
            batch = tokenizer.pad(
                {"input_ids": prompts[start : start + asked.batch_size]}, return_tensors="pt"
            )
            written = model.generate(**batch, max_new_tokens=test.longest)
            new = written[:, batch["input_ids"].shape[1] :]
            rows = torch.full((len(new), test.longest), test.pad)
            rows[:, : new.shape[1]] = new
            found += rows.tolist()
        return found

    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    answers: dict[str, list[list[int]]] = {}
    with torch.inference_mode():
        for repeat in range(asked.repeats):
            for side in (ours, plain)[:: 1 if repeat % 2 == 0 else -1]:
                began = time.perf_counter()
                answers[side.__name__] = side()
                seconds[side.__name__].append(time.perf_counter() - began)
    alike = np.mean([a == b for a, b in zip(answers["ours"], answers["plain"], strict=True)])
    mine, theirs = (statistics.median(seconds[side]) for side in ("ours", "plain"))
    print(
        f"{asked.prompts} prompts in batches of {asked.batch_size}, at most {test.longest} tokens each"
    )
    print(f"whichpeft {mine:.2f} s, generate called plainly {theirs:.2f} s: {theirs / mine:.2f}x")
    print(f"the same answers: {alike:.0%}")


if __name__ == "__main__":
    main()
