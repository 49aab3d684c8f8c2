"""A whole study: no trial is lost or run twice, even across several runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import whichpeft as wp
from whichpeft.errors import FolderError, StudyError
from whichpeft.executors import SilentObserver
from whichpeft.records import Store
from whichpeft.study import load_study

from ..forks import Forks

METHODS = ["full:learning_rate=3e-3", "head", "lora:r=2"]


def study(backbone: Path, data: Path, **changes: object) -> wp.Study:
    fields: dict[str, object] = {
        "backbone": str(backbone),
        "task": str(data),
        "methods": METHODS,
        "seeds": 2,
        "budget": wp.Budget(epochs=1),
        "baseline": METHODS[0],
    }
    return wp.Study(**(fields | changes))  # type: ignore[arg-type]


def run(asked: wp.Study, out: Path) -> wp.Report:
    return wp.run(asked, out=out, device="cpu", observer=SilentObserver())


def records(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "records").glob("*.json")}


@pytest.fixture(scope="module")
def finished(tiny_backbone: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run(study(tiny_backbone, reviews), folder)
    return folder


def test_the_table_has_one_row_per_method_with_intervals_and_costs(finished: Path) -> None:
    table = wp.Report.read(finished).table()
    assert list(table["method"]) == [*METHODS, "zero-shot"]
    assert set(table["status"]) == {"completed"}
    assert list(table["seeds"]) == [[0, 1]] * 4
    trained = table.iloc[:3]
    for key in ("score_mean", "step_milliseconds", "peak_memory_bytes", "adapter_bytes"):
        assert trained[key].notna().all(), key
    # Two seeds that no other method's seeds support have no interval.
    shown = table[table["score_low"].notna()]
    assert 1 <= len(shown) == table["score_high"].notna().sum()
    assert (
        (shown["score_low"] <= shown["score_mean"]) & (shown["score_mean"] <= shown["score_high"])
    ).all()
    lora = table.iloc[2]
    assert lora["percent_of_full"] < 1
    assert lora["gap_mean"] == pytest.approx(lora["score_mean"] - table.iloc[0]["score_mean"])
    assert table.iloc[3]["trainable_parameters"] == 0
    assert (finished / "report.html").stat().st_size > 100_000


def test_a_choice_respects_a_limit_on_measured_latency(finished: Path) -> None:
    report = wp.Report.read(finished)
    latencies = report.table()["inference_milliseconds"].dropna()
    assert len(latencies) == 3
    assert (latencies > 0).all()
    (answer,) = json.loads(report.choose(max_latency="10s").to_json())
    trained = [c for c in answer["candidates"] if c["method"] in METHODS]
    assert answer["method"] in METHODS
    assert not any("latency" in reason for c in trained for reason in c["excluded"])
    # A limit below the slowest latency excludes at least that method.
    (answer,) = json.loads(report.choose(max_latency=f"{latencies.max() - 0.001}ms").to_json())
    slowest = METHODS[int(latencies.reset_index(drop=True).argmax())]
    (slow,) = [c for c in answer["candidates"] if c["method"] == slowest]
    assert "latency" in " ".join(slow["excluded"])
    (answer,) = json.loads(report.choose(by="latency").to_json())
    assert answer["method"] in METHODS


def test_every_profile_measures_training_steps_and_inference(finished: Path) -> None:
    profiles = [r for r in Store(finished) if r.trial.purpose == "profile"]
    trained = [r for r in profiles if r.trial.method in METHODS]
    assert len(trained) == 3
    speeds = {r.value("matmul_flops_per_second") for r in trained}
    assert len(speeds) == 1  # measured once per run
    assert None not in speeds
    for record in trained:
        assert record.value("flops_per_sample") > 0
        assert record.value("peak_share") > 0
        assert record.value("evaluation_memory_bytes") is not None
    assert "forward" in (finished / "report.html").read_text()


def test_curves_and_predictions_are_kept_with_the_records(finished: Path) -> None:
    store = Store(finished)
    finals = [record for record in store if record.trial.purpose == "final"]
    assert len(finals) == 8
    for record in finals:
        name = record.trial.fingerprint
        predictions = store.predictions(name)
        assert predictions is not None
        assert len(predictions["outputs"]) == len(predictions["labels"])
        curve = store.curve(name)
        assert (curve is None) == (record.trial.method == "zero-shot")
        if curve is not None:
            assert {"train_loss", "validation_loss", "validation_score"} == set(curve["name"])
            assert isinstance(curve, pd.DataFrame)


def test_starting_again_runs_nothing_and_changes_nothing(
    finished: Path, tiny_backbone: Path, reviews: Path
) -> None:
    before = records(finished)
    run(study(tiny_backbone, reviews), finished)
    assert records(finished) == before


def test_methods_and_seeds_extend_a_folder(tiny_backbone: Path, reviews: Path, tmp_path: Path) -> None:
    run(study(tiny_backbone, reviews, methods=METHODS[:1], seeds=1), tmp_path)
    before = records(tmp_path)
    report = run(study(tiny_backbone, reviews, methods=["bitfit"], seeds=[1]), tmp_path)
    after = records(tmp_path)
    assert before.items() <= after.items()
    assert list(report.table()["method"]) == [METHODS[0], "bitfit", "zero-shot"]
    assert Store(tmp_path).study().seeds == (0, 1)


def test_a_folder_of_another_study_is_refused(
    finished: Path, tiny_backbone: Path, reviews: Path
) -> None:
    other = study(tiny_backbone, reviews, budget=wp.Budget(epochs=2))
    with pytest.raises(FolderError, match=r"belongs to another study \(epochs: 1 there, 2 now\); "):
        run(other, finished)


def test_a_folder_whose_data_have_changed_is_refused(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    data = tmp_path / "reviews"
    shutil.copytree(reviews, data)
    asked = study(tiny_backbone, data, methods=["head"], seeds=1)
    run(asked, tmp_path / "out")
    with (data / "train.tsv").open("a") as file:
        file.write("one more film that is lovely\tgood\n")
    with pytest.raises(FolderError, match="its records are of another reviews"):
        run(asked, tmp_path / "out")


def test_a_folder_whose_config_file_has_changed_is_refused(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    """Otherwise the table shows two contents of a file by one name."""
    path, out = tmp_path / "adapter_config.json", tmp_path / "out"
    given = {"peft_type": "LORA", "r": 2, "target_modules": ["query"]}
    path.write_text(json.dumps(given))
    asked = study(tiny_backbone, reviews, methods=[str(path)], seeds=1)
    run(asked, out)
    before = records(out)
    path.write_text(json.dumps({**dict(reversed(given.items())), "inference_mode": True}, indent=1))
    run(asked, out)  # written otherwise, but the same
    path.write_text(json.dumps({**given, "r": 4}))
    with pytest.raises(FolderError, match=r"are of another content of .*adapter_config.json"):
        run(asked, out)
    assert records(out) == before


def test_the_study_in_the_folder_runs_from_any_directory(
    tiny_backbone: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reviews.parent)
    out = tmp_path / "out"
    run(study(tiny_backbone, Path(reviews.name), methods=["head"], seeds=1), out)
    before = records(out)
    monkeypatch.chdir(tmp_path)
    run(load_study(out / "study.yaml"), out)
    assert records(out) == before


def test_methods_with_fewer_seeds_are_not_a_failure(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    run(study(tiny_backbone, reviews, methods=["head"], seeds=1), tmp_path)
    again = [*command(tiny_backbone, reviews, tmp_path)[:7], "--epochs", "1", "--device", "cpu"]
    done = forks.run(*again, "--method", "lora:r=2", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_two_tasks_or_backbones_with_the_same_name_are_refused(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    for kind, source in (("tasks", reviews), ("backbones", tiny_backbone)):
        shutil.copytree(source, tmp_path / kind / source.name)
        twins = [str(source), str(tmp_path / kind / source.name)]
        fields = {"backbones": [str(tiny_backbone)], "tasks": [str(reviews)], kind: twins}
        asked = wp.Study(name="twins", methods=["head"], seeds=1, **fields)  # type: ignore[arg-type]
        with pytest.raises(StudyError, match=f"two {kind} are called"):
            run(asked, tmp_path / "out")


def test_one_method_in_two_spellings_is_refused(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    twice = study(tiny_backbone, reviews, methods=["lora", "lora:r=8"])
    with pytest.raises(StudyError, match="'lora' and 'lora:r=8' are the same method"):
        run(twice, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failing_method_is_recorded_and_the_others_complete(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    methods = ["full:learning_rate=1e30", "head"]
    report = run(study(tiny_backbone, reviews, methods=methods, seeds=1), tmp_path)
    failed, head = report.rows[:2]
    assert failed["status"] == "failed"
    assert "not finite" in failed["error"]
    assert failed["score_mean"] is None
    assert head["status"] == "completed"


def test_a_refused_method_is_in_the_table_with_its_reason(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    methods = ["head", "prompt:num_virtual_tokens=100"]
    report = run(study(tiny_backbone, reviews, methods=methods, seeds=1), tmp_path)
    assert report.rows[1]["status"] == "refused"
    assert "overflow" in report.rows[1]["error"]


def command(backbone: Path, data: Path, out: Path, *more: str) -> list[str]:
    return [
        *("run", "--backbone", str(backbone)),
        *("--task", str(data), "--seeds", "2", "--epochs", "3", "--device", "cpu"),
        *("--method", "full", "--method", "lora:r=2", "--out", str(out), *more),
    ]


def test_a_dry_run_lists_the_trials_and_writes_nothing(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = forks.run(*command(tiny_backbone, reviews, out, "--dry-run"))
    assert done.returncode == 0
    assert "6 trials to run" in done.stdout
    assert "lora:r=2" in done.stdout
    assert not out.exists()


def test_the_reports_json_is_what_the_run_returned(forks: Forks, finished: Path) -> None:
    done = forks.run("report", str(finished), "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads(wp.Report.read(finished).to_json())
