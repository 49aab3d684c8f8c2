"""The figures of the page: their data as text, and their groups of views."""

from __future__ import annotations

from dataclasses import replace

import pytest

from whichpeft.report import Report
from whichpeft.report.figure_set import figures
from whichpeft.report.figures.figure import PRINT
from whichpeft.report.page.figures import data_of, screen_figures

from .. import builders


@pytest.fixture
def comparison():
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=60),
        *builders.whole("lora:r=8", [0.79, 0.83, 0.81]),
        *(builders.tuned("full", n, 0.7 - n / 100) for n in range(3)),
    ]
    return Report(builders.study(["full", "lora:r=8"]), records).comparisons[0]


def test_data_match_the_marks(comparison):
    drawn = figures(comparison, PRINT)
    (data,) = data_of(drawn["frontier"].chart.to_dict())
    assert data.titles == (
        "method", "score", "train time", "trainable", "peak memory", "adapter", "share of model",
        "on the frontier",
    )  # fmt: skip
    assert [row[0] for row in data.rows] == ["full", "lora:r=8"]
    assert data.rows[1][1:] == (
        "81.0 [76.0, 86.0]", "30 s", "11,000", "400 MB", "40 kB", "0.050 %", "> 99 %",
    )  # fmt: skip


def test_panels_of_the_same_methods_become_one_table(comparison):
    (data,) = data_of(figures(comparison, PRINT)["efficiency"].chart.to_dict())
    assert data.titles == (
        "method", "parameter efficiency, %", "normalised score, %", "time efficiency, %",
    )  # fmt: skip
    assert data.rows[0] == ("full", "0.0", "100.0", "0.0")


def test_data_include_every_trial_of_a_search(comparison):
    (data,) = data_of(figures(comparison, PRINT)["sensitivity"].chart.to_dict())
    assert data.titles[:3] == ("method", "trial", "score")
    assert [row[:3] for row in data.rows] == [
        ("full", "0", "70.0"), ("full", "1", "69.0"), ("full", "2", "68.0"),
    ]  # fmt: skip


def test_every_figure_has_data(comparison):
    for name, figure in figures(comparison, PRINT).items():
        assert data_of(figure.chart.to_dict()), name


def test_views_of_a_group_take_the_place_of_the_first(comparison):
    def draw(size):
        kept = ("frontier", "gaps", "frontier-memory", "efficiency")
        drawn = figures(comparison, size)
        found = {name: drawn[name] for name in kept}
        for name in ("frontier", "frontier-memory"):
            found[name] = replace(found[name], group="cost", label=name)
        return found

    found = screen_figures(draw, "0")["figures"]
    assert [len(one.views) for one in found] == [2, 1, 1]
    assert [view.label for view in found[0].views] == ["frontier", "frontier-memory"]
    ids = [view.id for one in found for view in one.views]
    assert len(set(ids)) == len(ids) == 4
    widths = [size["width"] for size in found[0].views[0].specs]
    assert widths == sorted(widths, reverse=True)
    assert "config" not in found[0].views[0].specs[0]["spec"]
