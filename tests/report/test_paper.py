"""Tables for papers: LaTeX that fits a column, with options, notes and the papers of the methods."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from typer.testing import CliRunner

from whichpeft.cli.app import app
from whichpeft.errors import StudyError
from whichpeft.methods import MethodInfo, methods
from whichpeft.methods.bibliography import bibliography, citation_key
from whichpeft.records import Store
from whichpeft.report import Report
from whichpeft.report.tables.latex import _measured_cell
from whichpeft.report.tables.layout import Layout, make_layout, split_methods

from .. import builders

NARROWEST = 219  # points: a column of the ACL style, the narrowest of the usual ones
LONG = "series-adapter:bottleneck=64,target_modules=[up_proj,down_proj]"

# Widths of Computer Modern Roman at its size of 10 points, in points.
_WIDTHS = {
    **dict.fromkeys("0123456789agko", 5.0),
    **dict.fromkeys("bdhnpu", 5.56),
    **dict.fromkeys("cez", 4.45),
    **dict.fromkeys("kqvxy", 5.28),
    **dict.fromkeys("ijl.,:;", 2.78),
    **dict.fromkeys("fts()", 3.95),
    **dict.fromkeys(" -r", 3.95),
    **dict.fromkeys("m%MGB", 8.34),
    **dict.fromkeys("w+=±~", 7.78),
}


def text_width(text, size):
    """Estimate the width of text in a size of Computer Modern; small sizes are a little wider."""
    wider = {8: 1.0625, 7: 1.138}[size]
    return sum(_WIDTHS.get(char, 7.5) for char in text) * size / 10 * wider


def cell_width(cell):
    cell = re.sub(r"\\multicolumn\{\d\}\{.\}", "", cell)
    if cell.startswith(r"\parbox[t]{5.7em}"):
        return 5.7 * 8.5
    small = re.findall(r"\{\\scriptsize\$\\pm\$([^}]*)\}", cell)
    cell = re.sub(r"\{\\scriptsize.*?\}", "", cell)
    mark = 4.5 if "$^{" in cell else 0.0
    cell = re.sub(r"\$\^\{.*?\}\$", "", cell)
    bold = 1.15 if r"\textbf" in cell else 1.0
    for latex, char in ((r"$-$", "~"), (r"\textendash{}", "-"), (r"\%", "%"), (r"\_", "_")):
        cell = cell.replace(latex, char)
    cell = re.sub(r"\\\w+|[{}$]", "", cell)
    return text_width(cell, 8) * bold + sum(text_width("±" + half, 7) for half in small) + mark


def table_width(text):
    """Estimate the width of the first table of a LaTeX text, in points."""
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line.removesuffix(r" \\").split(" & ") for line in body.splitlines() if "&" in line]
    columns = list(zip(*rows, strict=True))
    return sum(max(map(cell_width, column)) for column in columns) + 5 * (len(columns) - 1)


@pytest.fixture
def report():
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=600),
        *builders.whole("lora:r=8", [0.79, 0.83, 0.81]),
        *builders.whole(LONG, [0.49, 0.53, 0.51]),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
        builders.ended("ia3", "failed", "out of memory", phase="fit", purpose="profile"),
    ]
    return Report(builders.study(["full", "lora:r=8", LONG, "ia3", "zero-shot"]), records)


@pytest.fixture
def folder(report, tmp_path):
    store = Store(tmp_path / "run")
    store.keep_study(report.study)
    for record in report.records:
        store.add(record)
    return store.folder


def rows_of(text):
    body = text[text.rindex(r"\midrule") : text.rindex(r"\bottomrule")]
    return [line.removesuffix(r" \\").split(" & ") for line in body.splitlines()[1:]]


def test_six_columns_fit_the_narrowest_column(report):
    text = report.to_latex()
    assert text.startswith("\\begin{table}\n")
    assert "method & score & gap & trained & time & mem." in text
    assert {len(row) for row in rows_of(text)} == {6}
    assert table_width(text) < NARROWEST


def test_an_interval_that_ends_where_the_metric_does_is_uneven():
    assert _measured_cell("98.2 [94.9, 100.0]", bold=True) == r"\textbf{98.2}$^{+1.8}_{-3.3}$"
    assert _measured_cell("-1.5 [-3.0, +1.0]", bold=False) == "$-$1.5$^{+2.5}_{-1.5}$"
    assert _measured_cell("12.3 kB", bold=False) == "12.3 kB"


def test_a_table_with_more_columns_spans_both(report):
    names = "score,gap,verdict,trainable,adapter,peak-memory,step-ms"
    assert r"\begin{table*}" in report.to_latex(make_layout([names]))


def test_units_stand_in_the_heading_and_the_best_is_bold(report):
    text = report.to_latex()
    assert r" &  &  & (\%) & (min) & (MB) \\" in text
    rows = {row[0]: row for row in rows_of(text)}
    assert rows["full"][1] == r"\textbf{82.0}{\scriptsize$\pm$6.5}"
    assert rows["full"][4] == "10.0"
    assert rows["lora:r=8"][3].startswith(r"\textbf{")
    assert r"\textbf" not in "".join(rows["zero-shot"])  # it trains nothing, so its costs are no feat
    assert r"$\downarrow$~worse" in text
    assert rows["zero-shot"][2].endswith(r"$^{\downarrow}$")


def test_notes_stand_beneath_and_state_the_statistics(report):
    text = report.to_latex()
    caption = re.search(r"\\caption\{(.*)\}", text)[1]
    assert caption == r"minilm on glue/sst2: accuracy, chance 50.0, seeds 0, 1, 2."
    assert r"\label{tab:minilm-glue-sst2}" in text
    beneath = text[text.index(r"\end{tabular}") :]
    assert "averaged over three seeds" in beneath
    assert "adjusted over three methods (step-down maximum)" in beneath
    assert "ia3: failed, the profile failed in fit: out of memory; " in beneath
    assert report.statistics[0].startswith("Scores are accuracy in points, averaged over three seeds")


def test_a_choice_of_methods_does_not_change_what_was_compared(report):
    text = report.to_latex(Layout(methods=("lora:r=8", "full"), sort="score", columns=("gap",)))
    assert [row[0] for row in rows_of(text)] == ["full", "lora:r=8"]
    assert "adjusted over three methods" in text
    assert "Compared and not shown:" in text
    whole = {row[0]: row[2] for row in rows_of(report.to_latex())}
    assert rows_of(text)[1][1] == whole["lora:r=8"]


def test_columns_are_sorted_with_the_best_first(report):
    def names(sort):
        return [row[0] for row in rows_of(report.to_latex(Layout(sort=sort, columns=("score",))))]

    assert names("score")[:2] == ["full", "lora:r=8"]
    assert names("score")[-1] == "ia3"  # without a score
    assert names("train time")[-2:] == ["full", "ia3"]
    assert names("method")[0] == "full"


def test_markdown_and_the_terminal_take_the_same_choice(report):
    layout = make_layout(["score,peak-memory"], "score", ["lora:r=8,full"])
    lines = [line for line in report.to_markdown(layout).splitlines() if line.startswith("|")]
    assert lines[0] == "| method | score | peak memory |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| full", "| lora:r=8"]


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout(columns=("scor",)), "--columns: unknown column 'scor'; did you mean 'score'"),
        (Layout(sort="time"), "--sort: unknown column 'time'"),
        (Layout(methods=("lora:r=9",)), "--methods: unknown method of this study 'lora:r=9'"),
    ],
)
def test_a_wrong_name_is_refused_with_the_known_ones(report, layout, message):
    with pytest.raises(StudyError, match=re.escape(message)):
        report.to_latex(layout)


@pytest.mark.parametrize(
    ("text", "methods"),
    [
        ("full,lora", ["full", "lora"]),
        ("lora:r=8,lora_dropout=0.1,full", ["lora:r=8,lora_dropout=0.1", "full"]),
        ("lora:target_modules=[q,v], head", ["lora:target_modules=[q,v]", "head"]),
        ("lora:r=2,lora:r=4", ["lora:r=2", "lora:r=4"]),
    ],
)
def test_methods_are_split_at_commas_outside_their_options(text, methods):
    assert split_methods(text) == methods


def test_every_method_with_a_paper_has_an_entry():
    infos = [kind.info for kind in methods().values()]
    keys = {info.name: citation_key(info) for info in infos}
    assert [name for name, key in keys.items() if key is None] == ["zero-shot", "trainable-tokens"]
    assert len(set(keys.values())) == len(keys) - 1
    assert keys["lora"] == "hu2021lora"
    assert keys["olora"] == "buyukakyuz2024olora"


def test_the_bibliography_cites_each_part_once():
    text = bibliography(["lora:r=8", "lora+bitfit", "trainable-tokens", "of-a-plug-in"])
    assert text.count("@misc{") == 2
    assert "title = {{LoRA: Low-Rank Adaptation of Large Language Models}}" in text
    assert "author = {Hu and others}" in text
    assert "author = {{Ben Zaken} and others}" in text
    assert "eprint = {2106.09685}" in text
    assert "% trainable-tokens: no paper; huggingface/peft" in text
    assert "% of-a-plug-in: this method is not installed" in text


def test_a_method_of_a_plug_in_is_cited_by_its_address():
    info = MethodInfo(name="x", description="y", paper="Doe and Roe 2025, doi 10.1/2", paper_title="Z")
    assert citation_key(info) == "doe2025x"


def test_the_command_writes_and_says_what_it_wrote(folder, tmp_path):
    bib = tmp_path / "papers.bib"
    arguments = ["report", str(folder), "--format", "latex", "--methods", "full", "--bib", str(bib)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert f"Written: {bib}" in " ".join(done.stderr.split())
    assert done.stdout.startswith(r"\begin{table}")
    assert bib.read_text().count("@misc{") == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_latex_sets_the_table_within_a_column(report, tmp_path):
    (tmp_path / "paper.tex").write_text(
        r"\documentclass[twocolumn]{article}\usepackage[utf8]{inputenc}\usepackage{booktabs}"
        r"\begin{document}" + report.to_latex() + r"\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout
