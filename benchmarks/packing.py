"""Compares the training speed of packing short examples into shared rows with padding them.

    python benchmarks/packing.py --backbone ../shared/data/weights/stories260K

Both sides go forward and backward on the same batches of real prompts (sets of commonsense, in the
layout of LLM-Adapters). Examples are grouped by length, as in every trial; `--lengths mixed` takes
batches in the order of the data instead. Sides alternate at each batch, in one process. Medians of
--repeats, in processor time of the process, because the machine may run other programs.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default=str(DATA / "weights" / "stories260K"))
    parser.add_argument("--data", default=str(DATA / "llm_adapters"))
    parser.add_argument("--sets", nargs="+", default=["arc-easy"])
    parser.add_argument("--method", nargs="+", default=["full", "lora:r=8"])
    parser.add_argument("--train", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--lengths", choices=["alike", "mixed"], default="alike")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()

    import torch

    from whichpeft.backbones import resolve_backbone
    from whichpeft.study import TaskSource
    from whichpeft.tasks import load_task

    torch.set_num_threads(asked.threads)
    backbone = resolve_backbone(asked.backbone)
    task: Any = load_task(TaskSource(name="commonsense", folder=asked.data, sets=tuple(asked.sets)))
    print(f"{platform.machine()}, Python {platform.python_version()}, ", end="")
    print(f"threads {asked.threads}, torch {version('torch')}, ", end="")
    print(f"transformers {version('transformers')}, peft {version('peft')}; {backbone.name}, float32")
    print(
        "method        train  batch  padded/tokens  packed/tokens  padded ms  packed ms  ratio  losses"
    )
    for count in asked.train:
        train = task.encode(backbone, max_train=count)["train"]
        for size in asked.batch_size:
            for method in asked.method:
                line = compare(method, task, backbone, train, size, asked)
                print(f"{method:14}{count:5}{size:7}{line}", flush=True)


def compare(method: str, task: Any, backbone: Any, train: Any, size: int, asked: Any) -> str:
    """Time the steps of both sides; the last column is the largest difference of their losses."""
    import torch

    from whichpeft.engine.batches import shape, spread, training_batches
    from whichpeft.methods import MethodContext, resolve_method

    if asked.lengths == "alike":
        batches = training_batches(train.sizes, size, seed=0, epoch=0)
    else:
        batches = np.array_split(np.arange(len(train)), math.ceil(len(train) / size))
    sides = {"padded": train, "packed": task.packed(train)}
    tokens = int(train.sizes.sum())
    cells = {name: sum(math.prod(shape(s, b)) for b in batches) / tokens for name, s in sides.items()}
    chosen = spread(batches, train.sizes, asked.steps)
    torch.manual_seed(0)
    model = task.build(backbone)
    context = MethodContext(task_type=task.task_type, head=frozenset(), steps=100)
    model = resolve_method(method).resolved_for(backbone).apply(model, context).model.eval()

    def step(examples: Any, batch: Any) -> tuple[float, float]:
        began = time.process_time()
        loss = task.loss(model, examples.batch(batch))
        loss.backward()
        model.zero_grad(set_to_none=True)
        return time.process_time() - began, float(loss.detach())

    seconds: dict[str, float] = dict.fromkeys(sides, 0.0)
    losses: dict[str, list[float]] = {name: [] for name in sides}
    for batch in chosen:
        read: dict[str, list[float]] = {name: [] for name in sides}
        for repeat in range(asked.repeats + 1):
            for name in list(sides)[:: 1 if repeat % 2 == 0 else -1]:
                taken, loss = step(sides[name], batch)
                if repeat == 0:  # the first run of this shape
                    losses[name].append(loss)
                else:
                    read[name].append(taken)
        for name in sides:
            seconds[name] += statistics.median(read[name])
    apart = np.abs(np.subtract(losses["padded"], losses["packed"])).max()
    padded, packed = (1000 * seconds[name] / len(chosen) for name in sides)
    return (
        f"{cells['padded']:15.3f}{cells['packed']:15.3f}{padded:11.1f}{packed:11.1f}"
        f"{padded / packed:6.2f}x{apart:8.0e}"
    )


if __name__ == "__main__":
    main()
