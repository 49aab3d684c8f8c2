"""Records: written completely, read back equal, refused if they are wrong."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whichpeft.errors import FolderError, RecordError
from whichpeft.records import Measurement, Outcome, Record, Setting, Store
from whichpeft.records.record import record_from_json
from whichpeft.storage.atomic import write_whole
from whichpeft.study import Budget, Study, Trial

FOSSILS = Path(__file__).parent / "fossils"


def make_record(seed: int = 0) -> Record:
    trial = Trial(
        purpose="final",
        backbone="minilm",
        backbone_revision="53aa",
        task="sst2",
        data="d1",
        method="lora:r=8",
        method_id="lora",
        hyperparameters={"r": 8, "target_modules": None, "learning_rate": 0.001},
        seed=seed,
        budget=Budget(max_train=100),
    )
    return Record(
        trial=trial,
        setting=Setting(hardware={"cores": 2}, versions={"torch": "2.13.0"}, device="cpu"),
        outcome=Outcome(status="completed"),
        measurements=(
            Measurement(name="score", value=0.87, unit="fraction", phase="test", source="accuracy"),
            Measurement(
                name="step_milliseconds",
                value=12.5,
                unit="ms",
                phase="profile",
                source="profile",
                low=12.0,
                high=13.0,
            ),
        ),
    )


def test_an_added_record_reads_back_equal(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = make_record()
    outputs = np.arange(6, dtype=np.float32).reshape(3, 2)
    store.add(record, curve=[(10, "train_loss", 0.7)], predictions={"outputs": outputs})
    assert list(Store(tmp_path)) == [record]
    name = record.trial.fingerprint
    assert store.fingerprints() == {name}
    kept = store.predictions(name)
    assert kept is not None
    np.testing.assert_array_equal(kept["outputs"], outputs)
    curve = store.curve(name)
    assert curve is not None
    assert curve.to_dict("list") == {"step": [10], "name": ["train_loss"], "value": [0.7]}


def test_a_failed_write_leaves_no_partial_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    broken = Record(
        trial=make_record().trial,
        setting=Setting(),
        outcome=Outcome(status="completed"),
        measurements=(Measurement(name="score", value=float("nan"), unit="", phase="test", source=""),),
    )
    with pytest.raises(ValueError, match="JSON compliant"):
        store.add(broken)
    assert store.fingerprints() == set()
    assert not list(tmp_path.rglob("*.part"))


def test_partial_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(make_record())
    whole = {path for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / ".study.part").write_text("{")
    (tmp_path / "records" / ".x1.part").write_text("{")
    (tmp_path / "adapters" / ".a.part").mkdir(parents=True)
    (tmp_path / "adapters" / ".a.part" / "weights").write_text("w")
    store.remove_partial_files()
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == whole


def test_a_record_of_the_first_schema_still_loads() -> None:
    (path,) = FOSSILS.glob("schema-1*.json")
    record = _read(path)
    assert record.trial.method_id == "lora"
    assert record.value("score", "test") == 0.87
    assert record.trial.budget.max_train == 100


def test_a_stopped_tuning_trial_of_the_second_schema_still_loads() -> None:
    (path,) = FOSSILS.glob("schema-2*.json")
    record = _read(path)
    assert (record.trial.purpose, record.trial.number) == ("tune", 3)
    assert record.outcome.status == "stopped"
    assert record.value("validation_score", "validate") == 0.41


def test_a_screening_trial_of_the_third_schema_still_loads() -> None:
    (path,) = FOSSILS.glob("schema-3*.json")
    record = _read(path)
    assert (record.trial.purpose, record.trial.number, record.trial.stop_after) == ("screen", 3, 16)
    assert record.outcome.reason == "paused after 16 of 64 steps"
    assert record.value("validation_loss", "validate") == 0.61


def test_only_screening_trials_are_of_the_third_schema() -> None:
    tuned = replace(make_record().trial, purpose="tune", number=2)
    screened = tuned.beginning(16)
    assert screened.whole == tuned
    assert tuned.whole == tuned
    assert len({tuned.fingerprint, screened.fingerprint, tuned.beginning(32).fingerprint}) == 3
    for trial, schema in ((make_record().trial, 2), (tuned, 2), (screened, 3)):
        written = replace(make_record(), trial=trial).to_json()
        assert written["schema"] == schema
        assert ("stop_after" in written["trial"]) is (schema == 3)
        assert record_from_json(written, "x").trial == trial


@pytest.mark.parametrize(
    ("purpose", "stop_after"), [("tune", 16), ("screen", None), ("screen", 0), ("final", 3)]
)
def test_only_a_screening_trial_stops_after_some_steps(purpose: str, stop_after: int | None) -> None:
    written = make_record().to_json()
    written["trial"] |= {"purpose": purpose, "stop_after": stop_after}
    with pytest.raises(RecordError, match=r"x \[trial\]: .*stop_after"):
        record_from_json(written, "x")


def test_a_checkpoint_stays_until_the_whole_trial_has_a_record(tmp_path: Path) -> None:
    store, done = Store(tmp_path), make_record()
    tuned = replace(done.trial, purpose="tune", number=2)
    checkpoint = store.checkpoint(tuned.fingerprint)
    for trial, status, stays in (
        (tuned.beginning(16), "stopped", True),
        (tuned.beginning(32), "failed", False),
        (tuned, "completed", False),
    ):
        write_whole(checkpoint, b"state")
        store.add(replace(done, trial=trial, outcome=Outcome(status=status)))
        assert checkpoint.exists() is stays


def _read(path: Path) -> Record:
    return record_from_json(json.loads(path.read_text()), str(path))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": 4}, "newer than this version reads"),
        ({"schema": None}, "no schema version"),
        ({"fingerprint": "abc"}, "the file was edited"),
        ({"outcome": {"status": "splendid"}}, "outcome.status"),
        ({"measurements": [{"name": "score"}]}, "measurements.0.value"),
    ],
)
def test_a_wrong_record_is_refused(tmp_path: Path, change: dict, complaint: str) -> None:  # type: ignore[type-arg]
    store = Store(tmp_path)
    store.add(make_record())
    (path,) = (tmp_path / "records").glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordError, match=complaint) as caught:
        list(store)
    assert str(path) in str(caught.value)


def test_a_truncated_record_is_reported_with_its_path(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(make_record())
    (path,) = (tmp_path / "records").glob("*.json")
    path.write_text(path.read_text()[:100])
    with pytest.raises(RecordError, match="not a readable record"):
        list(store)


def test_a_folder_without_a_study_is_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"no study.yaml"):
        Store(tmp_path).study()
    study = Study(name="s", backbone="minilm", task="stdlib-docs", methods=["full"], seeds=2)
    Store(tmp_path).keep_study(study)
    assert Store(tmp_path).study() == study


def test_older_records_are_of_trials_that_trained_alone() -> None:
    for path in FOSSILS.glob("*.json"):
        raw = json.loads(path.read_text())
        assert "together" not in raw["setting"]
        assert record_from_json(raw, path.name).setting.together == 1


@pytest.mark.parametrize("kind", ["curves", "predictions"])
def test_a_record_with_a_damaged_curve_or_predictions_is_set_aside(kind: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    damaged, whole = make_record(0), make_record(1)
    for record in (damaged, whole):
        store.add(record, curve=[(1, "train_loss", 0.7)], predictions={"outputs": np.ones(2)})
    (path,) = (tmp_path / kind).glob(f"{damaged.trial.fingerprint}.*")
    path.write_bytes(path.read_bytes()[:40])
    (said,) = store.set_aside()
    assert path.name in said
    assert list(store) == [whole]
    assert [file.stem for file in (tmp_path / "set-aside").iterdir()] == [damaged.trial.fingerprint]


def test_deleting_a_record_while_others_are_set_aside_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    for seed in (0, 1):
        store.add(make_record(seed))
    listed = sorted((tmp_path / "records").iterdir())
    monkeypatch.setattr(store, "_files", lambda: listed)
    listed[0].unlink()
    assert store.set_aside() == []
    assert store.holds(listed[1].stem)


def test_a_file_is_synced_before_it_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, there_when_synced, sync = tmp_path / "file", [], os.fsync
    path.write_bytes(b"old")

    def watched(handle: int) -> None:
        there_when_synced.append(path.read_bytes())
        sync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    with path.open("rb") as reader:
        write_whole(path, b"new content")
        assert reader.read() == b"old"  # replaced, not overwritten
    assert there_when_synced == [b"old", b"new content"]  # first the content, then the folder's entry
    assert path.read_bytes() == b"new content"
    assert list(tmp_path.iterdir()) == [path]
