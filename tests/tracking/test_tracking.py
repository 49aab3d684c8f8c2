"""Trackers: what real libraries read back, missing libraries, and failures during a run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from whichpeft.errors import StudyError
from whichpeft.records import Record
from whichpeft.running.request import check_request
from whichpeft.study import Study, dump_study, load_study
from whichpeft.tracking import Trackers, check_trackers
from whichpeft.tracking.payload import sent_of

from .. import builders

CURVE = [(10, "train_loss", 0.7), (20, "train_loss", 0.5), (20, "validation_score", 0.81)]


def trackers(folder: Path, *names: str) -> tuple[Trackers, list[str]]:
    said: list[str] = []
    return Trackers(
        study=builders.study(track=names, name="my study"), folder=folder, notify=said.append
    ), said


@pytest.fixture
def record() -> Record:
    hyperparameters = {"learning_rate": 0.001, "lora": {"r": 8, "init_lora_weights": True}}
    return builders.final("lora:r=8", 1, 0.875, hyperparameters=hyperparameters)


def test_a_trial_is_sent_with_name_values_curve_and_measurements(record: Record) -> None:
    sent = sent_of(record, [*CURVE, (20, "train_loss", float("nan"))])
    assert sent.name == f"minilm_glue-sst2_lora-r=8_final_seed1_{record.trial.fingerprint[:8]}"
    assert sent.values["lora.r"] == 8
    assert sent.values["lora.init_lora_weights"] == "True"
    assert sent.curve == CURVE
    assert sent.final["test/score"] == 0.875


def test_tracking_is_part_of_a_study_and_changes_no_result(tmp_path: Path, reviews: Path) -> None:
    study = builders.study(name="t", task=str(reviews), track=("tensorboard", "tensorboard"))
    assert study.track == ("tensorboard",)
    path = tmp_path / "study.yaml"
    path.write_text(dump_study(study))
    assert load_study(path) == study
    assert "track" not in dump_study(replace(study, track=()))
    with pytest.raises(StudyError, match="unknown tracker 'mlfow'; did you mean 'mlflow'"):
        builders.study(track=["mlfow"])


def test_a_missing_library_is_reported_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reviews: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    study = Study(backbone="minilm", task=str(reviews), methods=["head"], track=["trackio"])
    with pytest.raises(StudyError, match=r"pip install whichpeft\[trackio\]"):
        check_request(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_mlflow_needs_the_address_of_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(StudyError, match="set MLFLOW_TRACKING_URI"):
        check_trackers(["mlflow"])


def test_a_tracker_that_fails_is_reported_once_and_disabled(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "tensorboard").write_text("a file with the name of the folder")
    found, said = trackers(tmp_path, "tensorboard")
    found.send(record, CURVE)
    found.send(record, CURVE)
    (line,) = said
    assert line.startswith("tensorboard failed and is disabled for the rest of this run")


def test_tensorboard_shows_what_was_sent(record: Record, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found, said = trackers(tmp_path, "tensorboard")
    found.send(record, CURVE)
    assert said == []
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert folder.name == sent_of(record, CURVE).name
    read = EventAccumulator(str(folder))
    read.Reload()
    losses = [(event.step, event.value) for event in read.Scalars("train_loss")]
    assert losses == [(10, pytest.approx(0.7)), (20, 0.5)]
    assert [event.step for event in read.Scalars("validation_score")] == [20]
    assert read.Scalars("test/score")[0].value == 0.875
    from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

    listed = read.summary_metadata["_hparams_/session_start_info"].plugin_data
    hparams = parse_session_start_info_plugin_data(listed.content).hparams
    assert hparams["lora.r"].number_value == 8
    assert hparams["method"].string_value == "lora:r=8"


def can_serve(python: str) -> bool:
    ask = "import flask, mlflow.server"
    return subprocess.run([python, "-c", ask], capture_output=True, check=False).returncode == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server on loopback. It needs the full mlflow, whose pins may conflict with ours."""
    python = os.environ.get("WHICHPEFT_TEST_MLFLOW_PYTHON", sys.executable)
    if not can_serve(python):
        pytest.skip(
            "mlflow's server is not installed; WHICHPEFT_TEST_MLFLOW_PYTHON names a Python with it"
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    command = [
        python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", store, "--default-artifact-root", str(tmp_path / "artifacts"),
    ]  # fmt: skip
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=tmp_path, env=clean, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            if process.poll() is not None:
                pytest.fail((tmp_path / "server.log").read_text()[-2000:])
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        yield url
    finally:
        os.killpg(process.pid, 15)  # the server and its workers
        process.wait(timeout=20)


def check_mlflow(record: Record, folder: Path) -> None:
    from mlflow.tracking import MlflowClient

    found, said = trackers(folder, "mlflow")
    found.send(record, CURVE)
    assert said == []
    client = MlflowClient()
    experiment = client.get_experiment_by_name("my study")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == sent_of(record, CURVE).name
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.001"
    assert run.data.params["method"] == "lora:r=8"
    assert run.data.metrics["test/score"] == 0.875
    history = client.get_metric_history(run.info.run_id, "train_loss")
    assert [(metric.step, metric.value) for metric in history] == [(10, 0.7), (20, 0.5)]
    assert run.data.tags["outcome"] == "completed"


@pytest.mark.slow
def test_mlflow_keeps_what_was_sent_without_a_server(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path / 'own.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    check_mlflow(record, tmp_path)


@pytest.mark.slow
def test_an_mlflow_server_gets_what_was_sent(
    record: Record, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    mlflow.set_tracking_uri(server)
    check_mlflow(record, tmp_path)


def test_a_server_that_does_not_answer_is_reported_soon(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(f"http://127.0.0.1:{port}")
    found, said = trackers(tmp_path, "mlflow")
    start = time.perf_counter()
    found.send(record, CURVE)
    assert time.perf_counter() - start < 30
    assert said[0].startswith("mlflow failed")


@pytest.mark.slow
def test_trackio_keeps_what_was_sent(record: Record, tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="trackio is not installed: its pins conflict with our Pillow")
    script = f"""
from pathlib import Path
from whichpeft.records import Store
from whichpeft.tracking import Trackers
(record,) = Store(Path({str(tmp_path)!r}))
study = Store(Path({str(tmp_path)!r})).study()
Trackers(study=study, folder=Path({str(tmp_path)!r}), notify=print).send(record, {CURVE!r})
import trackio
(run,) = trackio.Api().runs("my-study")
print(run.name, run.config["lora.r"])
from trackio.sqlite_storage import SQLiteStorage
print([(row["step"], row.get("train_loss"), row.get("test/score")) for row in
       SQLiteStorage.get_logs("my-study", run.name)])
"""
    from whichpeft.records import Store

    store = Store(tmp_path)
    store.keep_study(builders.study(track=("trackio",), name="my study"))
    store.add(record)
    # In another process, since trackio reads its folder when it is imported.
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{sent_of(record, CURVE).name} 8" in done.stdout
    assert "(10, 0.7, None)" in done.stdout
    assert "0.875" in done.stdout


@pytest.mark.slow
def test_a_run_sends_every_trial_to_its_trackers(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    from whichpeft import Budget, run
    from whichpeft.executors import SilentObserver
    from whichpeft.records import Store

    study = Study(
        name="tracked",
        backbone=str(tiny_backbone),
        task=str(reviews),
        methods=["head", "lora:r=4"],
        seeds=1,
        budget=Budget(epochs=1, max_train=32),
        track=["tensorboard"],
    )
    run(study, out=tmp_path, device="cpu", observer=SilentObserver())
    records = list(Store(tmp_path))
    assert len(records) >= 5
    names = {folder.name for folder in (tmp_path / "tensorboard").iterdir()}
    assert names == {sent_of(record, ()).name for record in records}
    assert Store(tmp_path).study().track == ("tensorboard",)
