"""A store parses each record once, and again only if its file has changed."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

import whichpeft as wp
from whichpeft.errors import RecordError
from whichpeft.executors import SilentObserver
from whichpeft.records import Record, Store
from whichpeft.records import store as store_module

from .. import builders


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each record is parsed, by the name of its file."""
    found: Counter[str] = Counter()
    parse = store_module.record_from_json

    def counted(raw: object, source: str) -> Record:
        found[Path(source).name] += 1
        return parse(raw, source)

    monkeypatch.setattr(store_module, "record_from_json", counted)
    return found


def test_a_store_parses_each_record_once(tmp_path: Path, parses: Counter[str]) -> None:
    store = Store(tmp_path)
    for seed in range(3):
        store.add(builders.final("full", seed, 0.5))
    first = list(store)
    assert store.set_aside() == []
    assert list(store) == first
    assert sorted(parses.values()) == [1, 1, 1]


def test_a_record_that_another_process_writes_is_read(tmp_path: Path) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    store.add(builders.final("full", 0, 0.5))
    assert len(list(store)) == 1
    other.add(builders.final("full", 1, 0.5))
    assert len(list(store)) == 2


def test_a_record_that_changes_is_parsed_again(tmp_path: Path) -> None:
    store, record = Store(tmp_path), builders.final("full", 0, 0.5)
    store.add(record)
    assert list(store) == [record]
    (path,) = (tmp_path / "records").iterdir()
    text = path.read_text()
    path.write_text(text[:50])
    with pytest.raises(RecordError, match="not a readable record"):
        list(store)
    raw = json.loads(text)
    raw["outcome"]["reason"] = "edited"
    path.write_text(json.dumps(raw))
    os.utime(path, ns=(1, 1))
    (found,) = store
    assert found.outcome.reason == "edited"
    path.unlink()
    assert list(store) == []


def test_a_run_parses_each_record_at_most_twice(
    tiny_backbone: Path, reviews: Path, tmp_path: Path, parses: Counter[str]
) -> None:
    study = wp.Study(
        backbone=str(tiny_backbone),
        task=str(reviews),
        methods=["head", "bitfit"],
        seeds=2,
        budget=wp.Budget(epochs=1, max_train=32, tuning_trials=2),
    )
    for _ in range(2):
        parses.clear()
        wp.run(study, out=tmp_path / "run", jobs=1, device="cpu", observer=SilentObserver())
        names = {path.name for path in (tmp_path / "run" / "records").iterdir()}
        assert parses.keys() == names
        assert max(parses.values()) <= 2
