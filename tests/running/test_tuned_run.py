"""A tuned study from start to end: equal numbers of trials, the default first, no test data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import whichpeft as wp
from whichpeft.executors import SilentObserver
from whichpeft.records import Record, Store
from whichpeft.records.selection import SEARCH_SEED
from whichpeft.report.page.provenance import provenance

from ..forks import Forks

METHODS = ["full", "lora:r=2"]
TRIALS = 5


def study(backbone: Path, data: Path, seeds: int = 2) -> wp.Study:
    return wp.Study(
        backbone=str(backbone),
        task=str(data),
        methods=METHODS,
        seeds=seeds,
        budget=wp.Budget(epochs=4, tuning_trials=TRIALS),
    )


def run(backbone: Path, data: Path, out: Path, **options: object) -> wp.Report:
    asked = study(backbone, data)
    return wp.run(asked, out=out, device="cpu", observer=SilentObserver(), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tuned(made_once, tiny_backbone: Path, reviews: Path) -> Path:  # type: ignore[no-untyped-def]
    return made_once("tuned", lambda out: run(tiny_backbone, reviews, out, keep_adapters=True))


def searches(folder: Path) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in Store(folder):
        if record.trial.purpose == "tune":
            found.setdefault(record.trial.method, []).append(record)
    return {method: sorted(own, key=lambda r: r.trial.number or 0) for method, own in found.items()}


def test_methods_get_equal_numbers_of_trials_and_no_test_data(tuned: Path) -> None:
    found = searches(tuned)
    assert set(found) == set(METHODS)  # zero-shot has nothing to tune
    for own in found.values():
        assert [record.trial.number for record in own] == list(range(TRIALS))
        assert own[0].outcome.status == "completed"  # the default is never stopped
        assert {record.value("score") for record in own} == {None}
        assert {record.value("train_examples") for record in own} == {160}
    names = [record.trial.fingerprint for own in found.values() for record in own]
    kept = [Store(tuned).predictions(name) for name in names]
    assert [set(arrays or ()) for arrays in kept] == [{"validation_outputs", "validation_labels"}] * len(
        names
    )


def test_no_tuning_trial_has_the_seed_of_a_final_trial(tuned: Path) -> None:
    seeds: dict[str, set[int]] = {}
    for record in Store(tuned):
        seeds.setdefault(record.trial.purpose, set()).add(record.trial.seed)
    assert seeds["final"] == {0, 1}
    assert seeds["tune"] == {SEARCH_SEED}
    report = wp.Report.read(tuned)
    assert not [note for note in report.notes if "searches trained" in note]
    summary = str(provenance(report.contents)["summary"])
    assert f"{TRIALS} tuning trials per method, on a seed that no final trial has." in summary


def test_a_trial_is_compared_only_with_trials_of_its_own_method(tuned: Path) -> None:
    store = Store(tuned)
    for own in searches(tuned).values():
        by_step: dict[int, list[float]] = {}
        for record in own:
            curve = store.curve(record.trial.fingerprint)
            assert curve is not None
            scores = curve[curve["name"] == "validation_score"]
            last = int(scores["step"].iloc[-1]), float(scores["value"].iloc[-1])
            if record.outcome.status == "stopped":
                # At least a third of the trials before it did better at that step.
                better = sum(value > last[1] for value in by_step[last[0]])
                assert 3 * better >= len(by_step[last[0]])
            for step, value in zip(scores["step"], scores["value"], strict=True):
                by_step.setdefault(int(step), []).append(float(value))
    ended = [r.outcome.status for own in searches(tuned).values() for r in own]
    assert "stopped" in ended


def test_tuned_is_never_worse_than_default_on_validation(tuned: Path) -> None:
    rows = {(row["method"], row["variant"]): row for row in wp.Report.read(tuned).rows}
    assert set(rows) == {(m, v) for m in METHODS for v in ("default", "tuned")} | {
        ("zero-shot", "default")
    }
    for method, own in searches(tuned).items():
        default = own[0]
        (best,) = [r for r in own if r.trial.hyperparameters == rows[method, "tuned"]["hyperparameters"]]
        assert best.outcome.status == "completed"
        assert (best.value("validation_score") or 0) >= (default.value("validation_score") or 0)
        assert rows[method, "tuned"]["seeds"] == [0, 1]
        assert rows[method, "tuned"]["step_milliseconds"] is not None
        assert rows[method, "default"]["hyperparameters"] == dict(default.trial.hyperparameters)


def test_an_interrupted_search_resumes_to_the_same_result(
    tuned: Path, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(tuned, tmp_path / "cut")
    lost = [r for own in searches(tuned).values() for r in own[2:]]
    for record in lost:
        (tmp_path / "cut" / "records" / f"{record.trial.fingerprint}.json").unlink()
    run(tiny_backbone, reviews, tmp_path / "cut")

    def results(folder: Path) -> dict[str, object]:
        return {
            r.trial.fingerprint: (r.outcome, r.value("validation_score"), r.value("score"))
            for r in Store(folder)
        }

    assert results(tmp_path / "cut") == results(tuned)


def test_adapters_of_final_trials_are_kept_on_request(tuned: Path) -> None:
    kept = {path.name for path in (tuned / "adapters").iterdir()}
    finals = {
        r.trial.fingerprint
        for r in Store(tuned)
        if r.trial.purpose == "final" and r.trial.method != "zero-shot"
    }
    assert finals <= kept
    lora = next(r for r in Store(tuned) if r.trial.purpose == "final" and r.trial.method == "lora:r=2")
    config = json.loads(
        (tuned / "adapters" / lora.trial.fingerprint / "adapter_config.json").read_text()
    )
    assert config["r"] == 2


def test_a_dry_run_counts_the_tuned_trials_of_new_seeds(
    tuned: Path, tiny_backbone: Path, reviews: Path
) -> None:
    from whichpeft.api import dry_run

    done = dry_run(study(tiny_backbone, reviews), out=tuned, device="cpu")
    assert (done.trials, done.seconds) == (0, 0)
    rows = {
        (row["method"], row["variant"]): row["hyperparameters"] for row in wp.Report.read(tuned).rows
    }
    better = sum(rows[method, "tuned"] != rows[method, "default"] for method in METHODS)
    more = dry_run(study(tiny_backbone, reviews, seeds=3), out=tuned, device="cpu")
    assert more.trials == len(METHODS) + 1 + better


def test_a_dry_run_counts_the_tuning_trials(
    forks: Forks, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    options = ["--method", "bitfit", "--seeds", "2", "--tuning-trials", "3", "--dry-run"]
    names = ["--backbone", str(tiny_backbone), "--task", str(reviews)]
    done = forks.run("run", *names, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # 3 of the search, 2 seeds with the default and 2 with tuned values, and zero-shot on 2
    assert "9 trials to run" in done.stdout
    assert not list(tmp_path.iterdir())
