"""The speed of the machine, measured while something else runs on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
import torch

from whichpeft.costs import measure_speed
from whichpeft.engine.compute import Compute


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to share one core")
def test_one_thread_is_as_fast_beside_another_process_on_its_core() -> None:
    def speed() -> float:
        compute = Compute(torch.device("cpu"), "float32")
        return measure_speed(compute, width=128, batch_size=8, length=16, threads=1)

    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, {min(cores)})
    try:
        before = speed()
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
        try:
            time.sleep(0.3)
            beside = speed()
        finally:
            for other in others:
                other.kill()
                other.wait()
    finally:
        os.sched_setaffinity(0, cores)
    assert beside == pytest.approx(before, rel=0.5)  # by the clock it is a quarter
    assert torch.get_num_threads() == threads
