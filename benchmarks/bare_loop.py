"""The overhead of whichpeft's training loop over a bare one: same model, batches and optimiser.

    python benchmarks/bare_loop.py

Both sides start from the same prepared model, train on the same batches of real sentences and end with
the same weights (checked). The bare side is a loop written by hand: forward, backward, clip, step.
Epochs alternate. The ratio is that of the medians, in processor time of this process, so other
programs have little effect.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

import whichpeft as wp
from whichpeft.backbones import resolve_backbone
from whichpeft.engine import FinalWork, Job, Placement
from whichpeft.engine.batches import training_batches
from whichpeft.engine.compute import choose_compute
from whichpeft.engine.loop import fit
from whichpeft.engine.memory import keep_freed_memory
from whichpeft.engine.meter import PHASES, Meter
from whichpeft.engine.model_setup import PreparedTrial, prepare
from whichpeft.engine.random_streams import TRAINING, start_stream
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.tasks import load_task
from whichpeft.tasks.encoded_data import write_data

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(HERE.parent.parent / "shared" / "data" / "sst2"))
    parser.add_argument("--train", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--method", action="append")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory(torch.device("cpu"))
    print("| method | bare, s | whichpeft, s | overhead |\n| --- | --: | --: | --: |")
    for method in asked.method or ["full", "lora:r=8", "bitfit"]:
        with tempfile.TemporaryDirectory() as scratch:
            job = _job(method, asked.data, asked.train, Path(scratch))
            bare, ours = [], []
            for _ in range(asked.repeats):
                (seconds, by_hand), (own, fitted) = _bare(job), _whichpeft(job)
                bare.append(seconds)
                ours.append(own)
                pairs = zip(by_hand.trained(), fitted.trained(), strict=True)
                if not all(torch.equal(a, b) for a, b in pairs):
                    raise SystemExit(f"{method}: the two loops end with different weights")
        ratio = statistics.median(ours) / statistics.median(bare) - 1
        middle = f"{statistics.median(bare):.2f} | {statistics.median(ours):.2f}"
        print(f"| `{method}` | {middle} | {100 * ratio:+.1f} % |", flush=True)


class ProcessorClock(Meter):
    """Counts this process's processor time by phase, not wall time."""

    def __init__(self) -> None:
        super().__init__()
        self.processor_seconds = dict.fromkeys(PHASES, 0.0)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.processor_seconds[name] += time.process_time() - began


def _whichpeft(job: Job) -> tuple[float, PreparedTrial]:
    ready, clock = _ready(job), ProcessorClock()
    fit(ready, job, clock, lambda progress: None)
    return clock.processor_seconds["fit"], ready


def _bare(job: Job) -> tuple[float, PreparedTrial]:
    ready = _ready(job)
    model, task, train = ready.model, ready.task, ready.examples["train"]
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": job.method.weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]
    rate = job.method.learning_rate or 0.0
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, fused=True)
    batches = training_batches(train.sizes, job.trial.budget.batch_size, seed=0, epoch=0)
    warmup = -(-len(batches) * job.method.warmup_ratio // 1)

    def factor(step: int) -> float:
        early = (step + 1) / warmup if warmup else 1.0
        return early if step < warmup else (len(batches) - step) / max(1, len(batches) - warmup)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    began = time.process_time()
    model.train()
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16, enabled=ready.compute.precision == "bfloat16"):
            loss = task.loss(model, train.batch(batch))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return time.process_time() - began, ready


def _ready(job: Job) -> PreparedTrial:
    ready = prepare(job, choose_compute("cpu", job.trial.conditions.precision))
    start_stream(job.trial.seed, TRAINING)
    return ready


def _job(method: str, data: str, examples: int, scratch: Path) -> Job:
    backbone, task = resolve_backbone("minilm"), load_task(wp.TaskSource(name=data))
    study = wp.Study(
        backbone="minilm",
        task=data,
        methods=[method],
        seeds=1,
        budget=wp.Budget(epochs=1, max_train=examples),
    )
    (cell,) = make_plan(study, [backbone], [task], {method: resolve_method(method)}).cells
    path, _ = write_data(task, backbone, study.budget, scratch)
    return Job(
        trial=cell.finals[0],
        backbone=cell.backbone,
        method=cell.method,
        data=path,
        placement=Placement(device="cpu"),
        work=FinalWork(),
    )


if __name__ == "__main__":
    main()
