"""The machine itself: what it is, whether a trial's process reaches it, and the tests that need it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import torch

import whichpeft as wp
from gpu_parts import made_up
from gpu_parts.bench import Bench, set_up_study

ROOT = Path(__file__).resolve().parents[2]


def environment(bench: Bench) -> None:
    """Show the machine and its libraries, and whether a trial's process reaches the device."""

    def add(what: str, value: object) -> None:
        bench.add("The machine", {"": what, "value": str(value)})

    for library in ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "whichpeft"):
        try:
            add(library, importlib.metadata.version(library))
        except importlib.metadata.PackageNotFoundError:
            add(library, "not installed")
    study = wp.Study(
        backbone=bench.backbone("minilm"),
        task=made_up.sentences(bench.folder, narrow=bench.narrow),
        methods=["lora:r=8"],
        seeds=1,
    )
    with set_up_study(bench, study) as setup:
        found, compute = setup.executor.setting(), setup.executor.compute
        for line in setup.executor.notes():
            bench.note(line)
        for name in ("processor", "cores", "accelerator"):
            add(name, found.hardware[name])
        add("memory of the host, GB", f"{found.hardware['memory_bytes'] / 1e9:.0f}")
        add("precision", found.precision)
        speed = setup.executor.multiply_speed(1)
        told = "A FORKED PROCESS CANNOT USE IT" if speed is None else f"{speed / 1e12:.1f}"
        add("matrix products in a forked process, TFLOP/s", told)
    if compute.device.type == "cuda":
        free, total = torch.cuda.mem_get_info(compute.device)
        add("memory of the GPU and free of it, GB", f"{total / 1e9:.1f}, {free / 1e9:.1f}")
        add("compute capability", torch.cuda.get_device_capability(compute.device))
        add("CUDA, cuDNN", f"{torch.version.cuda}, {torch.backends.cudnn.version()}")
        add("TF32 of convolutions, products",
            f"{torch.backends.cudnn.allow_tf32}, {torch.backends.cuda.matmul.allow_tf32}")  # fmt: skip
        add("cuDNN's attention, in this process", torch.backends.cuda.cudnn_sdp_enabled())
        asked = ["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,power.limit", "--format=csv"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=20).stdout
        add("driver, clock, power", " ".join(told.splitlines()[-1:]))


def cuda_tests(bench: Bench) -> None:
    """Run the tests that need CUDA."""
    files = [
        str(path)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "mark.cuda" in path.read_text(encoding="utf-8")
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "--tb=line", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, sep="\n")
    *_, last = ["pytest printed nothing", *done.stdout.strip().splitlines()]
    bench.add("Tests that need CUDA", {"exit code": done.returncode, "result": last.strip("= ")})
    for line in done.stdout.splitlines():
        if line.startswith(("FAILED", "ERROR")):
            bench.note(line[:300])
