"""Whole studies on Ray clusters on this machine, and what can happen to clusters."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import whichpeft as wp
from whichpeft.engine import Job
from whichpeft.errors import StudyError
from whichpeft.executors import Resources, SilentObserver, make_executor
from whichpeft.records import Store
from whichpeft.study import dump_study

from ..forks import Forks
from .conftest import Clusters
from .jobs import make_jobs
from .odd_methods import Hungry

pytestmark = pytest.mark.slow

METHODS = ("lora:r=2", "head")


def study(
    backbone: Path, data: Path, methods: tuple[str, ...] = METHODS, tuning_trials: int = 3
) -> wp.Study:
    return wp.Study(
        backbone=str(backbone),
        task=str(data),
        methods=methods,
        seeds=2,
        budget=wp.Budget(epochs=1, tuning_trials=tuning_trials),
    )


def scores(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return the exact results of trials, by fingerprint; profiles have no scores."""
    return {
        record.trial.fingerprint: (
            record.outcome.status,
            record.value("score", "test"),
            record.value("validation_score"),
        )
        for record in Store(folder)
    }


@dataclass
class Said(SilentObserver):
    lines: list[str] = field(default_factory=list)

    def notify(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def local(tiny_backbone: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the study with the local executor; return its folder."""
    out = tmp_path_factory.mktemp("local")
    wp.run(study(tiny_backbone, reviews), out=out, keep_adapters=True, observer=SilentObserver())
    return out


def test_a_tuned_study_with_a_lost_node_equals_the_local_one(
    clusters: Clusters, local: Path, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    cluster = clusters.start(3)

    class Loses(Said):
        lost = False

        def start_stage(self, name: str, jobs: Any, *, done: int, concurrency: int) -> None:
            self.final = name == "final"

        def started(self, job: Job) -> None:
            if self.final and not self.lost:
                self.lost = True
                cluster.remove_node(cluster.nodes[-1], allow_graceful=False)

    observer = Loses()
    wp.run(
        study(tiny_backbone, reviews),
        out=tmp_path,
        executor="ray",
        keep_adapters=True,
        observer=observer,
    )
    assert observer.lost
    assert scores(tmp_path) == scores(local)
    kept = {path.relative_to(local): path for path in local.glob("adapters/*/*.safetensors")}
    assert kept
    for name, path in kept.items():
        assert (tmp_path / name).read_bytes() == path.read_bytes()
    assert not list(tmp_path.rglob("*.part"))
    assert not list((tmp_path / "claims").glob("*.claim"))


def test_a_trial_on_a_lost_node_resumes_from_its_checkpoint(
    clusters: Clusters, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    cluster = clusters.start(3, num_cpus=0)  # a head, which cannot be removed, and two nodes that can
    checkpoint = tmp_path / "checkpoints" / "one"

    class Loses(Said):
        lost = False

        def progressed(self, job: Job, progress: Any) -> None:
            if checkpoint.is_file() and not self.lost:
                self.lost = True
                busy = training_node(cluster)
                cluster.remove_node(busy, allow_graceful=False)

    def training_node(cluster: Any) -> Any:
        """Find the node whose raylet has a worker that carries a trial out."""
        for node in cluster.nodes[1:]:
            (raylet,) = node.all_processes["raylet"]
            workers = psutil.Process(raylet.process.pid).children(recursive=True)
            if any("carry_out" in " ".join(worker.cmdline()) for worker in workers):
                return node
        raise AssertionError

    with contextlib.closing(make_executor("ray", device="cpu", jobs=1)) as executor:
        job = make_jobs(executor, tiny_backbone, reviews, tmp_path, ["full"], epochs=40)[0]
        ((_, whole),) = executor.run([job], Resources(), SilentObserver())
        job = replace(job, checkpoint=checkpoint, checkpoint_every=0.5)
        observer = Loses()
        ((_, result),) = executor.run([job], Resources(), observer)
    assert observer.lost
    assert any("was lost" in line for line in observer.lines)
    assert result.record.value("resumed") == 1
    assert result.curve == whole.curve
    assert (result.predictions["outputs"] == whole.predictions["outputs"]).all()


def test_ctrl_c_and_a_killed_driver_lose_nothing(
    clusters: Clusters, local: Path, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    clusters.start(1)
    out = tmp_path / "out"
    (tmp_path / "study.yaml").write_text(dump_study(study(tiny_backbone, reviews)))
    asked = [sys.executable, "-m", "whichpeft", "run", str(tmp_path / "study.yaml")]
    asked += ["--executor", "ray", "--out", str(out)]

    def interrupted(by: signal.Signals, records: int) -> tuple[int, str]:
        run = subprocess.Popen(
            asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while len(kept(out)) < records and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(run.pid, by)
        _, said = run.communicate(timeout=120)
        return run.returncode, said

    code, said = interrupted(signal.SIGINT, 5)
    assert code == 130, said
    assert "The same command resumes the run" in said
    assert "Traceback" not in said
    before = kept(out)
    code, _ = interrupted(signal.SIGKILL, len(before) + 3)
    assert code == -signal.SIGKILL
    assert before.items() <= kept(out).items()
    before = kept(out)
    done = subprocess.run(asked, capture_output=True, text=True, timeout=300, check=True)
    assert before.items() <= kept(out).items()
    assert scores(out) == scores(local)
    assert "Traceback" not in done.stderr
    assert not list(out.rglob("*.part"))


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "records").glob("[!.]*.json")}


def test_a_node_out_of_memory_is_a_failed_record_and_others_continue(
    clusters: Clusters,
    tiny_backbone: Path,
    reviews: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = clusters.start(1, num_cpus=0)
    memory = psutil.virtual_memory()
    enough = (memory.total - memory.available + 2e9) / memory.total
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{enough:.4f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    cluster.add_node(num_cpus=1)
    with contextlib.closing(make_executor("ray", device="cpu", jobs=None)) as executor:
        full, *others = make_jobs(executor, tiny_backbone, reviews, tmp_path, ["full", "head"])
        jobs = [replace(full, method=Hungry()), *others]
        found = {
            job.trial.method: result.record
            for job, result in executor.run(jobs, Resources(), SilentObserver())
        }
    outcome = found["full"].outcome
    assert outcome.status == "failed"
    assert "out of memory: node" in (outcome.reason or "")
    assert found["head"].outcome.status == "completed"
    deadline = time.monotonic() + 20
    while hungry() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not hungry()  # its process ended with the worker that Ray ended


def hungry() -> list[psutil.Process]:
    """Return processes of this user that have taken as much memory as Hungry takes in seconds."""
    found = []
    for process in psutil.process_iter(["cmdline", "memory_info"]):
        memory, words = process.info["memory_info"], process.info["cmdline"] or []
        if memory is not None and memory.rss > 1.5e9 and any("forkserver" in word for word in words):
            found.append(process)
    return found


@contextlib.contextmanager
def blind_node(cluster: Any, hidden: Path, before: str = "true") -> Iterator[None]:
    """Run a node that does not see a folder, which contains backbone, data and run folder."""
    ray = Path(sys.executable).with_name("ray")
    start = f"{ray} start --address={cluster.address} --num-cpus=1 --block"
    hide = f"mount -t tmpfs none {hidden}"
    node = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"{hide} && {before} && exec {start}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(node.pid, signal.SIGTERM)
        node.wait(30)


needs_mount = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounts over a folder"
)


@needs_mount
def test_files_that_a_node_does_not_see_are_sent_to_it(
    clusters: Clusters,
    tiny_backbone: Path,
    reviews: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from whichpeft.engine.carry_out import carry_out

    cluster, hidden = clusters.start(1, num_cpus=0), tmp_path_factory.getbasetemp()
    with (
        blind_node(cluster, hidden),
        contextlib.closing(make_executor("ray", device="cpu", jobs=None)) as executor,
    ):
        jobs = make_jobs(executor, tiny_backbone, reviews, tmp_path, ["lora:r=2", "head"])
        assert jobs[0].data.is_relative_to(hidden)
        assert jobs[0].backbone.files.is_relative_to(hidden)
        found = {
            j.trial.method: result for j, result in executor.run(jobs, Resources(), SilentObserver())
        }
    assert found["lora:r=2"].record.outcome.status == "completed", found["lora:r=2"].record.outcome
    here = carry_out(jobs[0], lambda progress: None)
    assert (here.predictions["outputs"] == found["lora:r=2"].predictions["outputs"]).all()


@needs_mount
def test_a_node_that_no_files_can_be_sent_to_is_left_out(
    clusters: Clusters,
    tiny_backbone: Path,
    reviews: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cluster = clusters.start(1, num_cpus=0)
    cluster.add_node(num_cpus=1)
    observer, hidden = Said(), tmp_path_factory.getbasetemp()
    # A file takes the place of the folder for deliveries.
    full = f"export TMPDIR={hidden}/tmp && mkdir $TMPDIR && touch $TMPDIR/whichpeft-ray-{os.getuid()}"
    with (
        blind_node(cluster, hidden, before=full),
        contextlib.closing(make_executor("ray", device="cpu", jobs=None)) as executor,
    ):
        wait_for_cpus(cluster.address, 2)
        jobs = make_jobs(executor, tiny_backbone, reviews, tmp_path, ["lora:r=2", "head"])
        found = [result.record.outcome.status for _, result in executor.run(jobs, Resources(), observer)]
    assert found == ["completed"] * 3
    assert any(
        "is left out, because files could not be delivered to it" in line for line in observer.lines
    )


def wait_for_cpus(address: str, count: int) -> None:
    """Wait until nodes with that many CPUs have joined a cluster."""
    import ray

    ray.init(address, log_to_driver=False, logging_level="error")
    deadline = time.monotonic() + 60
    while ray.cluster_resources().get("CPU", 0) < count and time.monotonic() < deadline:
        time.sleep(0.2)
    ray.shutdown()


def test_costs_are_measured_on_one_type_of_node_and_trials_run_on_all(
    clusters: Clusters, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    cluster = clusters.start(1, num_cpus=0)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # its processes see a machine with one core
    try:
        cluster.add_node(num_cpus=1)
    finally:
        os.sched_setaffinity(0, cores)
    asked = study(tiny_backbone, reviews, methods=("head",), tuning_trials=0)
    wp.run(asked, out=tmp_path, executor="ray", observer=SilentObserver())
    cluster.add_node(num_cpus=2)  # costs would be measured on it if none had been measured before
    asked = study(tiny_backbone, reviews, methods=("head", "full"), tuning_trials=0)
    observer = Said()
    wp.run(asked, out=tmp_path, executor="ray", observer=observer)
    assert any("is of another type (hardware)" in line for line in observer.lines)
    seen = [(r.trial.purpose, r.setting.hardware["cores"]) for r in Store(tmp_path)]
    assert {count for purpose, count in seen if purpose == "profile"} == {1}
    assert {count for purpose, count in seen if purpose == "final"} == {1, len(cores)}


@pytest.mark.parametrize(
    ("address", "words"),
    [("127.0.0.1:1", "no cluster at RAY_ADDRESS='127.0.0.1:1'"), ("ray://h:10001", "by host and port")],
)
def test_an_address_without_a_cluster_is_an_error_in_one_line(
    address: str, words: str, tiny_backbone: Path, reviews: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(StudyError, match=words):
        wp.run(study(tiny_backbone, reviews), out=tmp_path, executor="ray", observer=SilentObserver())


def test_the_example_runs_on_a_cluster_that_it_starts_itself(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "out"
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    example = Path(__file__).resolve().parents[2] / "examples" / "cluster.yaml"
    done = forks.run(
        *("run", str(example), "--executor", "ray", "--jobs", "1", "--out", str(out)),
        *("--backbone", str(tiny_backbone), "--task", str(reviews)),
        *("--method", "head", "--baseline", "head", "--tuning-trials", "0", "--epochs", "1"),
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    finals = [record for record in Store(out) if record.trial.purpose == "final"]
    assert {record.trial.seed for record in finals} == {0, 1, 2, 3, 4}  # as the example asks
    assert all(record.outcome.status == "completed" for record in finals)
