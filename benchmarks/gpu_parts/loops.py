"""The same batches by whichpeft's loop, a loop written by hand and HF Trainer, on the same model."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import transformers

import whichpeft as wp
from gpu_parts import made_up
from gpu_parts.bench import Bench, asked_for, set_up_study
from whichpeft.engine import FinalWork, Job
from whichpeft.engine.batches import training_batches
from whichpeft.engine.compute import Compute, start_computing
from whichpeft.engine.loop import take_step
from whichpeft.engine.model_setup import PreparedTrial, prepare
from whichpeft.engine.optimisation import Optimisation
from whichpeft.running.setup import make_job

Step = Callable[[int, Any], object]
_RATE = 1e-5
_STEPS = 10**4  # of the learning rate's schedule, which does not matter here


@dataclass(frozen=True, slots=True)
class Ready:
    """A trial's model, with the batches of its first epoch."""

    trial: PreparedTrial
    job: Job
    batches: Sequence[Any]
    compute: Compute

    def whichpeft(self) -> Step:
        """Return a step as a trial takes it."""
        optimisation = Optimisation(self.trial, self.job.method, _STEPS)
        return lambda n, batch: take_step(self.trial, optimisation, self.trial.parts(batch), n)

    def inputs(self, batch: Any) -> Mapping[str, torch.Tensor]:
        """Return a batch as tensors on the CPU."""
        found: Mapping[str, torch.Tensor] = self.trial.examples["train"].batch(batch)
        return found


@contextmanager
def ready(bench: Bench, study: wp.Study, *, batches: int = 32) -> Iterator[Ready]:
    """Prepare the only method of a study in this process, as a trial would in its own."""
    with set_up_study(bench, study) as setup:
        (cell,) = asked_for(setup, study)
        chosen = setup.executor.compute
        compute = start_computing(str(chosen.device), study.conditions, chosen.precision)
        job = make_job(cell.finals[0], cell, setup, FinalWork())
        trial = prepare(job, compute)
        trial.model.train()
        sizes, size = trial.examples["train"].sizes, study.budget.batch_size
        epoch = training_batches(sizes, size, seed=0, epoch=0)
        yield Ready(trial, job, epoch[: 3 if bench.narrow else batches], compute)
    del trial
    gc.collect()


class PeakMemory:
    """The peak of a CUDA device's allocated memory since the last reading, in GB."""

    def __init__(self, compute: Compute) -> None:
        self._device = compute.device

    def read(self) -> float | None:
        if self._device.type != "cuda":
            return None
        found: float = torch.cuda.max_memory_allocated(self._device) / 1e9
        torch.cuda.reset_peak_memory_stats(self._device)
        return found


def timed(compute: Compute, step: Step, batches: Sequence[Any]) -> list[float]:
    """Return the seconds of two passes over the batches; in the first one, shapes are new."""
    found = []
    for _ in range(2):
        compute.synchronise()
        began = time.perf_counter()
        for number, batch in enumerate(batches):
            step(number, batch)
        compute.synchronise()
        found.append(time.perf_counter() - began)
    return found


def race(bench: Bench, name: str, method: str) -> None:
    """Compare the loops on one model and method."""
    decoder = name.startswith("llama")
    made = made_up.instructions if decoder else made_up.sentences
    task = made(bench.folder, narrow=bench.narrow)
    study = wp.Study(backbone=bench.backbone(name), task=task, methods=[method], seeds=1)
    with ready(bench, study) as found:
        compute, memory = found.compute, PeakMemory(found.compute)
        lengths = found.trial.examples["train"].tokens
        assert lengths is not None
        tokens = int(sum(lengths[batch].sum() for batch in found.batches))

        def add(side: str, seconds: Sequence[float]) -> None:
            row = {
                "model": name, "method": method, "side": side, "first pass, s": seconds[0],
                "step, ms": 1000 * seconds[-1] / len(found.batches), "tokens/s": tokens / seconds[-1],
                "peak GB": memory.read(),
            }  # fmt: skip
            bench.add("The same batches of 16 by several loops", row)

        memory.read()
        cudnn = torch.backends.cuda.cudnn_sdp_enabled()
        add("whichpeft", timed(compute, found.whichpeft(), found.batches))
        if compute.device.type == "cuda" and decoder:
            torch.backends.cuda.enable_cudnn_sdp(not cudnn)
            side = f"whichpeft, cuDNN's attention {'off' if cudnn else 'on'}"
            add(side, timed(compute, found.whichpeft(), found.batches))
            torch.backends.cuda.enable_cudnn_sdp(cudnn)
        add("by hand", timed(compute, by_hand(found, found.trial.model), found.batches))
        add("HF Trainer", by_trainer(found))
        if decoder and method.startswith("lora"):
            plain = loaded_plainly(found)
            memory.read()
            add("by hand, all in bfloat16", timed(compute, by_hand(found, plain), found.batches))


def by_hand(found: Ready, model: torch.nn.Module) -> Step:
    """Return a step as a careful user writes it."""
    trained = [p for p in model.parameters() if p.requires_grad]
    device, compute = found.compute.device, found.compute
    adamw = torch.optim.AdamW(trained, lr=_RATE, fused=device.type in ("cpu", "cuda"))
    scaler = torch.amp.GradScaler(device.type, enabled=compute.precision == "float16")

    def step(_: int, batch: Any) -> None:
        given = {k: v.to(device, non_blocking=True) for k, v in found.inputs(batch).items()}
        with compute.autocast():
            loss = found.trial.task.loss(model, given)
        scaler.scale(loss).backward()
        scaler.unscale_(adamw)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        scaler.step(adamw)
        scaler.update()
        adamw.zero_grad()

    return step


def loaded_plainly(found: Ready) -> torch.nn.Module:
    """Load the backbone as examples of PEFT do, all in bfloat16, with LoRA on the same layers.

    It stands beside the trial's own model in memory, which the peak includes.
    """
    import peft

    own = next(iter(found.trial.model.peft_config.values()))
    lora = peft.LoraConfig(
        r=own.r, lora_alpha=own.lora_alpha, target_modules=own.target_modules, task_type="CAUSAL_LM"
    )
    folder = found.job.backbone.folder
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    adapted: torch.nn.Module = peft.get_peft_model(plain.to(found.compute.device), lora)
    return adapted.train()


def by_trainer(found: Ready) -> list[float]:
    """Return the seconds of two epochs of HF Trainer on the same model and batches."""
    task, compute = found.trial.task, found.compute

    class OwnLoss(transformers.Trainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
            return task.loss(model, inputs)

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            compute.synchronise()
            self.seconds.append(-time.perf_counter())

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            compute.synchronise()
            self.seconds[-1] += time.perf_counter()

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        asked = transformers.TrainingArguments(
            folder,
            per_device_train_batch_size=1,  # of the batches as they are
            num_train_epochs=2,
            bf16=compute.precision == "bfloat16",
            fp16=compute.precision == "float16",
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            learning_rate=_RATE,
            logging_steps=10**6,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=compute.device.type == "cpu",
        )
        OwnLoss(
            model=found.trial.model,
            args=asked,
            train_dataset=[found.inputs(batch) for batch in found.batches],
            data_collator=lambda one: one[0],
            callbacks=[clock],
        ).train()
    return clock.seconds
