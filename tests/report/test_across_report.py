"""Several tasks together: on the terminal, on the page and in figures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from whichpeft.report import Report
from whichpeft.report.figures.across_tasks import across_figures
from whichpeft.report.figures.figure import PRINT, SCREEN

from .. import builders

METHODS = ("full", "lora:r=8", "bitfit", "head")


def made_report(tasks, methods=METHODS):
    rng = np.random.default_rng(0)
    names = [f"task-{i}" for i in range(tasks)]
    records = [
        builders.final(method, 0, 0.9 - 0.1 * i + 0.02 * rng.random(), task=task)
        for task in names
        for i, method in enumerate(methods)
    ]
    return Report(builders.study(methods, task=None, tasks=names, seeds=[0]), records)


def printed(report, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    report.print(console)
    return " ".join(console.file.getvalue().split())


def test_the_terminal_ranks_methods_below_the_tables():
    report = made_report(5)
    text = printed(report, 160)
    ranking = text.split("minilm over 5 tasks")[1]
    assert (
        ranking.index("full")
        < ranking.index("lora:r=8")
        < ranking.index("bitfit")
        < ranking.index("head")
    )
    assert "task-4" in ranking
    assert "the order of the methods is more than chance (Friedman test, p = 0.0018)" in ranking
    assert "differ by more than 2.1 differ significantly" in ranking
    narrow = printed(report, 90).split("minilm over 5 tasks")[1].split("minilm on task-0")[0]
    assert "task-4" not in narrow


def test_one_task_has_no_ranking():
    report = made_report(1)
    assert report.across == []
    assert "over" not in printed(report, 160).split("paired by seed")[-1]


def test_two_tasks_are_ranked_without_a_test():
    text = printed(made_report(2), 160)
    assert "not tested: 2 tasks are too few to test an order" in text


def test_the_same_records_give_the_same_probabilities():
    assert made_report(5).across == made_report(5).across


@pytest.mark.parametrize("size", [PRINT, *SCREEN])
@pytest.mark.parametrize("tasks", [2, 5])
def test_the_figures_are_drawn_at_every_size(size, tasks):
    (across,) = made_report(tasks).across
    for figure in across_figures(across, size).values():
        assert figure.chart.to_dict(validate=True)


def test_bars_join_methods_that_do_not_differ():
    (across,) = made_report(5).across
    assert across.order.groups == (("full", "lora:r=8", "bitfit"), ("lora:r=8", "bitfit", "head"))
    figure = across_figures(across, PRINT)["ranks"]
    bars = figure.chart.to_dict()["hconcat"][1]["data"]["values"]
    assert [bar["text"] for bar in bars] == ["full, lora:r=8, bitfit", "lora:r=8, bitfit, head"]
    assert bars[0]["top"] < bars[1]["top"] < bars[0]["bottom"] < bars[1]["bottom"]
    assert "Bars at the right" in figure.caption


def test_the_page_shows_the_ranking_before_the_comparisons(tmp_path):
    made_report(2, methods=("full", "<b>x")).write_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    heading = '{}-heading">minilm {}</h2>'
    whole = page.index(heading.format("across-0", "over 2 tasks"))
    assert whole < page.index(heading.format("comparison-0", "on task-0"))
    assert "Average ranks over all tasks" in page
    assert "P(equivalent)" in page
    assert "<b>x" not in page


def test_the_figures_have_their_own_files(tmp_path, monkeypatch):
    monkeypatch.setattr("whichpeft.report.figure_set.figures", lambda comparison, size, published: {})
    written = made_report(3).write_figures(tmp_path)
    assert {path.name for path in written} == {
        f"minilm-all-tasks-{name}.{suffix}"
        for name in ("scores", "ranks")
        for suffix in ("png", "svg", "pdf", "csv")
    } | {"captions.md"}
