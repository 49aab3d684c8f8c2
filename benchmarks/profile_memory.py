"""Compares the peak memory in a profile with what another process sees of it.

A parent samples the resident memory of the profile's process (``smaps_rollup``) and reads the kernel's
record of its peak (``VmHWM``). The process waits when it is idle with its libraries loaded, when the
model is loaded, and when the peak has been read. Each method is a process of its own.

Run it from the checkout, on Linux: python benchmarks/profile_memory.py
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

from whichpeft.engine import Job, ProfileWork
from whichpeft.engine.profiling.budget import QUICK
from whichpeft.executors import LocalExecutor
from whichpeft.running.default_study import DEFAULT
from whichpeft.running.request import check_request
from whichpeft.running.setup import make_job, set_up

METHODS = ("full", "head", "lora:r=8", "bitfit")


def main() -> None:
    study = dataclasses.replace(DEFAULT, methods=tuple(sys.argv[1:] or METHODS))
    print(f"{'method':16}{'profile MB':>12}{'VmHWM MB':>12}{'ratio':>8}{'sampled MB':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        setup = set_up(check_request(study, Path(folder, "run")), scratch, LocalExecutor("cpu"))
        for cell in setup.plan.accepted:
            job = make_job(cell.profile, cell, setup, ProfileWork(budget=QUICK))
            told, recorded, sampled = measure(job) if cell.method.learning_rate else (None, 0, 0)
            if told is not None:
                print(
                    f"{cell.text:16}{told / 1e6:12.1f}{recorded / 1e6:12.1f}{told / recorded:8.3f}"
                    f"{sampled / 1e6:12.1f}{told / sampled:8.3f}",
                    flush=True,
                )


def measure(job: Job) -> tuple[float | None, int, int]:
    """Return the peak in bytes: by the profile, by the kernel's record, and by the highest sample."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=carry_out_watched, args=(job, there))
    process.start()
    there.close()
    assert here.recv() == "idle"
    idle = sampled = sample(process.pid)
    here.send("continue")
    assert here.recv() == "loaded"
    here.send("continue")
    while not here.poll(0.0005):
        sampled = max(sampled, sample(process.pid))
    assert here.recv() == "peak read"
    recorded = field(Path(f"/proc/{process.pid}/status"), "VmHWM:")
    here.send("continue")
    told = here.recv()
    process.join()
    return told, recorded - idle, sampled - idle


def sample(pid: int | None) -> int:
    return field(Path(f"/proc/{pid}/smaps_rollup"), "Rss:")


def field(path: Path, name: str) -> int:
    lines = path.read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def carry_out_watched(job: Job, pipe: Connection) -> None:
    """Run in the observed process; it waits at the points that the parent has to know."""
    import torch

    from whichpeft.engine import memory, preload  # noqa: F401
    from whichpeft.engine.carry_out import carry_out
    from whichpeft.engine.profiling import profile

    class Watched(memory.PeakMemory):
        def __init__(self, device: torch.device) -> None:
            super().__init__(device)
            self.wait("idle")

        def restart(self) -> None:
            super().restart()
            self.wait("loaded")

        def measure(self) -> int | None:
            found = super().measure()
            self.wait("peak read")
            return found

        def wait(self, word: str) -> None:
            if word not in said:
                said.append(word)
                pipe.send(word)
                pipe.recv()

    said: list[str] = []
    profile.PeakMemory = Watched  # type: ignore[attr-defined]
    record = carry_out(job, lambda progress: None).record
    pipe.send(record.value("peak_memory_bytes"))


if __name__ == "__main__":
    main()
