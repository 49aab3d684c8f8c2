"""Measures the peak memory of training minilm, in one process per measurement.

Reads lines of METHOD PRECISION SIZE LENGTH, the last two of a batch, and prints bytes or ``failed``. The
engine's own code does the work, and as in a run, processes are forked from one that has imported
everything.
"""

from __future__ import annotations

import os
import sys
import warnings

import peft  # noqa: F401
import torch
import transformers.models.bert.modeling_bert  # noqa: F401

from whichpeft.backbones import resolve_backbone
from whichpeft.engine.compute import choose_compute, own_memory, store_frozen_weights
from whichpeft.engine.dropout import use_fast_dropout
from whichpeft.engine.loop import take_step
from whichpeft.engine.memory import PeakMemory, return_freed_memory
from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.engine.optimisation import Optimisation
from whichpeft.methods import Method, MethodContext, resolve_method
from whichpeft.testing.small_tasks import small_task

_STEPS = 1000


def main(method: Method, size: int, length: int, precision: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    task, backbone = small_task(), resolve_backbone("minilm")
    return_freed_memory()
    compute = choose_compute("cpu", precision)
    peak = PeakMemory(compute.device)
    model = task.build(backbone)
    head = frozenset(task.head_parameters(model))
    adapter = method.apply(model, MethodContext(task_type=task.task_type, head=head, steps=_STEPS))
    store_frozen_weights(adapter.model, compute.precision)
    own_memory(adapter.model)
    use_fast_dropout(adapter.model)
    prepared = PreparedTrial(task, {}, adapter, compute, ())
    optimisation = Optimisation(prepared, method, _STEPS)
    adapter.model.train()
    peak.restart()
    batch = {
        "input_ids": torch.randint(1000, 30000, (size, length)),
        "attention_mask": torch.ones(size, length, dtype=torch.int64),
        "token_type_ids": torch.zeros(size, length, dtype=torch.int64),
        "labels": torch.zeros(size, dtype=torch.int64),
    }
    for step in range(2):
        take_step(prepared, optimisation, [(batch, 1.0)], step)
    print(peak.measure())


if __name__ == "__main__":
    for line in iter(sys.stdin.readline, ""):
        text, precision, size, length = line.split()
        if os.fork() == 0:
            method = resolve_method(text).resolved_for(resolve_backbone("minilm"))
            main(method, int(size), int(length), precision)
            sys.stdout.flush()
            os._exit(0)  # an orderly exit would take two seconds
        _, status = os.wait()
        if status:
            print("failed", flush=True)
