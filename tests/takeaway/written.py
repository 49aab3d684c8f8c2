"""Folders that ``--write`` wrote for a run with synthetic records, and the data part of their script."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.methods import resolve_method
from whichpeft.records import Store
from whichpeft.report import Report
from whichpeft.study import TaskSource
from whichpeft.study.spec import short_name
from whichpeft.takeaway import write_takeaway

from .. import builders


def run_folder(
    data: Path | str | TaskSource,
    folder: Path,
    method: str,
    tuned: dict[str, Any] | None = None,
    backbone: str = "minilm",
    **limits: Any,
) -> Path:
    """Return a folder with synthetic records of one real method on a backbone and some data."""
    source = data if isinstance(data, TaskSource) else TaskSource(name=str(data))
    default = resolve_method(method)
    configured = default.with_options(tuned or {}).resolved_for(resolve_backbone(backbone))
    budget = builders.Budget(**{"epochs": 2, "batch_size": 16} | limits)
    shared = {
        "backbone": short_name(backbone),
        "task": short_name(source.name),
        "method_id": default.identity,
        "hyperparameters": configured.hyperparameters,
        "budget": budget,
    }
    store = Store(folder)
    study = builders.study([method], backbone=backbone, task=source, budget=budget, baseline=method)
    store.keep_study(study)
    store.add(builders.profile(method, **shared))
    for seed, score in enumerate((0.80, 0.82, 0.81)):
        record = builders.final(method, seed, score, **shared)
        best = builders.measurements({"validation_score": score}, "validate")
        store.add(type(record)(
            trial=record.trial, setting=record.setting, outcome=record.outcome,
            measurements=(*record.measurements, *best),
        ))  # fmt: skip
        kept = store.adapter_folder(record.trial.fingerprint)
        kept.mkdir(parents=True)
        (kept / "seed.txt").write_text(str(seed))
    return folder


def take(folder: Path, out: Path) -> Path:
    report = Report.read(folder)
    (written,) = write_takeaway(report, report.choose(), folder=folder, out=out)
    assert written == out
    return written


def read(out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> dict[str, Any]:
    """Run the part of a script that reads the data, and return its names."""
    script = (out / "train.py").read_text().partition("\nprocessor = ")[0]
    monkeypatch.setattr(sys, "argv", ["train.py", *options])
    names: dict[str, Any] = {"__file__": str(out / "train.py")}
    exec(compile(script, "train.py", "exec"), names)
    return names


def write_lines(folder: Path, **lines: list[str]) -> Path:
    folder.mkdir()
    for name, written in lines.items():
        (folder / f"{name}.tsv").write_text("\n".join(written) + "\n")
    return folder


def sentences(start: int, count: int) -> list[str]:
    """Return lines like those of CoLA: source, label, mark and text, without a header."""
    return [
        f'gj{i % 3}\t{i % 2}\t{"*" if i % 2 else ""}\t"we saw {i} birds'
        for i in range(start, start + count)
    ]
