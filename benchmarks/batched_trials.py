"""What trials gain as one model: the same steps of K trials, batched and one by one, on one device.

    python benchmarks/batched_trials.py --device cuda --method lora:r=8 --k 1 4 8 16

Each number is the median of several processes, batched and one by one in turns. One by one is a single
process. On a CPU a run has one such process per core, so compare the ratio with the number of cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

SIDES = ("apart", "together")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one side of a comparison takes; medians over its repeats."""

    speed: float
    """Examples per second over all trials."""

    peak: float
    """Peak memory in bytes."""

    device: str
    """The device, with the precision."""


def compare(asked: argparse.Namespace, count: int) -> dict[str, Measured]:
    """Measure both sides with this many trials, each time in a process of its own."""
    context = multiprocessing.get_context("spawn")
    found: dict[str, list[tuple[float, int, str]]] = {side: [] for side in SIDES}
    for repeat in range(asked.repeats):
        for side in SIDES[:: 1 if repeat % 2 == 0 else -1]:
            with tempfile.TemporaryDirectory() as folder, context.Pool(1) as pool:
                found[side].append(pool.apply(measure, (side, asked, count, Path(folder))))
    return {
        side: Measured(
            statistics.median(rate for rate, _, _ in own),
            statistics.median(peak for _, peak, _ in own),
            own[0][2],
        )
        for side, own in found.items()
    }


def measure(side: str, asked: argparse.Namespace, count: int, folder: Path) -> tuple[float, int, str]:
    """Return examples per second over all trials, peak memory in bytes, and the device."""
    import torch

    from whichpeft.engine.compute import choose_compute, find_devices
    from whichpeft.engine.memory import PeakMemory, return_freed_memory
    from whichpeft.engine.stacked.speedup import seconds_apart, seconds_stacked

    torch.set_num_threads(asked.threads)
    device = find_devices(asked.device)[0]
    compute = choose_compute(device, asked.precision)
    jobs = make_jobs(asked, count, folder, device)
    return_freed_memory()
    peak = PeakMemory(compute.device)
    seconds = (seconds_stacked if side == "together" else seconds_apart)(jobs, compute)
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return count * asked.batch_size / seconds, peak.measure() or 0, f"{name}, {compute.precision}"


def make_jobs(asked: argparse.Namespace, count: int, folder: Path, device: str) -> list:  # type: ignore[type-arg]
    """Return the jobs of one method, one per seed."""
    from whichpeft.backbones import resolve_backbone
    from whichpeft.engine import FinalWork, Job, Placement
    from whichpeft.methods import resolve_method
    from whichpeft.planning import make_plan
    from whichpeft.study import Budget, Study, TaskSource
    from whichpeft.tasks import load_task
    from whichpeft.tasks.encoded_data import write_data

    backbone, task = resolve_backbone(asked.backbone), load_task(TaskSource(name=asked.task))
    study = Study(
        backbone=asked.backbone,
        task=asked.task,
        methods=[asked.method],
        seeds=count,
        budget=Budget(epochs=1, max_train=asked.max_train, batch_size=asked.batch_size),
        precision=asked.precision,
        threads=asked.threads,
    )
    (cell,) = make_plan(study, [backbone], [task], {asked.method: resolve_method(asked.method)}).cells
    if cell.refusal is not None:
        raise SystemExit(f"{asked.method}: {cell.refusal}")
    data, _ = write_data(task, backbone, study.budget, folder)
    return [
        Job(
            trial=trial,
            backbone=backbone,
            method=cell.method,
            data=data,
            placement=Placement(device=device),
            work=FinalWork(),
        )
        for trial in cell.finals
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--method", default="lora:r=8")
    parser.add_argument("--k", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--backbone", default="minilm")
    parser.add_argument("--task", default="stdlib-docs")
    parser.add_argument("--max-train", type=int, default=320)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    print(
        f"{asked.method} on {asked.backbone}, batches of {asked.batch_size}, medians of {asked.repeats}"
    )
    print(
        f"{'K':>3}  {'apart':>12}  {'together':>12}  {'ratio':>6}  {'peak apart':>11}  {'together':>9}"
    )
    device = ""
    for count in asked.k:
        found = compare(asked, count)
        apart, together = (found[side] for side in SIDES)
        device = together.device
        print(
            f"{count:>3}  {apart.speed:>8.1f} ex/s  {together.speed:>8.1f} ex/s  "
            f"{together.speed / apart.speed:>5.2f}x  {apart.peak / 1e6:>8.0f} MB  "
            f"{together.peak / 1e6:>6.0f} MB",
            flush=True,
        )
    print(f"device: {device}")


if __name__ == "__main__":
    main()
