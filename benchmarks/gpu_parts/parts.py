"""The parts in the order in which they run: what each measures, and its most seconds on a GPU."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import whichpeft as wp
from gpu_parts import made_up, published
from gpu_parts.bench import Bench, planned_memory, profiles, shown
from gpu_parts.loops import PeakMemory, race, ready, timed
from gpu_parts.machine import cuda_tests, environment
from whichpeft.engine import Job
from whichpeft.engine.loop import take_step
from whichpeft.engine.optimisation import Optimisation
from whichpeft.errors import WhichpeftError
from whichpeft.executors import SilentObserver
from whichpeft.records import Store

METHODS = ("full", "lora:r=8", "dora", "ia3", "prefix", "bitfit")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the benchmark."""

    name: str
    run: Callable[[Bench], None]
    seconds: int
    """The most that it may take on a GPU."""


def bert_base(bench: Bench) -> None:
    """Run a study of BERT-base as a user does: profiles, then trials, by the executor."""
    methods = ["full", "lora:r=8"] if bench.narrow else METHODS
    study = wp.Study(
        backbone=bench.backbone("bert-base"),
        task=made_up.sentences(bench.folder, narrow=bench.narrow),
        methods=methods,
        seeds=1,
        budget=wp.Budget(epochs=1, max_train=64 if bench.narrow else None),
    )
    plans = planned_memory(bench, study)
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        wp.run(study, out=Path(folder, "run"), device=bench.device, observer=SilentObserver())
        records = list(Store(Path(folder, "run")))
    for record in records:
        method = record.trial.method
        if method not in methods:  # baselines that a run adds
            continue
        if record.trial.purpose == "profile":
            row = shown(record) | {"plan GB": plans.get(method)}
            bench.add("BERT-base on sentences of 5 to 60 words, batches of 16", row)
        else:
            row = {
                "method": method, "result": record.outcome.reason or record.outcome.status,
                "loading, s": record.value("seconds", "set-up"),
                "training, s": record.value("seconds", "fit"), "all, s": record.value("total_seconds"),
            }  # fmt: skip
            bench.add("The trials of BERT-base: 512 sentences, one epoch", row)


def llama(bench: Bench, name: str, methods: Sequence[str]) -> None:
    """Profile methods on a language model of this shape."""
    study = wp.Study(
        backbone=bench.backbone(name),
        task=made_up.instructions(bench.folder, narrow=bench.narrow),
        methods=methods,
        seeds=1,
    )
    plans = planned_memory(bench, study)
    for record in profiles(bench, study):
        title = f"{name.replace('llama-', 'Llama-3.2-')} on 45 to 260 tokens, batches of 16"
        bench.add(title, shown(record) | {"plan GB": plans.get(record.trial.method)})


def peft_suite(bench: Bench) -> None:
    """Repeat the work of PEFT's own suite, as speeds relative to LoRA beside the published ones."""
    names = ["lora", "prefix"] if bench.narrow else sorted(published.PEFT_SUITE, key="lora".__ne__)
    texts = {name: published.PEFT_METHODS.get(name, name) for name in names}
    study = wp.Study(
        backbone=bench.backbone("llama-3b"),
        task=made_up.solutions(bench.folder, narrow=bench.narrow),
        methods=list(texts.values()),
        seeds=1,
        budget=wp.Budget(epochs=1, batch_size=4),
    )
    lora: float | None = None
    known = {text: name for name, text in texts.items()}
    for record in profiles(bench, study, counted=False):
        row = shown(record)
        name, speed = known[record.trial.method], record.value("tokens_per_second")
        lora = speed if name == "lora" else lora
        row["of LoRA's speed"] = speed / lora if speed and lora else None
        row["published, L40S"] = published.PEFT_SUITE[name] / published.PEFT_SUITE["lora"]
        for left_out in ("forward", "backward", "optimiser", "share of the peak"):
            row.pop(left_out, None)
        bench.add("Llama-3.2-3B, batches of 4, 210 tokens on average: the work of PEFT's suite", row)


def nemo(bench: Bench) -> None:
    """Train LoRA on Llama-3.1-8B with full texts of 4,096 tokens, as NeMo's published benchmark."""
    length, size = (32, 2) if bench.narrow else (4096, 2)
    study = wp.Study(
        backbone=bench.backbone("llama-8b"),
        task=made_up.instructions(bench.folder, narrow=bench.narrow),
        methods=["lora:r=16,lora_alpha=32,target_modules=all-linear"],
        seeds=1,
    )
    with ready(bench, study) as found:
        trial, memory = found.trial, PeakMemory(found.compute)
        tokens = torch.randint(10, 1000, (size, length))
        optimisation = Optimisation(trial, found.job.method, 10**4)

        def step(number: int, parts: int) -> None:
            batch = {"input_ids": tokens, "labels": tokens}
            take_step(trial, optimisation, [(batch, 1 / parts)] * parts, number)

        memory.read()
        *_, seconds = timed(found.compute, step, [4, 4])
        speed = 8 * size * length / seconds
        weights = sum(p.numel() for p in trial.model.parameters() if not p.requires_grad)
        row = {
            "trained": sum(p.numel() for p in trial.trained()), "tokens/s": speed,
            "TFLOP/s at 4 per weight": 4 * weights * speed / 1e12, "peak GB": memory.read(),
            "NeMo on an H100, tokens/s": published.NEMO_TOKENS_PER_SECOND,
        }  # fmt: skip
        bench.add(f"Llama-3.1-8B, LoRA on all linear layers, {size} x {length} tokens at a time", row)


def batched(bench: Bench) -> None:
    """Train K trials as one model and one by one."""
    import batched_trials

    task = made_up.sentences(bench.folder, narrow=bench.narrow)
    for count in (1, 2) if bench.narrow else (1, 4, 8, 16):
        if not bench.has_time(5):
            bench.note(f"K = {count} is left out: the time is used up")
            continue
        asked = argparse.Namespace(
            device=bench.device, method="lora:r=8", backbone=bench.backbone("minilm"), task=task.name,
            max_train=320, batch_size=16, precision="auto", threads=1, repeats=1,
        )  # fmt: skip
        found = batched_trials.compare(asked, count)
        row = {
            "K": count, "one by one, examples/s": found["apart"].speed,
            "as one model": found["together"].speed,
            "ratio": found["together"].speed / found["apart"].speed,
            "peak GB one by one": found["apart"].peak / 1e9, "as one": found["together"].peak / 1e9,
        }  # fmt: skip
        bench.add("Batched trials: LoRA on MiniLM, batches of 16", row)


def quantised(bench: Bench) -> None:
    """Profile LoRA on weights of 4 bits beside LoRA on weights of 16."""
    task = made_up.instructions(bench.folder, narrow=bench.narrow)
    for bits in ("4bit", None):
        study = wp.Study(
            backbone=bench.backbone("llama-1b"), task=task, methods=["lora:r=8"], seeds=1,
            baseline="lora:r=8", quantise=bits,
        )  # fmt: skip
        plans = planned_memory(bench, study)
        try:
            for record in profiles(bench, study):
                row = {"weights": bits or "16bit"} | shown(record)
                bench.add("LoRA on 4 bits: Llama-3.2-1B", row | {"plan GB": plans.get("lora:r=8")})
        except WhichpeftError as error:  # no CUDA, or no bitsandbytes
            bench.note(f"4 bits are left out: {error}")


class _Finals(SilentObserver):
    """Notes how many final trials run at a time, and when they begin."""

    concurrency, began = 0, 0.0

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None:
        if name == "final":
            self.concurrency, self.began = concurrency, time.perf_counter()


def side_by_side(bench: Bench) -> None:
    """Run the trials of a small model one at a time, and several on the device at once."""
    study = wp.Study(
        backbone=bench.backbone("minilm"),
        task=made_up.sentences(bench.folder, narrow=bench.narrow, train=64 if bench.narrow else 1024),
        methods=["lora:r=8"],
        baseline="lora:r=8",
        seeds=2 if bench.narrow else 8,
        budget=wp.Budget(epochs=1 if bench.narrow else 4),
    )
    for jobs in (1, 2) if bench.narrow else (1, None, 8):
        finals = _Finals()
        with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
            out = Path(folder, "run")
            wp.run(study, out=out, device=bench.device, jobs=jobs, batch_trials="off", observer=finals)
            seconds = time.perf_counter() - finals.began
            records = [
                r for r in Store(out) if (r.trial.purpose, r.trial.method) == ("final", "lora:r=8")
            ]
        failed = [r.outcome.reason or "" for r in records if r.outcome.status == "failed"]
        row = {
            "--jobs": jobs or "not given", "at a time": finals.concurrency, "trials": len(records),
            "all, s": seconds, "failed": len(failed) or None,
            "a trial's training, s": sum(r.value("seconds", "fit") or 0 for r in records) / len(records),
        }  # fmt: skip
        bench.add("Trials of MiniLM side by side", row)
        for reason in failed[:1]:
            bench.note(f"a trial failed: {reason[:200]}")


PARTS = (
    Part("environment", environment, 40),
    Part("bert-base", bert_base, 75),
    Part("llama-1b", lambda bench: llama(bench, "llama-1b", METHODS), 75),
    Part("loops-llama-lora", lambda bench: race(bench, "llama-1b", "lora:r=8"), 40),
    Part("quantised", quantised, 45),
    Part("batched", batched, 80),
    Part("side-by-side", side_by_side, 80),
    Part("peft-suite", peft_suite, 120),
    Part("llama-8b", nemo, 75),
    Part("tests", cuda_tests, 75),
    Part("loops-bert-full", lambda bench: race(bench, "bert-base", "full"), 30),
    Part("loops-llama-full", lambda bench: race(bench, "llama-1b", "full"), 40),
    Part("llama-3b", lambda bench: llama(bench, "llama-3b", ("lora:r=8", "full", *METHODS[2:])), 90),
)


def run_part(name: str, bench: Bench) -> None:
    """Run the part of this name."""
    next(part for part in PARTS if part.name == name).run(bench)
