"""200 damaged or hostile files: each gives a clear error or is set aside."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import whichpeft as wp
from whichpeft.analysis.check.check import check
from whichpeft.errors import WhichpeftError
from whichpeft.methods import resolve_method
from whichpeft.records import Store
from whichpeft.report.page.page import page
from whichpeft.study import TaskSource, load_study
from whichpeft.tasks import load_task

from . import builders

TRICK = "<script>alert(1)</script>"
WRONG: list[Any] = [
    None, True, -1, 0, 1e308, -1e308, 10**40, "", "x" * 100_000, TRICK, "../../../etc/passwd",
    "/etc/passwd", "C:\\windows", "a\0b", "\ud800", "💥" * 50, [], [[]], {}, {"a": {"b": []}}, [None],
    "{{7*7}}", "${HOME}", "!!python/object/apply:os.system ['true']", "nan", "1e999",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield every place in a JSON value."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value[:2]):
            yield from places(inner, (*path, i))


def spoilt(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one place changed, removed, or repeated under another name."""
    changed = copy.deepcopy(value)
    *parents, last = rng.choice(list(places(value)))
    inner = changed
    for key in parents:
        inner = inner[key]
    if isinstance(inner, dict) and rng.random() < 0.2:
        inner[rng.choice([TRICK, "../up", "__class__", ""])] = inner.pop(last)
    else:
        inner[last] = rng.choice(WRONG)
    return changed


def cut(text: bytes, rng: random.Random) -> bytes:
    """Damage a file like disks and editors do."""
    kind = rng.randrange(6)
    if kind == 0:
        return text[: rng.randrange(len(text))]
    if kind == 1:
        return b""
    if kind == 2:
        return rng.randbytes(500)
    if kind == 3:
        return text.decode().encode("utf-16")
    if kind == 4:
        return b"[" * 100_000
    place = rng.randrange(len(text))
    return text[:place] + rng.randbytes(3) + text[place:]


def gives_a_clear_error_or_works(attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except WhichpeftError as error:
        text = str(error)
        assert 10 < len(text) < 5000
        assert "Traceback" not in text


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    records = [builders.profile(name, seconds=9) for name in ("full", "lora:r=8")]
    records += [
        builders.final(n, seed, 0.8 + seed / 90) for n in ("full", "lora:r=8") for seed in (0, 1)
    ]
    store, predictions = Store(folder), builders.predictions(records)
    store.keep_study(builders.study(["full", "lora:r=8"]))
    for record in records:
        store.add(record, predictions=predictions(record.trial.fingerprint))
    return folder


@pytest.mark.parametrize("case", range(80))
def test_a_record(case: int, finished: Path, tmp_path: Path) -> None:
    rng = random.Random(case)
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    path = rng.choice(sorted((folder / "records").glob("*.json")))
    raw = json.loads(path.read_text())
    if case % 4 == 0:
        path.write_bytes(cut(path.read_bytes(), rng))
    elif case % 4 == 1:  # by someone who knows how fingerprints are made
        with_own_fingerprint(folder, path, spoilt(raw, rng))
    else:
        path.write_text(json.dumps(spoilt(raw, rng)))

    def read() -> None:
        report = wp.Report.read(folder)
        assert TRICK not in page(report.contents)
        report.to_json(), report.to_markdown(), report.to_latex(), report.to_csv(), report.choose()

    gives_a_clear_error_or_works(read)
    store = Store(folder)
    gives_a_clear_error_or_works(
        lambda: check(store.study(), store.each(), predictions=store.predictions)
    )
    gives_a_clear_error_or_works(store.set_aside)
    for record in store.each():
        assert not isinstance(record, Exception) or "newer" in str(record)
    assert list(tmp_path.iterdir()) == [folder]  # nothing was written elsewhere


def with_own_fingerprint(folder: Path, path: Path, raw: Any) -> None:
    from pydantic import TypeAdapter, ValidationError

    from whichpeft.study import Trial

    try:
        name = TypeAdapter(Trial).validate_python(raw["trial"]).fingerprint
    except (ValidationError, KeyError, TypeError, WhichpeftError, ValueError):
        name = path.stem
    path.unlink()
    raw = raw if isinstance(raw, dict) else {}
    (folder / "records" / f"{name}.json").write_text(json.dumps(raw | {"fingerprint": name}))


@pytest.mark.parametrize("case", range(20))
def test_predictions_or_a_curve(case: int, finished: Path, tmp_path: Path) -> None:
    rng = random.Random(case)
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    path = rng.choice(sorted(folder.glob("predictions/*")))
    content = path.read_bytes()
    path.write_bytes(rng.choice([content[: rng.randrange(len(content))], b"", rng.randbytes(300)]))
    report = wp.Report.read(folder)
    assert report.rows
    store = Store(folder)
    found = check(store.study(), store.each(), predictions=store.predictions)
    assert any(path.name in f"{finding.what} {finding.file}" for finding in found)


@pytest.mark.parametrize("case", range(40))
def test_a_study(case: int, tmp_path: Path) -> None:
    import yaml

    rng = random.Random(case)
    study = {
        "name": "s",
        "backbones": ["minilm"],
        "tasks": ["stdlib-docs", {"name": "x.csv", "text_columns": [0], "label_column": "y"}],
        "methods": ["full", "lora:r=8,target_modules=[query,value]"],
        "seeds": [0, 1],
        "budget": {"epochs": 1, "max_train": 100, "batch_size": 16, "tuning_trials": 0},
        "precision": "auto",
        "threads": 1,
    }
    path = tmp_path / "study.yaml"
    if case % 4 == 0:
        path.write_bytes(cut(yaml.safe_dump(study).encode(), rng))
    elif case % 4 == 1:
        path.write_text(
            f"name: !!python/object/apply:os.mkdir ['{tmp_path}/made']\nbackbones: [minilm]\n"
        )
    else:
        path.write_text(json.dumps(spoilt(study, rng)))  # JSON is YAML

    def read() -> None:
        asked = load_study(path)
        for method in asked.methods:
            resolve_method(method)

    gives_a_clear_error_or_works(read)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet", "txt"])
@pytest.mark.parametrize("case", range(6))
def test_a_data_file(suffix: str, case: int, tmp_path: Path) -> None:
    rng = random.Random(case)
    rows = [{"text": f"film {i}", "label": "yes" if i % 2 else "no"} for i in range(40)]
    good = {
        "csv": "text,label\n" + "\n".join(f"{r['text']},{r['label']}" for r in rows),
        "tsv": "text\tlabel\n" + "\n".join(f"{r['text']}\t{r['label']}" for r in rows),
        "jsonl": "\n".join(map(json.dumps, rows)),
        "json": json.dumps(rows),
        "txt": "\n".join(f"{r['text']}\t{r['label']}" for r in rows),
    }.get(suffix, "PAR1 this is none PAR1")
    path = tmp_path / f"data.{suffix}"
    if case % 2 or suffix == "parquet":
        path.write_bytes(cut(good.encode(), rng))
    elif suffix in ("json", "jsonl"):
        spoilt_rows = spoilt(rows, rng)
        lines = [json.dumps(row) for row in spoilt_rows]
        path.write_text(json.dumps(spoilt_rows) if suffix == "json" else "\n".join(lines))
    else:
        path.write_text(good.replace("film 7", rng.choice([TRICK, '"' * 3, "\0", "a,b\tc,d"])))
    gives_a_clear_error_or_works(lambda: load_task(TaskSource(name=str(path))))


@pytest.mark.parametrize("case", range(30))
def test_an_adapter_config(case: int, tmp_path: Path) -> None:
    rng = random.Random(case)
    config = {
        "peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["query", "value"],
        "lora_dropout": 0.1, "base_model_name_or_path": "x", "auto_mapping": {"parent_library": "os"},
    }  # fmt: skip
    path = tmp_path / "adapter_config.json"
    if case % 3 == 0:
        path.write_bytes(cut(json.dumps(config).encode(), rng))
    else:
        path.write_text(json.dumps(spoilt(config, rng)))
    gives_a_clear_error_or_works(lambda: resolve_method(str(path)))
