"""A study of one method and one seed on tiny models, trained in this process, with its adapter."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.cli import app
from whichpeft.engine import FinalWork, Job, Placement
from whichpeft.engine.carry_out import carry_out
from whichpeft.methods import resolve_method
from whichpeft.metrics.metric import Array
from whichpeft.planning import make_plan
from whichpeft.records import Record, Store
from whichpeft.report import Report
from whichpeft.study import Budget, Study, TaskSource
from whichpeft.takeaway import write_takeaway
from whichpeft.tasks import load_task
from whichpeft.tasks.encoded_data import write_data

from .. import builders


@dataclass(frozen=True)
class Taken:
    """A method that was taken away, and what the study had tested."""

    folder: Path
    """What was written."""

    record: Record
    """The record of the trial."""

    arrays: dict[str, Array]
    """What the trial predicted of the test set."""


Take = Callable[..., Taken]


@pytest.fixture
def take_away(tmp_path: Path) -> Take:
    """Return a function that trains a method and writes its files."""

    def take(method: str, source: TaskSource, backbone: str, **budget: int) -> Taken:
        task, found = load_task(source), resolve_backbone(backbone)
        study = Study(
            backbone=backbone,
            task=source,
            methods=[method],
            baseline=method,
            seeds=[0],
            budget=Budget(**{"epochs": 2, **budget}),
            precision="float32",
        )
        (cell,) = make_plan(study, [found], [task], {method: resolve_method(method)}).cells
        assert cell.refusal is None
        data, _ = write_data(task, found, study.budget, tmp_path)
        store = Store(tmp_path / "run")
        store.keep_study(study)
        (trial,) = cell.finals
        keep = store.adapter_folder(trial.fingerprint)
        work = FinalWork(keep=keep)
        job = Job(trial=trial, backbone=cell.backbone, method=cell.method, data=data,
                  placement=Placement(device="cpu"), work=work)  # fmt: skip
        result = carry_out(job, lambda progress: None)
        assert result.record.outcome.status == "completed", result.record.outcome
        # A tiny model is no better than chance, and such a method would not be chosen.
        facts = [fact for fact in result.record.measurements if fact.name != "chance"]
        low = builders.measurements({"chance": -1.0}, "test")
        store.add(replace(result.record, measurements=(*facts, *low)), predictions=result.predictions)
        store.add(replace(builders.profile(method), trial=cell.profile))
        report = Report.read(store.folder)
        (folder,) = write_takeaway(report, report.choose(), folder=store.folder, out=tmp_path / "taken")
        return Taken(folder, result.record, dict(result.predictions))

    return take


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pairs of texts with classes: whether both are about the same thing."""
    folder = tmp_path_factory.mktemp("data") / "pairs"
    things = ("film", "story", "cast", "script")
    rows = [
        (f"the {a} is {how}", f"a {how} {b} it was", "same" if a == b else "other")
        for a in things
        for b in things
        for how in ("dull", "warm", "clever", "stale", "lovely", "empty")
    ]
    return write_sets(folder, ("premise", "hypothesis", "label"), rows)


@pytest.fixture(scope="session")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of texts with values far from 0, in which train, validation and test are not apart."""
    folder = tmp_path_factory.mktemp("data") / "ratings"
    words = {"awful": 110.0, "dull": 140.5, "fair": 180.0, "warm": 215.5, "lovely": 260.0}
    rows = [
        (f"the {thing} was {word}, {other}", value + len(thing))
        for thing in ("film", "story", "cast", "script", "ending")
        for word, value in words.items()
        for other in ("they said", "I hear", "as it seems", "to be honest")
    ]
    folder.mkdir()
    write_rows(folder / "all.csv", ("review", "rating"), rows)
    return folder / "all.csv"


def write_sets(folder: Path, names: tuple[str, ...], rows: list[tuple[object, ...]]) -> Path:
    """Write rows in random order as three sets."""
    folder.mkdir()
    order = np.random.default_rng(0).permutation(len(rows))
    mixed = [rows[i] for i in order]
    cuts = [0, len(rows) // 2, 3 * len(rows) // 4, len(rows)]
    for name, start, stop in zip(("train", "dev", "test"), cuts, cuts[1:], strict=False):
        write_rows(folder / f"{name}.csv", names, mixed[start:stop])
    return folder


def write_rows(path: Path, names: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


@pytest.fixture
def whichpeft(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command in this process: its exit code, output and messages."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["whichpeft", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.main()
        said = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), said.out, said.err

    return run
