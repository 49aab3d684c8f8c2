"""How much faster a whichpeft study is than a careful user of HF Trainer, at equal score.

    python benchmarks/careful_trainer.py

The user pads batch by batch, groups sentences by length, trains in bfloat16, evaluates in large batches,
keeps no checkpoints and lets all cores work on one method at a time. Both sides train the same methods
at the same learning rates on the same sentences for the same seeds, validate after each epoch and read
the test split once. A side's clock runs from the start of its first trial to the end of its last one.
Imports and tokenising are outside on both sides. So are whichpeft's profiles, which are printed
separately. See README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from notebook_protocol import HERE, machine, shown, write_subsets

METHODS = ("full", "lora:r=8", "bitfit")
BATCH, EVALUATION_BATCH = 16, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data" / "sst2")
    parser.add_argument("--train", type=int, default=1024)
    parser.add_argument("--validation", type=int, default=256)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--side", choices=("trainer", "whichpeft"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        measure = _trainer if asked.side == "trainer" else _whichpeft
        print(json.dumps(measure(asked)))
        return
    runs: dict[str, list[dict[str, Any]]] = {"trainer": [], "whichpeft": []}
    with tempfile.TemporaryDirectory(prefix="sst2-") as folder:
        sizes = {"train": asked.train, "dev": asked.validation, "test": asked.test}
        write_subsets(asked.data, Path(folder), sizes)
        for repeat in range(asked.repeats):  # sides alternate, so a machine that slows down slows both
            for side, found in runs.items():
                found.append(_in_its_own_process(side, asked, folder))
                print(f"{side} {repeat + 1}/{asked.repeats}: {found[-1]['seconds']:.1f} s", flush=True)
    print(
        f"\n{machine()}\n{asked.train} training sentences, {asked.epochs} epochs, {asked.seeds} seeds\n"
    )
    print(
        "| method | Trainer, samples/s | whichpeft, samples/s | ratio | Trainer's score | whichpeft's |"
    )
    print("| --- | --: | --: | --: | --- | --- |")
    examples = asked.train * asked.epochs * asked.seeds
    for method in METHODS:
        trainer, ours = (
            examples / statistics.median(run["methods"][method]["seconds"] for run in runs[side])
            for side in runs
        )
        scores = [_spread(runs[side][0]["methods"][method]["scores"]) for side in runs]
        print(
            f"| `{method}` | {trainer:.0f} | {ours:.0f} | {ours / trainer:.2f}x | {' | '.join(scores)} |"
        )
    trainer, ours = (statistics.median(run["seconds"] for run in runs[side]) for side in runs)
    print(f"| all trials | {trainer:.1f} s | {ours:.1f} s | {trainer / ours:.2f}x | | |")
    print(f"\nwhichpeft's profiles: {shown(runs['whichpeft'][0]['profiles'], 1, ' s')} more")


def _spread(scores: Sequence[float]) -> str:
    return f"{100 * np.mean(scores):.1f} ± {100 * np.std(scores, ddof=1):.1f}"


def _in_its_own_process(side: str, asked: argparse.Namespace, data: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--side", side, "--data", data]
    command += ["--epochs", str(asked.epochs), "--seeds", str(asked.seeds)]
    done = subprocess.run(
        command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nthe {side} side ended with exit code {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _whichpeft(asked: argparse.Namespace) -> dict[str, Any]:
    """Run the study; a method's seconds are those of its trials, divided by the trials side by side."""
    import whichpeft as wp
    from whichpeft.executors import SilentObserver
    from whichpeft.records import Store

    class Clock(SilentObserver):
        """Records when the final trials began and ended."""

        began = ended = 0.0

        def started(self, job: Any) -> None:
            if job.trial.purpose == "final" and not self.began:
                self.began = time.perf_counter()

        def finished(self, job: Any, result: Any) -> None:
            self.ended = time.perf_counter()

    clock, scratch = Clock(), tempfile.mkdtemp()
    study = wp.Study(
        name="careful", backbone="minilm", task=str(asked.data), methods=METHODS, seeds=asked.seeds,
        budget=wp.Budget(epochs=asked.epochs, batch_size=BATCH),
    )  # fmt: skip
    wp.run(study, out=Path(scratch, "run"), observer=clock)
    records = list(Store(Path(scratch, "run")))
    finals = [r for r in records if r.trial.purpose == "final" and r.trial.method in METHODS]
    methods = {}
    for method in METHODS:
        own = [r for r in finals if r.trial.method == method]
        seconds = sum((r.value("total_seconds") or 0.0) / (r.setting.beside + 1) for r in own)
        methods[method] = {"seconds": seconds, "scores": [r.value("score") for r in own]}
    profiles = [r.value("total_seconds") or 0.0 for r in records if r.trial.purpose == "profile"]
    return {"methods": methods, "seconds": clock.ended - clock.began, "profiles": sum(profiles)}


def _trainer(asked: argparse.Namespace) -> dict[str, Any]:
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from trainer_side import BACKBONE, bitfit, full, lora
    from whichpeft.backbones import resolve_backbone
    from whichpeft.methods import resolve_method

    tokenizer = AutoTokenizer.from_pretrained(BACKBONE)
    splits = {
        name: _tokenised(asked.data / f"{name}.tsv", tokenizer) for name in ("train", "dev", "test")
    }
    adapt = {"full": full, "lora:r=8": lora(8), "bitfit": bitfit}
    minilm = resolve_backbone("minilm")
    methods: dict[str, Any] = {}
    began = time.perf_counter()
    for method in METHODS:
        usual = resolve_method(method).resolved_for(minilm)
        first, scores = time.perf_counter(), []
        for seed in range(asked.seeds):
            set_seed(seed)
            model = AutoModelForSequenceClassification.from_pretrained(
                BACKBONE, num_labels=2, dtype=torch.float32
            )
            trainer = Trainer(
                model=adapt[method](model, 0),
                args=TrainingArguments(
                    output_dir=tempfile.mkdtemp(),
                    learning_rate=usual.learning_rate or 0.0,
                    weight_decay=usual.weight_decay,
                    warmup_steps=usual.warmup_ratio,
                    per_device_train_batch_size=BATCH,
                    per_device_eval_batch_size=EVALUATION_BATCH,
                    num_train_epochs=asked.epochs,
                    train_sampling_strategy="group_by_length",
                    bf16=True,
                    use_cpu=not torch.cuda.is_available(),
                    eval_strategy="epoch",
                    save_strategy="no",
                    report_to="none",
                    disable_tqdm=True,
                    logging_strategy="epoch",
                    seed=seed,
                ),
                train_dataset=splits["train"],
                eval_dataset=splits["dev"],
                processing_class=tokenizer,
                data_collator=DataCollatorWithPadding(tokenizer=tokenizer),
            )
            trainer.train()
            test = trainer.predict(splits["test"])
            scores.append(float(np.mean(test.predictions.argmax(-1) == test.label_ids)))
        methods[method] = {"seconds": time.perf_counter() - first, "scores": scores}
    return {"methods": methods, "seconds": time.perf_counter() - began}


def _tokenised(path: Path, tokenizer: Any) -> Any:
    from datasets import Dataset

    lines = [line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = Dataset.from_dict({"text": [t for t, _ in lines], "labels": [int(n) for _, n in lines]})

    def tokenise(batch: dict[str, Any]) -> dict[str, Any]:
        read = dict(tokenizer(batch["text"], truncation=True))
        return read | {"length": [len(ids) for ids in read["input_ids"]]}

    return rows.map(tokenise, batched=True, remove_columns=["text"])


if __name__ == "__main__":
    main()
