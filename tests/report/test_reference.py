"""Published results: complete, with their source and reliability."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from whichpeft import reference
from whichpeft.analysis import comparisons, pscp, with_pscp
from whichpeft.errors import RequestError
from whichpeft.report import Report
from whichpeft.report.figures.figure import PRINT
from whichpeft.report.published import tables as published_table
from whichpeft.report.published.overlay import check_published, overlay_published
from whichpeft.report.published.write import published_figures, write_published

from .. import builders

ROWS = {
    "commonsense": 17,
    "arithmetic": 12,
    "domains": 7,
    "hf-metamathqa": 63,
    "peft-bench": 7,
    "peft-bench-cost": 7,
    "parameter-counts": 9,
}


@pytest.mark.parametrize("name", reference.NAMES)
def test_every_table_has_a_source_and_its_reliability(name):
    frame, source = reference.load(name), reference.source(name)
    assert len(frame) == ROWS[name]
    assert frame.attrs["source"].startswith(source.what)
    assert source.published in frame.attrs["source"]
    assert source.reliability
    assert all(line in frame.attrs["source"] for line in source.reliability)
    assert reference.load(source.file).equals(frame)  # the file name works too


@pytest.mark.parametrize(
    ("name", "first", "last", "mean"),
    [("commonsense", "BoolQ", "OBQA", "average"), ("arithmetic", "AQuA", "SVAMP", "Avg")],
)
def test_averages_are_means_of_the_tasks(name, first, last, mean):
    frame = reference.load(name)
    assert (frame.loc[:, first:last].mean(axis=1) - frame[mean]).abs().max() < 0.11


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(RequestError, match="did you mean 'domains'"):
        reference.load("domain")


@pytest.mark.parametrize("name", reference.NAMES)
def test_every_format_includes_source_and_reliability(name):
    screen = Console(file=io.StringIO(), width=80, color_system=None)
    published_table.print_published(name, screen)
    printed = screen.file.getvalue()
    assert max(map(len, printed.splitlines())) <= 80
    words = " ".join(printed.split())
    for line in reference.source(name).reliability:
        assert line in words
        assert line in published_table.as_markdown(name)
    assert r"\bottomrule" in published_table.as_latex(name)
    rows = json.loads(published_table.as_json(name))
    assert len(rows) == ROWS[name] == published_table.as_csv(name).count("\n") - 1
    assert "NaN" not in published_table.as_json(name)


def test_many_data_sets_become_rows():
    columns, rows = published_table.as_text("peft-bench")
    assert [column.title for column in columns][:3] == ["data set", "Base", "IA3"]
    assert len(rows) == 27
    assert rows[0] == ["MNLI", "59.2", "91.1", "59.9", "48.0", "85.7", "91.1", "91.2"]


def test_pscp_reproduces_the_published_values():
    frame = reference.load("peft-bench-cost").dropna(subset=["published_pscp"])
    assert len(frame) == 6
    for row in frame.to_dict(orient="records"):
        found = pscp(
            row["score_percent"],
            trainable=row["trainable_parameters"],
            extra_tflop=row["extra_inference_tflops"],
            memory_gigabytes=row["peak_memory_gb"],
        )
        assert found == pytest.approx(row["published_pscp"], abs=0.006)
    with pytest.raises(ValueError, match="score is -1"):
        pscp(-1.0, trainable=1, extra_tflop=0, memory_gigabytes=1)


@pytest.fixture
def own():
    records = []
    for method, score, seconds in (("full", 0.9, 60), ("head", 0.6, 5), ("lora:r=8", 0.85, 30)):
        adapter = {"full": builders.BASE, "head": 0}.get(method, 99_000)
        records.append(builders.profile(method, seconds=seconds, adapter=adapter))
        records += [builders.final(method, seed, score, adapter=adapter) for seed in range(2)]
    return Report(builders.study(["full", "head", "lora:r=8"]), records)


def test_pscp_of_own_results_is_a_bound_if_inference_is_unknown(own):
    (comparison,) = map(with_pscp, own.comparisons)
    results = {result.method: result for result in comparison.results}
    head, lora = results["head"], results["lora:r=8"]
    assert head.pscp.low == head.pscp.high < head.score_mean
    assert lora.pscp.low is None  # no FLOPs on record
    assert 0 < lora.pscp.high < lora.score_mean
    assert "pscp_high" not in own.rows[0]
    text = own.with_pscp().to_markdown()
    assert "PSCP" in text
    assert "94" in text
    assert "at most" in text
    assert "PSCP" not in own.to_markdown()
    assert list(json.loads(own.with_pscp().to_json())[0])[-2:] == ["pscp_low", "pscp_high"]
    assert own.with_pscp().to_csv().splitlines()[0].endswith("on_frontier,pscp_low,pscp_high")
    assert {*own.with_pscp().table()} == {*own.table()}


def marks(chart):
    """Return the rows of every data set in a chart, those that several marks share once."""
    found, stack = [], [chart.to_dict()]
    while stack:
        part = stack.pop()
        found += [row for row in part.get("data", {}).get("values", []) if row not in found]
        stack += [inner for key in ("layer", "hconcat", "vconcat") for inner in part.get(key, [])]
    return found


def test_own_results_are_filled_and_published_ones_hollow(own):
    figure = overlay_published(own.comparisons[0], "domains", PRINT)
    points = [row for row in marks(figure.chart) if "hollow" in row]
    assert {row["name"] for row in points if not row["hollow"]} == {"head", "lora:r=8"}
    assert sum(row["hollow"] for row in points) == 7
    assert next(row for row in points if row["name"] == "head")["y"] == pytest.approx(100 * 0.6 / 0.9)
    assert "not comparable" in figure.caption
    many = overlay_published(own.comparisons[0], "hf-metamathqa", PRINT)
    theirs = [row for row in marks(many.chart) if row.get("hollow")]
    assert 40 < len(theirs) < 62
    assert f"Left out of the published results, below 60 %: {62 - len(theirs)}." in many.caption


def test_the_page_adds_pscp_and_published_results_on_request(own, tmp_path):
    path = tmp_path / "report.html"
    own.with_pscp().write_html(path, published="domains")
    written = path.read_text(encoding="utf-8")
    title = "Performance retained against trainable share, with published results"
    assert f"<h3>{title}</h3>" in written
    assert "Protein Models" in written
    assert ">PSCP</th>" in written
    assert "its constants were chosen for large models" in written
    own.write_html(path)
    assert title not in path.read_text(encoding="utf-8")
    assert ">PSCP</th>" not in path.read_text(encoding="utf-8")


def test_the_data_file_distinguishes_own_and_published_results(own, tmp_path):
    own.write_figures(tmp_path, published="domains")
    with (tmp_path / "beside-domains.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["from"] for row in rows] == ["this study"] * 2 + ["published"] * 7
    assert float(rows[0]["retention_percent"]) == pytest.approx(100 * 0.6 / 0.9)


def test_a_table_without_full_fine_tuning_is_refused():
    assert check_published("hf_metamathqa") == "hf-metamathqa"
    with pytest.raises(RequestError, match=r"no full fine-tuning.*domains or hf-metamathqa"):
        check_published("commonsense")


def test_without_scores_the_figure_explains_why_it_is_empty():
    (comparison,) = comparisons(builders.study(["full", "head"]), [])
    figure = overlay_published(comparison, "domains", PRINT)
    assert "no method of this study" in json.dumps(figure.chart.to_dict())


def test_figures_show_the_numbers_of_their_tables(tmp_path):
    figures = published_figures()
    for name, stem in (("commonsense", "commonsense-by-method"), ("arithmetic", "arithmetic-by-task")):
        assert {*published_figures(name)} < {*figures}
        assert stem in published_figures(name)
    bars = marks(figures["commonsense-by-method"].chart)
    assert {"x": "PrefT", "y": 64.6, "text": "0.110"} in bars
    assert {"y": 77.0} in bars  # ChatGPT's line
    assert {"x": "Arithmetic Reasoning", "y": 90, "text": "90 %"} in marks(
        figures["retention-by-domain"].chart
    )
    grid = marks(figures["peft-bench-by-data-set"].chart)
    assert len({(row["row"], row["column"]) for row in grid}) == 27 * 7
    named = [row["name"] for row in marks(figures["hf-metamathqa-against-memory"].chart) if row["label"]]
    assert "lily rank140-mlp-a2-b2-s8.0" in named
    assert len(named) < 12
    for figure in figures.values():
        assert "ublished in" in figure.caption
    written = write_published(tmp_path, "domains")
    assert {path.name for path in written} == {
        f"retention-{stem}.{suffix}"
        for stem in ("by-domain", "against-share")
        for suffix in ("png", "svg", "pdf")
    } | {"captions.md"}
    with pytest.raises(RequestError, match="parameter-counts has no figures"):
        published_figures("parameter_counts")
