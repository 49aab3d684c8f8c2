"""Figures of gaps, learning, costs, sizes, backbones and tasks: drawings and captions."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from whichpeft.report import Report
from whichpeft.report.figure_set import figures
from whichpeft.report.figures.across_backbones import backbone_figures
from whichpeft.report.figures.across_tasks import across_figures
from whichpeft.report.figures.figure import PRINT, SCREEN
from whichpeft.report.figures.render import save
from whichpeft.report.page.page import page

from .. import builders

STEP = {"forward_milliseconds": 30.0, "backward_milliseconds": 45.0, "optimizer_milliseconds": 5.0}


def drawn(report, name, size=PRINT):
    return figures(report.comparisons[0], size)[name]


def values(figure):
    return figure.chart.to_dict(validate=True)["data"]["values"]


@pytest.fixture
def report():
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=60, memory=9e8),
        *builders.whole("lora:r=8", [0.79, 0.83, 0.81]),
        *builders.whole("bitfit", [0.60, 0.61, 0.62], adapter=500),
        builders.ended("ia3", "failed", "out of memory", phase="fit"),
    ]
    return Report(builders.study(["full", "lora:r=8", "bitfit", "ia3"]), records)


def test_each_measured_cost_has_a_frontier(report):
    found = figures(report.comparisons[0], PRINT)
    group = {name: figure.label for name, figure in found.items() if figure.group == "cost"}
    assert group == {
        "frontier": "training time",
        "frontier-trainable": "trainable parameters",
        "frontier-memory": "peak memory",
        "frontier-adapter-size": "adapter size",
    }
    rows = {row["method"]: row for row in found["frontier-memory"].rows}
    assert rows["full"]["peak_memory_bytes"] == 9e8
    assert rows["lora:r=8"]["on_observed_frontier"]
    assert {v["name"]: v["x"] for v in values(found["frontier-memory"])}["full"] == pytest.approx(900)
    assert 0 < rows["full"]["frontier_probability"] < 1


def test_gaps_are_sorted_and_show_their_verdicts(report):
    figure = drawn(report, "gaps")
    rows = {row["method"]: row for row in report.rows}
    marks = values(figure)
    assert [mark["name"] for mark in marks] == ["lora:r=8", "bitfit"]
    for mark in marks:
        row = rows[mark["name"]]
        assert mark["gap"] == pytest.approx(100 * row["gap_mean"])
        assert mark["verdict"].startswith(row["verdict"])
    assert "because they have no gap: ia3" in figure.caption
    assert "Shaded: the margin of 2 points" in figure.caption


def test_a_very_wide_interval_ends_in_an_arrow():
    records = [*builders.whole("full", [0.9, 0.3, 0.8]), *builders.whole("bitfit", [0.3, 0.9, 0.7])]
    figure = drawn(Report(builders.study(["full", "bitfit"], seeds=3), records), "gaps")
    (mark,) = values(figure)
    assert mark["beyond_left"]
    assert mark["beyond_right"]
    assert figure.rows[0]["gap_low_points"] < mark["low"] < mark["high"]
    assert mark["high"] < figure.rows[0]["gap_high_points"]
    assert "Arrow: " in figure.caption


def test_without_a_baseline_the_gap_figure_explains_why_it_is_empty():
    records = [*builders.whole("lora:r=8", [0.8, 0.8]), *builders.whole("bitfit", [0.7, 0.7])]
    report = Report(builders.study(["lora:r=8", "bitfit"], seeds=2), records)
    figure = drawn(report, "gaps")
    assert figure.empty_because == "the baseline full is not in the study"
    assert figure.empty_because in str(figure.chart.to_dict())
    assert figure.rows == ()
    written = page(report.contents)
    assert "Not drawn: Gap to full: the baseline full is not in the study." in written
    assert "<h3>Gap to full</h3>" not in written


def test_a_page_without_scores_has_no_empty_figures():
    report = Report(builders.study(["full", "bitfit"]), [builders.ended("full", "failed", "no memory")])
    written = page(report.contents)
    assert "<figure>" not in written
    assert "Not drawn" not in written


def test_methods_that_train_nothing_do_not_compress_the_gaps():
    idle = [
        replace(record, measurements=tuple(m for m in record.measurements if "param" not in m.name))
        for record in (builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(2))
    ]
    records = [
        *builders.whole("full", [0.8, 0.82]),
        *builders.whole("bitfit", [0.7, 0.75]),
        builders.idle_profile(),
        *idle,
    ]
    report = Report(builders.study(["full", "bitfit", "zero-shot"], seeds=2), records)
    figure = drawn(report, "gaps")
    assert [mark["name"] for mark in values(figure)] == ["bitfit"]
    assert "Not drawn, because they train nothing: zero-shot -31.0 [" in figure.caption
    alone = Report(
        builders.study(["full", "zero-shot"], seeds=2),
        [r for r in records if r.trial.method != "bitfit"],
    )
    assert [mark["name"] for mark in values(drawn(alone, "gaps"))] == ["zero-shot"]


def test_learning_curves_average_seeds_until_the_first_one_ends():
    records = [r for m in ("full", "bitfit") for r in builders.whole(m, [0.8, 0.9, 0.7])]
    ends = {0: 3, 1: 4, 2: 4}
    curves = {
        r.trial.fingerprint: [
            (10 * step, name, value)
            for step in range(1, ends[r.trial.seed] + 1)
            for name, value in (
                ("train_loss", 1 / step),
                ("validation_score", 0.5 + 0.1 * r.trial.seed),
            )
        ]
        for r in records
        if r.trial.method == "full" and r.trial.purpose == "final"
    }
    report = Report(builders.study(["full", "bitfit"]), records, curves=curves.get)
    figure = drawn(report, "learning")
    scores, losses = figure.chart.to_dict(validate=True)["hconcat"]
    assert [v["step"] for v in losses["data"]["values"]] == [10, 20, 30]
    for value in scores["data"]["values"]:
        assert [value[key] for key in ("mean", "low", "high")] == pytest.approx([60, 50, 70])
    assert [v["mean"] for v in losses["data"]["values"]] == pytest.approx([1, 1 / 2, 1 / 3])
    assert "No curve: bitfit" in figure.caption
    assert len(figure.rows) == 6
    assert "learning" not in figures(Report(report.study, records).comparisons[0], PRINT)


def test_step_time_is_stacked_by_phase_and_memory_shown_by_peak():
    base = builders.profile("full", memory=4e8)
    timed = replace(
        base,
        measurements=base.measurements
        + builders.measurements(STEP | {"evaluation_memory_bytes": 1.5e8}, "profile"),
    )
    records = [timed, builders.final("full", 0, 0.8), *builders.whole("bitfit", [0.7])]
    report = Report(builders.study(["full", "bitfit"], seeds=1), records)
    figure = drawn(report, "step-time")
    bars = [(v["part"], v["from"], v["to"]) for v in values(figure)]
    assert bars == [("forward", 0, 30), ("backward", 30, 75), ("optimiser", 75, 80)]
    assert "Not measured: bitfit" in figure.caption
    memory = drawn(report, "memory")
    peaks = {(v["name"], v["part"]): v["to"] for v in values(memory)}
    assert peaks == {("full", "training"): 400, ("full", "evaluation"): 150, ("bitfit", "training"): 400}
    assert figure.group == memory.group


def test_a_size_sweep_needs_two_sizes_of_a_method(report):
    assert "size-sweep" not in figures(report.comparisons[0], PRINT)
    sizes = {4: 0.70, 8: 0.78, 64: 0.79}
    records = builders.whole("full", [0.9, 0.9])
    for rank, score in sizes.items():
        name = f"lora:r={rank}"
        records += builders.whole(name, [score, score], adapter=1000 * rank)
    swept = Report(builders.study(["full", *(f"lora:r={rank}" for rank in sizes)], seeds=2), records)
    figure = drawn(swept, "size-sweep")
    assert [(row["size"], row["adapter_parameters"]) for row in figure.rows] == [
        (4, 4000), (8, 8000), (64, 64000)
    ]  # fmt: skip
    assert [row["score_points"] for row in figure.rows] == pytest.approx([70, 78, 79])
    assert "observed score: lora r=8." in figure.caption
    assert [v["label"] for v in values(figure)] == ["4", "8", "lora r=64"]


def test_the_gap_is_drawn_by_backbone_size():
    counts = {"small": 1_000_000, "large": 50_000_000, "middle": 9_000_000}
    gaps = {"small": 0.10, "middle": 0.04, "large": 0.01}
    records = []
    for name, count in counts.items():
        for method, score in (("full", 0.9), ("lora:r=8", 0.9 - gaps[name])):
            for record in (builders.final(method, seed, score, backbone=name) for seed in range(2)):
                counted = [
                    replace(m, value=count + builders.HEAD) if m.name == "full_parameters" else m
                    for m in record.measurements
                ]
                records.append(replace(record, measurements=tuple(counted)))
    study = builders.study(["full", "lora:r=8"], backbone=None, backbones=list(counts), seeds=2)
    report = Report(study, records)
    (over,) = report.backbones
    assert over.backbones == (("small", 1_000_000), ("middle", 9_000_000), ("large", 50_000_000))
    assert over.methods == ["lora:r=8"]
    # Names of backbones of similar size are placed above each other.
    alike = replace(
        over,
        backbones=(("bert-base", 110_000_000), ("roberta-base", 125_000_000), ("large", 400_000_000)),
    )
    for shown, rows in ((over, 1), (alike, 2)):
        chart = backbone_figures(shown, PRINT)["gap-by-backbone"].chart.to_dict(validate=True)
        names = [
            layer
            for layer in chart["layer"]
            if layer["encoding"].get("text", {}).get("field") == "backbone"
        ]
        assert len(names) == rows
        assert len({layer["encoding"]["y"]["value"] for layer in names}) == rows
    figure = backbone_figures(over, PRINT)["gap-by-backbone"]
    assert [v["gap"] for v in values(figure)] == pytest.approx([-10, -4, -1])
    written = page(report.contents)
    assert "by size of the backbone" in written
    assert figure.title in written
    assert Report(builders.study(["full"]), builders.whole("full", [0.8])).backbones == []


@pytest.mark.parametrize("with_baseline", [True, False])
def test_the_heat_map_has_every_score_and_gap(with_baseline):
    names = ("full" if with_baseline else "head", "bitfit")
    records = [
        builders.final(method, 0, score, task=task)
        for task, scores in (("a", (0.9, 0.8)), ("b", (0.6, 0.7)))
        for method, score in zip(names, scores, strict=True)
    ]
    report = Report(builders.study(names, task=None, tasks=["a", "b"], seeds=[0]), records)
    figure = across_figures(report.across[0], PRINT)["scores"]
    cells = {(v["method"], v["task"]): v for v in values(figure)}
    assert cells["bitfit", "a"]["score"] == pytest.approx(80)
    assert cells["bitfit", "a"]["gap"] == pytest.approx(-10 if with_baseline else -5)
    assert cells["bitfit", "b"]["gap"] == pytest.approx(10 if with_baseline else 5)
    assert ("that of full" if with_baseline else "the mean of all methods") in figure.caption


@pytest.mark.parametrize("size", [PRINT, *SCREEN])
def test_names_stay_text_in_every_drawing(size, tmp_path):
    bad = '<script>alert("x")</script>'
    records = [*builders.whole("full", [0.8, 0.8]), *builders.whole(bad, [0.7, 0.7])]
    report = Report(builders.study(["full", bad], seeds=2), records)
    for name in ("frontier", "gaps", "memory"):
        written = save(drawn(report, name, size), tmp_path, name)
        svg = next(path for path in written if path.suffix == ".svg").read_text()
        assert "<script" not in svg
        assert 'aria-roledescription="' in svg
        table = next(path for path in written if path.suffix == ".csv")
        with table.open(newline="") as file:
            assert bad in {row["method"] for row in csv.DictReader(file)}


def test_the_data_file_of_a_figure_has_its_rows(report, tmp_path):
    figure = drawn(report, "frontier")
    written = save(figure, tmp_path, "frontier")
    with next(path for path in written if path.suffix == ".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == [row["method"] for row in figure.rows]
    assert [float(row["train_seconds"]) for row in rows] == [row["train_seconds"] for row in figure.rows]
    assert set(rows[0]) >= {"score_points", "score_low_points", "score_high_points"}
