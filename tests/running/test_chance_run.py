"""A real study that learned nothing: no advice, its probable causes, and no files to take away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import whichpeft as wp
from whichpeft.analysis.check.check import check
from whichpeft.analysis.time_parts import parts_of
from whichpeft.executors import SilentObserver
from whichpeft.records import Store

from ..forks import Forks

LOW, HIGH = "head:learning_rate=1e-9", "lora:learning_rate=30"
METHODS = ["full:learning_rate=1e-9", LOW, HIGH, "zero-shot"]


@pytest.fixture(scope="module")
def unlearned(
    tiny_backbone: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, wp.Report]:
    """A study of which two methods train far too slowly, and one far too fast."""
    folder = tmp_path_factory.mktemp("unlearned")
    study = wp.Study(
        backbone=str(tiny_backbone),
        task=str(reviews),
        methods=METHODS,
        baseline=METHODS[0],
        seeds=2,
        budget=wp.Budget(epochs=4),
    )
    return folder, wp.run(study, out=folder, device="cpu", observer=SilentObserver())


def test_nothing_is_recommended_and_each_cause_is_named(unlearned: tuple[Path, wp.Report]) -> None:
    (answer,) = json.loads(unlearned[1].choose().to_json())
    assert (answer["method"], answer["basis"]) == (None, "at chance")
    assert not any(candidate["allowed"] for candidate in answer["candidates"])
    (cause,) = answer["causes"]
    assert f"too low a learning rate (full:learning_rate=1e-9 and {LOW}: " in cause
    assert "too high a learning rate (" in cause
    (short,) = unlearned[1].answers
    assert (short.method, short.basis) == (None, "at chance")
    assert short.text.startswith("No method can be recommended: none is shown to beat chance, ")
    assert any("give a lower learning rate" in remark for remark in short.remarks)


def test_no_method_is_handed_over(
    unlearned: tuple[Path, wp.Report], tmp_path: Path, forks: Forks
) -> None:
    done = forks.run("choose", str(unlearned[0]), "--write", str(tmp_path / "away"))
    assert done.returncode == 3
    assert "none is shown to beat chance" in " ".join(done.stdout.split())
    assert "Nothing is written" in done.stderr
    assert not (tmp_path / "away").exists()


def test_check_and_the_page_say_so(unlearned: tuple[Path, wp.Report], tmp_path: Path) -> None:
    folder, report = unlearned
    store = Store(folder)
    found = check(store.study(), store.each(), predictions=store.predictions, curves=store.curve_rows)
    (finding,) = [finding for finding in found if "proved better than chance" in finding.what]
    assert finding.severity == "problem"
    assert "too low a learning rate" in finding.what
    report.write_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "none is shown to beat chance" in page
    assert "Use full" not in page


def test_the_parts_of_a_step_are_measured(unlearned: tuple[Path, wp.Report]) -> None:
    (comparison,) = unlearned[1].comparisons
    for result in comparison.results[:3]:
        parts, step = parts_of(result), result.step_milliseconds
        assert parts is not None
        assert step is not None
        assert sum(parts) == pytest.approx(step, rel=0.5)
