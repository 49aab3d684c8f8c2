"""The figures of searches: lines with separate names, and every trial with its status."""

from __future__ import annotations

import itertools

import pytest

from whichpeft.report import Report
from whichpeft.report.figure_set import figures
from whichpeft.report.figures.figure import PRINT, SCREEN
from whichpeft.report.figures.label_placement import LINE, distinct, shortened, spread
from whichpeft.report.figures.render import save

from .. import builders


def searched(method, scores, **statuses):
    """Return tuning records; `statuses` has the status of trials that did not complete: t3="stopped"."""
    return [
        builders.ended(
            method, "failed", "no", purpose="tune", number=n,
            hyperparameters={"learning_rate": 0.001 * (1 + n)},
        )
        if statuses.get(f"t{n}") == "failed"
        else builders.tuned(method, n, score, status=statuses.get(f"t{n}", "completed"))
        for n, score in enumerate(scores)
    ]  # fmt: skip


@pytest.fixture
def report():
    better = {"hyperparameters": {"learning_rate": 0.002}}
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=60),
        *builders.whole("lora:r=8", [0.70, 0.71, 0.72]),
        *(builders.final("lora:r=8", seed, 0.82, **better) for seed in range(3)),
        builders.profile("lora:r=8", **better),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
        *searched("full", [0.83, 0.80, 0.70, 0.60, 0.50], t3="stopped", t4="failed"),
        *searched("lora:r=8", [0.70, 0.85, 0.84, 0.40, 0.30], t4="stopped"),
    ]
    return Report(builders.study(["full", "lora:r=8", "zero-shot"]), records)


def values(figure):
    """Return the rows that a chart of one data set is drawn from."""
    return figure.chart.to_dict(validate=True)["data"]["values"]


def test_an_untuned_study_has_no_tuning_figures():
    untuned = Report(builders.study(["full"]), builders.whole("full", [0.8, 0.8, 0.8]))
    assert not {"tuning", "sensitivity"} & set(figures(untuned.comparisons[0], PRINT))


@pytest.mark.parametrize("size", [PRINT, *SCREEN])
def test_tuning_figures_are_drawn_at_every_size(report, size):
    found = figures(report.comparisons[0], size)
    assert {"tuning", "sensitivity"} <= set(found)
    for name in ("tuning", "sensitivity"):
        assert found[name].chart.to_dict(validate=True)


def test_tuning_figures_can_be_written(report, tmp_path):
    found = figures(report.comparisons[0], PRINT)
    for name in ("tuning", "sensitivity"):
        assert all(path.stat().st_size > 200 for path in save(found[name], tmp_path, name))


def test_a_tuned_method_is_one_point(report):
    figure = figures(report.comparisons[0], PRINT)["frontier"]
    assert str(figure.chart.to_dict()).count("'name': 'lora:r=8'") == 1
    assert "Hyperparameters: tuned; defaults for zero-shot." in figure.caption
    efficiency = figures(report.comparisons[0], PRINT)["efficiency"]
    assert "lora:r=8 (2)" not in str(efficiency.chart.to_dict())


def test_lines_start_at_the_default_and_have_names(report):
    figure = figures(report.comparisons[0], PRINT)["tuning"]
    lines = values(figure)
    lora = [value["expected"] for value in lines if value["name"] == "lora:r=8"]
    assert lora[0] == pytest.approx(70)
    assert lora == sorted(lora)
    assert len(lora) == 5
    assert [value["label"] for value in lines if "label" in value] == ["full", "lora:r=8"]
    assert "full with 1 trial, lora:r=8 from 5 trials" in figure.caption
    assert "order depends on the number of trials: 1 of 1" in figure.caption
    assert "2 of 10 trials were stopped early" in figure.caption


def test_many_lines_have_no_shading():
    methods = [f"lora:r={rank}" for rank in range(1, 10)]
    records = [record for method in methods for record in searched(method, [0.5, 0.6, 0.7])]
    figure = figures(Report(builders.study(methods), records).comparisons[0], PRINT)["tuning"]
    marks = [layer["mark"]["type"] for layer in figure.chart.to_dict()["layer"]]
    assert "area" not in marks
    assert "Shaded" not in figure.caption
    # A family has one colour; dashes distinguish its lines.
    assert len({value["colour"] for value in values(figure)}) == 1
    assert len({tuple(value["dash"]) for value in values(figure)}) == 8


def test_every_trial_is_drawn_with_its_status(report):
    figure = figures(report.comparisons[0], PRINT)["sensitivity"]
    drawn = values(figure)
    full = [value for value in drawn if value["panel"] == 0]
    trials = {value["number"]: value for value in full if value["kind"] == "trial"}
    assert set(trials) == set(range(5))
    assert trials[1]["fill"] == trials[1]["colour"]
    assert trials[3]["fill"] == "transparent"
    assert trials[3]["shape"] == "circle"
    assert trials[4]["shape"] != "circle"
    assert trials[4]["y"] < min(value["y"] for number, value in trials.items() if number != 4)
    assert [value["number"] for value in full if value["kind"] == "trial" and value["size"] > 100] == [0]
    (band,) = [value for value in full if value["kind"] == "band"]
    assert (band["y"], band["top"]) == (pytest.approx(82), pytest.approx(83))
    heads = [value["head"] for value in drawn if value["kind"] == "panel"]
    assert heads[0].split("\n")[0] == "≥ 0 of 4 within 1 point"
    assert heads[1].split("\n")[0] == "≥ 2 of 4 within 1 point"
    assert "Hollow" in figure.caption
    assert "Cross" in figure.caption
    assert "shown from 20 trials" in figure.caption


def test_importances_are_shown_with_enough_trials():
    records = [
        builders.tuned(
            "lora", n, 0.5 + 0.01 * n, hyperparameters={"learning_rate": 1e-3 * (n + 1), "r": n % 3}
        )
        for n in range(20)
    ]
    figure = figures(Report(builders.study(["lora"]), records).comparisons[0], PRINT)["sensitivity"]
    (head,) = [value["head"] for value in values(figure) if value["kind"] == "panel"]
    assert "rate\N{NO-BREAK SPACE}0.9" in head
    assert "variance" in figure.caption


def test_without_learning_rates_the_varied_hyperparameter_is_drawn():
    ranks = [8, 16, 2, 16]
    given = [
        builders.tuned("lora", n, 0.5 + n / 10, hyperparameters={"learning_rate": 1e-3, "r": rank})
        for n, rank in enumerate(ranks)
    ]
    same = [
        builders.tuned("head", n, 0.5, hyperparameters={"learning_rate": 1e-3}, seed=n) for n in range(2)
    ]
    report = Report(builders.study(["lora", "head"]), [*given, *same])
    drawn = values(figures(report.comparisons[0], PRINT)["sensitivity"])
    axes = [value["axis"] for value in drawn if value["kind"] == "panel"]
    assert axes == ["r", "nothing varied"]
    ticks = {value["text"]: value["x"] for value in drawn if value["kind"] == "tick"}
    assert list(ticks) == ["2", "8", "16"]
    places = [value["x"] for value in drawn if value["kind"] == "trial" and value["size"] < 100]
    assert places[:4] == [ticks[str(rank)] for rank in ranks]


@pytest.mark.parametrize(
    "heights",
    [
        [100.0, 101.0, 99.0, 180.0],
        [0.0, 0.0, 0.0],
        [200.0] * 5,
        [float(i) for i in range(40)],
        [90.0, 10.0],
        [5.0],
    ],
)
def test_names_in_a_column_do_not_overlap(heights):
    placed = spread(heights, 6.5, 193.5)
    ordered = sorted(placed)
    step = min(LINE, 187 / max(1, len(heights) - 1))
    assert all(b - a >= step - 1e-9 for a, b in itertools.pairwise(ordered))
    assert ordered[0] >= 6.5 - 1e-9
    assert ordered[-1] <= 193.5 + 1e-9
    assert [i for i, _ in sorted(enumerate(placed), key=lambda p: p[1])] == [
        i for i, _ in sorted(enumerate(heights), key=lambda p: p[1])
    ]


def test_names_that_are_far_apart_do_not_move():
    assert spread([20.0, 90.0, 50.0], 6.5, 193.5) == [20.0, 90.0, 50.0]


def test_names_are_shortened_and_stay_distinct():
    assert shortened("lora:r=8,lora_alpha=16", 60) == "lora:r…=16"
    assert shortened("lora:r=8", 60) == "lora:r=8"
    assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]
