"""The overhead of a Ray cluster on many short trials, and of each for the process that keeps records.

    python benchmarks/ray_trials.py --trials 1000 --workers 4

The trials take a fifth of a second on an idle core and train nothing. The cluster is one node on this
machine, with one CPU per worker. The ideal is the sum of the trials' seconds, from their records,
divided by the workers. Needs the extra ``ray``.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from pathlib import Path

import psutil
import ray
from ray.cluster_utils import Cluster

import whichpeft as wp
from waiting_method import Waiting
from whichpeft.engine import FinalWork
from whichpeft.executors import Resources, SilentObserver, make_executor
from whichpeft.records import Claims, Store
from whichpeft.running.request import check_request
from whichpeft.running.setup import make_job, set_up
from whichpeft.running.trial_claims import unclaimed_jobs


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=1000)
    options.add_argument("--workers", type=int, default=4)
    options.add_argument("--backbone", type=Path, required=True, help="a small one, in a folder")
    options.add_argument("--task", type=Path, required=True, help="a small one, in a folder")
    asked = options.parse_args()
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": asked.workers, "include_dashboard": False}
    )
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        measure(asked)
    finally:
        cluster.shutdown()


def measure(asked: argparse.Namespace) -> None:
    executor = make_executor("ray", device="cpu", jobs=None)
    with tempfile.TemporaryDirectory() as folder:
        out, scratch = Path(folder, "out"), Path(folder, "scratch")
        scratch.mkdir()
        study = wp.Study(
            backbone=str(asked.backbone),
            task=str(asked.task),
            methods=["zero-shot"],
            seeds=asked.trials + asked.workers,
        )
        setup = set_up(check_request(study, out), scratch, executor)
        (cell,) = setup.plan.accepted
        jobs = [
            dataclasses.replace(make_job(t, cell, setup, FinalWork()), method=Waiting())
            for t in cell.finals
        ]
        store, own = Store(out), psutil.Process()
        for _ in executor.run(jobs[: asked.workers], Resources(), SilentObserver()):
            pass  # every worker then has its fork server and the data
        jobs = jobs[asked.workers :]
        began, before = time.perf_counter(), own.cpu_times()
        waiting = 0.0
        with Claims(out) as claims:
            for job, result in executor.run(
                unclaimed_jobs(jobs, store, claims), Resources(), SilentObserver()
            ):
                arrived = time.perf_counter()
                store.add(result.record, curve=result.curve, predictions=result.predictions)
                claims.release(job.trial.fingerprint)
                waiting += time.perf_counter() - arrived
        wall, after = time.perf_counter() - began, own.cpu_times()
        each = [record.value("total_seconds") or 0.0 for record in store]
    executor.close()
    ideal = sum(each) / asked.workers
    cpu = after.user + after.system - before.user - before.system
    mean = sum(each) / len(each)
    print(f"{len(each)} trials of {mean:.3f} s, {asked.workers} workers, Ray {ray.__version__}")
    print(f"wall {wall:.1f} s, ideal {ideal:.1f} s: {wall / ideal - 1:+.1%}")
    print(f"of the process that started the run: {cpu / len(each) * 1000:.1f} ms of a core per trial,")
    print(f"of its time {waiting / len(each) * 1000:.1f} ms per trial to write the record")


if __name__ == "__main__":
    main()
