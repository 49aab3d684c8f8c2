"""Figures: what they draw, what their captions list as left out, and their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from whichpeft.report import Report
from whichpeft.report.figure_set import figures
from whichpeft.report.figures.figure import PRINT, SCREEN
from whichpeft.report.figures.label_placement import Box, Spot, place
from whichpeft.report.figures.render import save, slugs
from whichpeft.report.figures.scales import Axes, Point, log_ticks, sizes_to_explain
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.style import HUES, PALETTE, colours, looks
from whichpeft.report.published.write import published_figures

from .. import builders

MAGIC = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".svg": b"<svg"}


@pytest.fixture
def report():
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=60),
        *builders.whole("lora:r=8", [0.79, 0.83, 0.81]),
        builders.final("bitfit", 0, 0.7),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
        builders.ended("ia3", "failed", "out of memory", phase="fit", purpose="profile"),
    ]
    return Report(builders.study(["full", "lora:r=8", "bitfit", "ia3", "zero-shot"]), records)


def names_drawn(chart):
    """Return the names of all points in a chart."""
    found = set()
    for data in _values(chart.to_dict(validate=True)):
        found |= {value["name"] for value in data if "name" in value}
    return found


def _values(spec):
    if isinstance(spec, dict):
        if isinstance(spec.get("values"), list) and all(isinstance(v, dict) for v in spec["values"]):
            yield spec["values"]
        for value in spec.values():
            yield from _values(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from _values(value)


def test_files_have_the_format_of_their_suffix(report, tmp_path):
    written = report.write_figures(tmp_path)
    stems = {
        *("frontier", "frontier-trainable", "frontier-memory", "frontier-adapter-size", "gaps"),
        *("score-against-share", "score-against-time", "efficiency", "memory"),
    }
    assert {path.relative_to(tmp_path) for path in written} == {
        Path(folder) / f"{stem}{suffix}"
        for folder in ("", "column")
        for stem in stems
        for suffix in (*MAGIC, ".csv")
    }
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(written)
    for path in written:
        if path.suffix in MAGIC:
            assert path.read_bytes().startswith(MAGIC[path.suffix])


def test_share_lists_the_methods_it_cannot_draw(report):
    figure = figures(report.comparisons[0], PRINT)["score-against-share"]
    assert names_drawn(figure.chart) == {"lora:r=8", "bitfit"}
    assert "Not drawn, because they train nothing: zero-shot 50.0." in figure.caption
    assert "because not measured: ia3" in figure.caption
    assert "full 82.0" in str(figure.chart.to_dict())


def test_time_draws_the_methods_with_a_time(report):
    figure = figures(report.comparisons[0], PRINT)["score-against-time"]
    assert names_drawn(figure.chart) == {"full", "lora:r=8"}
    assert "because not measured: bitfit 70.0, ia3" in figure.caption


def test_frontier_shows_each_methods_probability(report):
    figure = figures(report.comparisons[0], PRINT)["frontier"]
    assert names_drawn(figure.chart) == {"full", "lora:r=8"}
    assert "because incomplete or without a comparable training time: bitfit, ia3." in figure.caption
    assert "because they cost nothing: zero-shot." in figure.caption
    drawn = {v["name"]: v for data in _values(figure.chart.to_dict()) for v in data if "name" in v}
    # The cheapest is certainly on it; full takes longer and is better with a probability of two thirds.
    assert drawn["lora:r=8"]["label"] == "lora:r=8 > 99 %"
    assert 60 < int(drawn["full"]["label"].removeprefix("full ").removesuffix(" %")) < 90
    assert drawn["full"]["opacity"] < drawn["lora:r=8"]["opacity"]


def test_frontier_of_one_seed_gives_no_probability():
    records = [
        builders.profile("full", adapter=builders.BASE),
        builders.final("full", 0, 0.8, adapter=builders.BASE),
    ]
    report = Report(builders.study(["full"], seeds=[0]), records)
    figure = figures(report.comparisons[0], PRINT)["frontier"]
    assert names_drawn(figure.chart) == {"full"}
    assert "probability" not in figure.caption


def test_efficiency_keeps_the_order_of_the_study(report):
    spec = figures(report.comparisons[0], PRINT)["efficiency"].chart.to_dict()
    panels = [layer["layer"][0] for layer in spec["hconcat"]]
    assert [panel["encoding"]["x"]["title"] for panel in panels] == [
        "parameter efficiency, %",
        "normalised score, %",
        "time efficiency, %",
    ]
    assert panels[0]["encoding"]["y"]["sort"] == list(report.study.methods)
    assert "not measured" in str(spec)


@pytest.mark.parametrize("size", [PRINT, *SCREEN])
@pytest.mark.parametrize("scores", [[0.8], [0.8, 0.9], []])
def test_one_method_alone(size, scores):
    records = builders.whole("lora:r=8", scores) if scores else []
    report = Report(builders.study(["lora:r=8"], seeds=[0]), records)
    for figure in figures(report.comparisons[0], size).values():
        assert figure.chart.to_dict(validate=True)


def test_one_method_renders(tmp_path):
    report = Report(
        builders.study(["full"], seeds=[0]), [builders.final("full", 0, 0.8, adapter=builders.BASE)]
    )
    written = report.write_figures(tmp_path)
    assert {path.stem for path in written} == {
        "frontier", "score-against-share", "score-against-time", "efficiency"
    }  # fmt: skip


def test_each_task_has_its_own_files(tmp_path):
    study = builders.study(["full"], seeds=[0], task=None, tasks=["a", "../b"])
    records = [builders.final("full", 0, 0.5, task=task) for task in ("a", "b")]
    written = Report(study, records).write_figures(tmp_path)
    assert {path.stem for path in written if "efficiency" in path.stem} == {
        "minilm-a-efficiency",
        "minilm-b-efficiency",
    }
    assert {path.parent for path in written} == {tmp_path, tmp_path / "column"}


def test_slugs_are_safe_and_distinct():
    assert slugs(["../../etc", "../../ETC", "///"]) == ["etc", "etc-2", "figure"]


def test_a_family_has_the_same_colour_in_every_report():
    chosen = colours(["lora:r=8", "lora:r=16", "lora+bitfit", "bitfit", "x", "y"])
    assert chosen["lora:r=8"] == chosen["lora:r=16"] == chosen["lora+bitfit"]
    assert len(set(chosen.values())) == 4
    assert colours(["y", "bitfit"])["bitfit"] == chosen["bitfit"]
    assert set(colours([f"m{i}" for i in range(30)]).values()) == set(PALETTE[:-2])


def test_a_familys_methods_differ_in_shape_and_dash():
    found = looks(["lora:r=8", "vera", "dora", "bitfit", "prefix", "prompt", "my-own"])
    family = [found[method] for method in ("lora:r=8", "vera", "dora")]
    assert len({look.colour for look in family}) == 1
    assert len({look.shape for look in family}) == len({look.dash for look in family}) == 3
    assert found["prefix"].colour == found["prompt"].colour
    assert len({look.colour for look in found.values()}) == 4
    assert found["my-own"].colour == looks(["my-own"])["my-own"].colour


def test_methods_differ_in_shape_across_families_too():
    found = looks(["full", "head", "top-layers", "lora", "adalora", "bitfit", "ia3", "ln-tuning"])
    assert len({look.shape for look in found.values()}) == 8
    many = looks([f"lora:r={rank}" for rank in range(1, 9)])
    assert len({look.shape for look in many.values()}) == 8


def contrast(one, other):
    """Return the contrast ratio of two colours as WCAG defines it."""
    parts = [[int(hue[i : i + 2], 16) / 255 for i in (1, 3, 5)] for hue in (one, other)]
    linear = [[p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in c] for c in parts]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("hue", HUES)
def test_every_hue_is_clear_on_white_and_clearer_on_black(hue):
    on_white, on_black = HUES[hue]
    assert contrast(on_white, "#ffffff") > 3
    assert contrast(on_black, "#14171d") > 4.5


def test_names_of_near_points_do_not_overlap():
    spots = [Spot(100 + 4 * i, 100 + 3 * i, 6, f"method-{i}") for i in range(4)]
    placed = place(spots, Box(0, 0, 300, 200))
    boxes = []
    for spot, at in zip(spots, placed, strict=True):
        width = 6.0 * len(spot.name)
        left = spot.x + at.dx - {"left": 0, "center": width / 2, "right": width}[at.align]
        boxes.append(Box(left, spot.y + at.dy - 6, left + width, spot.y + at.dy + 6))
    assert all(a.overlap(b) == 0 for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(box.outside(Box(0, 0, 300, 200)) == 0 for box in boxes)


@pytest.mark.parametrize("bounds", [(0.003, 4), (0.5, 0.9), (1e-6, 100), (1.05, 1.95)])
def test_log_axis_always_has_ticks(bounds):
    ticks = log_ticks(*bounds)
    assert len(ticks) >= 2
    assert all(bounds[0] <= tick <= bounds[1] for tick in ticks)


@pytest.mark.parametrize("largest", [0.07, 1, 42, 64, 99, 2e4])
def test_the_legend_of_sizes_has_few_round_values(largest):
    values = sizes_to_explain(largest, 1)
    assert 2 <= len(values) <= 4
    assert 0 < values[0] <= values[-1] <= largest


def test_an_interval_wider_than_the_scale_does_not_squeeze_the_points():
    axes = Axes(x_title="x", y_title="y", width=300, height=200)
    points = [
        Point(name="a", x=1, y=80, colour="red", low=10, high=150),
        Point(name="b", x=2, y=82, colour="red"),
    ]
    spec = scatter(points, axes)
    low, high = spec["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    assert high - low < 20


def test_published_figures(tmp_path):
    found = published_figures("domains") | published_figures("commonsense")
    assert list(found) == [
        "retention-by-domain",
        "retention-against-share",
        "commonsense-by-method",
        "commonsense-against-share",
    ]
    assert "arXiv 2404.13506v2" in found["retention-by-domain"].caption
    assert len(names_drawn(found["commonsense-against-share"].chart)) == 7
    written = save(found["retention-by-domain"], tmp_path, "retention")
    assert all(path.read_bytes().startswith(MAGIC[path.suffix]) for path in written)
