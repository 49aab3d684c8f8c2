"""Estimated memory compared with the measured peak of the engine's steps, each in its own process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from whichpeft.backbones import resolve_backbone
from whichpeft.costs import estimate_costs
from whichpeft.costs.query import CostQuery
from whichpeft.engine.compute import Compute, choose_compute
from whichpeft.methods import resolve_method
from whichpeft.testing.small_tasks import small_task

MEASURE = Path(__file__).with_name("measure.py")
CASES = [(8, 128), (32, 32)]
LARGE = (32, 128)  # as slow as all others together, so only for two methods


Measure = Callable[[str, str, int, int], int]


@contextlib.contextmanager
def measuring() -> Iterator[Measure]:
    """Provide a function that measures the bytes of a method, precision, batch size and length."""
    # So that freed memory is returned immediately, and resident memory is memory in use.
    quiet = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    with subprocess.Popen(
        [sys.executable, MEASURE],
        env=os.environ | quiet,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as bench:
        questions, answers = bench.stdin, bench.stdout
        assert questions is not None
        assert answers is not None

        def measure(method: str, precision: str, size: int, length: int) -> int:
            print(method, precision, size, length, file=questions, flush=True)
            return int(answers.readline())

        yield measure


@pytest.fixture(scope="module")
def measured() -> Iterator[Measure]:
    with measuring() as measure:
        yield measure


def estimated(method: str, size: int, length: int, precision: str) -> int:
    backbone = resolve_backbone("minilm")
    query = CostQuery(
        method=resolve_method(method).resolved_for(backbone),
        backbone=backbone,
        task=small_task(),
        compute=Compute(torch.device("cpu"), precision),
        batch_size=size,
        length=length,
    )
    found = estimate_costs(query).memory
    assert found is not None
    return found.total


# All methods in the precision of a run on this machine, and two in the other one.
ASKED = [(method, "auto") for method in ("full", "lora:r=8", "bitfit", "prefix", "series-adapter")]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to reset the peak")
@pytest.mark.parametrize(
    ("method", "precision"), [*ASKED, ("lora:r=8", "float32"), ("series-adapter", "float32")]
)
def test_estimates_are_within_a_tenth_of_the_measured_peak(
    method: str, precision: str, measured: Measure
) -> None:
    large = precision == "auto" and method in ("full", "lora:r=8")
    precision = choose_compute("cpu", precision).precision
    off = {}
    cases = [*CASES, LARGE] if large else CASES
    for size, length in cases:
        real = measured(method, precision, size, length)
        found = estimated(method, size, length, precision)
        print(f"{precision} {method} batch {size} length {length}: {found:,} against {real:,}")
        off[size, length] = found / real - 1
    assert {case: share for case, share in off.items() if abs(share) > 0.1} == {}
