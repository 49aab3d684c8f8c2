"""Estimates of memory against the measured peak of the engine's own steps, each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from whichpeft.backbones import resolve_backbone
from whichpeft.costs import estimate_costs
from whichpeft.costs.estimate import Question
from whichpeft.engine.compute import Compute, choose_compute
from whichpeft.methods import resolve_method
from whichpeft.testing.methods import small_task

MEASURE = Path(__file__).with_name("measure.py")
CASES = [(8, 128), (32, 32)]
LARGE = (32, 128)  # takes as long as the others together, so for two methods only


def measured(method: str, precision: str, cases: list[tuple[int, int]]) -> list[int]:
    # So that what is freed is returned at once, and resident memory is memory in use.
    quiet = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, MEASURE, method, precision, *(f"{size}x{length}" for size, length in cases)],
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(line) for line in done.stdout.splitlines()]


def estimated(method: str, size: int, length: int, precision: str) -> int:
    backbone = resolve_backbone("minilm")
    question = Question(
        method=resolve_method(method).suited_to(backbone),
        backbone=backbone,
        task=small_task(),
        compute=Compute(torch.device("cpu"), precision),
        batch_size=size,
        length=length,
    )
    found = estimate_costs(question).memory
    assert found is not None
    return found.total


# All in the precision of a run here, and two in the other one.
ASKED = [(method, "auto") for method in ("full", "lora:r=8", "bitfit", "prefix", "series-adapter")]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to reset the peak")
@pytest.mark.parametrize(
    ("method", "precision"), [*ASKED, ("lora:r=8", "float32"), ("series-adapter", "float32")]
)
def test_estimates_are_within_a_tenth_of_the_measured_peak(method: str, precision: str) -> None:
    precision = choose_compute("cpu", precision).precision
    off = {}
    cases = [*CASES, LARGE] if method in ("full", "lora:r=8") else CASES
    for (size, length), real in zip(cases, measured(method, precision, cases), strict=True):
        found = estimated(method, size, length, precision)
        print(f"{precision} {method} batch {size} length {length}: {found:,} against {real:,}")
        off[size, length] = found / real - 1
    assert {case: share for case, share in off.items() if abs(share) > 0.1} == {}
