"""Figures: what they draw, what their captions list as left out, and their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from whichpeft.report import Report
from whichpeft.report.figure_set import figures
from whichpeft.report.figures.figure import PRINT, SCREEN
from whichpeft.report.figures.label_placement import Box, Spot, place
from whichpeft.report.figures.render import save, slugs
from whichpeft.report.figures.scales import Axes, Point, cut_at, log_ticks
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
        *("efficiency", "memory"),
    }
    assert {path.relative_to(tmp_path) for path in written} == {
        Path(folder) / f"{stem}{suffix}"
        for folder in ("", "column")
        for stem in stems
        for suffix in (*MAGIC, ".csv")
    } | {Path("captions.md"), Path("column/captions.md")}
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(written)
    for path in written:
        if path.suffix in MAGIC:
            assert path.read_bytes().startswith(MAGIC[path.suffix])


def test_the_files_have_no_titles_and_the_captions_are_beside_them(report, tmp_path):
    report.write_figures(tmp_path)
    assert "Gap to full" not in (tmp_path / "gaps.svg").read_text(encoding="utf-8")
    captions = (tmp_path / "captions.md").read_text(encoding="utf-8")
    assert "## gaps\n\n**Gap to full.** minilm on glue/sst2: accuracy, chance 50.0" in captions
    assert "Score minus that of full, paired by seed" in captions


def test_incomplete_methods_are_hollow_and_not_on_the_frontier(report):
    figure = figures(report.comparisons[0], PRINT)["frontier-trainable"]
    assert names_drawn(figure.chart) == {"full", "lora:r=8", "bitfit"}
    assert "Hollow, and not on the frontier, because incomplete or in another setting: bitfit." in (
        figure.caption
    )
    assert {row["method"]: row["on_observed_frontier"] for row in figure.rows} == {
        "full": True, "lora:r=8": True, "bitfit": False,
    }  # fmt: skip
    hollow = [v["name"] for data in _values(figure.chart.to_dict()) for v in data if v.get("hollow")]
    assert hollow == ["bitfit"]


def test_frontier_shows_each_methods_probability(report):
    figure = figures(report.comparisons[0], PRINT)["frontier"]
    assert names_drawn(figure.chart) == {"full", "lora:r=8"}
    assert "without a score or a comparable training time: bitfit 70.0, ia3." in figure.caption
    assert "because they cost nothing: zero-shot 50.0." in figure.caption
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
    assert {path.stem for path in written} == {"frontier", "efficiency", "captions"}


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


@pytest.mark.parametrize(
    ("lengths", "cut"),
    [
        ([1, 2, 3, 30], 3.75),
        ([1, 2, 3, 8], None),  # long, but not three times as long
        ([1, 2, 30], None),  # too few to call one an outlier
        ([1, 1, 1, 1, 2, 2, 40, 50], 2.5),  # two of eight
        ([0, 0, 0, 9], None),
    ],
)
def test_an_axis_ends_before_outliers(lengths, cut):
    assert cut_at(lengths) == cut


def test_an_outliers_bar_ends_in_an_arrow(report):
    records = [
        builders.profile("full", adapter=builders.BASE),
        *(builders.final("full", seed, 0.8, adapter=builders.BASE) for seed in range(3)),
    ]
    methods = ["lora:r=1", "lora:r=2", "lora:r=4", "series-adapter"]
    for i, method in enumerate(methods):
        # The last one trains three times what full fine-tuning trains, and holds ten times the memory.
        size = {"adapter": 3 * builders.BASE, "memory": 4e9} if i == 3 else {"adapter": 9000}
        records.append(builders.profile(method, **size))
        records += [builders.final(method, s, 0.8, adapter=size["adapter"]) for s in range(3)]
    found = figures(Report(builders.study(["full", *methods]), records).comparisons[0], PRINT)
    bars = found["memory"].chart.to_dict(validate=True)["data"]["values"]
    assert [bar["beyond"] for bar in bars] == [False] * 4 + [True]
    assert bars[-1]["to"] == pytest.approx(1.25 * bars[0]["to"])
    assert bars[-1]["total"] == "4 GB"
    assert "Arrow: the bar is longer than the axis." in found["memory"].caption
    shares = found["efficiency"].chart.to_dict(validate=True)["hconcat"][0]
    assert shares["data"]["values"][-1]["beyond"]
    assert shares["data"]["values"][-1]["text"].startswith("-20")
    low, _ = shares["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert low == pytest.approx(-24)
    assert "Arrow" in found["efficiency"].caption


def test_a_score_far_below_the_others_does_not_set_the_axis():
    records = [*builders.whole("full", [0.90, 0.91, 0.92], adapter=builders.BASE)]
    for method, score in (("lora:r=1", 0.9), ("lora:r=2", 0.89), ("lora:r=4", 0.88), ("prompt", 0.2)):
        records += builders.whole(method, [score, score + 0.01, score])
    study = builders.study(["full", "lora:r=1", "lora:r=2", "lora:r=4", "prompt"])
    found = figures(Report(study, records).comparisons[0], PRINT)
    low, high = found["frontier"].chart.to_dict()["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    assert high - low < 30
    assert "prompt 20.3 \N{DOWNWARDS ARROW}" in str(found["frontier"].chart.to_dict())
    assert "Arrow: the score is below the axis." in found["frontier"].caption
    gaps = {row["name"]: row for row in found["gaps"].chart.to_dict()["data"]["values"]}
    assert gaps["prompt"]["outside"]
    assert gaps["prompt"]["beyond_left"]
    assert not any(row["outside"] for name, row in gaps.items() if name != "prompt")
    assert "Arrow: the gap or its interval extends further." in found["gaps"].caption


def test_on_a_narrow_screen_names_cover_neither_bars_nor_each_other():
    methods = {
        "full": (18, 83), "head": (4.6, 69), "top-layers": (8.2, 82), "lora:r=8": (12.5, 79.8),
        "adalora": (13.3, 79.7), "bitfit": (11.2, 77.2), "ia3": (10.9, 80), "ln-tuning": (10.1, 80.2),
    }  # fmt: skip
    points = [
        Point(name=name, x=x, y=y, low=y - 2.5, high=y + 2.5, colour="red")
        for name, (x, y) in methods.items()
    ]
    size = SCREEN[-1]
    axes = Axes(x_title="x", y_title="y", width=size.width, height=size.height, zero_x=True)
    spec = scatter(points, axes)
    low, high = spec["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    left, right = spec["layer"][-1]["encoding"]["x"]["scale"]["domain"]
    names, bars = [], []
    for row in spec["data"]["values"]:
        x = size.width * (row["x"] - left) / (right - left)
        y, top, bottom = (size.height * (high - row[key]) / (high - low) for key in ("y", "high", "low"))
        bars.append(Box(x - 0.75, top, x + 0.75, bottom))
        width = 6.0 * len(row["label"])
        start = x + row["dx"] - {"left": 0, "center": width / 2, "right": width}[row["align"]]
        names.append(Box(start, y + row["dy"] - 6, start + width, y + row["dy"] + 6))
    assert all(name.overlap(bar) < 1 for name in names for bar in bars)
    assert all(a.overlap(b) == 0 for i, a in enumerate(names) for b in names[:i])


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
