"""The table as DataFrame, JSON, CSV, Markdown, LaTeX and on a terminal."""

from __future__ import annotations

import csv
import io
import json

import pandas as pd
import pytest
from rich.console import Console

from whichpeft.analysis import KEYS
from whichpeft.errors import FolderError
from whichpeft.records import Store
from whichpeft.report import Report

from .. import builders

HOSTILE = "50% of a_b & $x {y} #1 \\ <script>alert(1)</script> | `c` [d](e) \x1b[31m"


@pytest.fixture
def report():
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=60),
        *builders.whole("lora:r=8", [0.79, 0.83, 0.81]),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
        builders.ended("ia3", "failed", HOSTILE, phase="fit", purpose="profile"),
        builders.ended("oft", "refused", "the block size does not divide 384", purpose="profile"),
    ]
    return Report(builders.study(["full", "lora:r=8", "ia3", "oft", "zero-shot"]), records)


def printed(report, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    report.print(console)
    return console.file.getvalue()


def test_reads_a_run_folder(tmp_path):
    store = Store(tmp_path)
    store.keep_study(builders.study(["full"]))
    for record in builders.whole("full", [0.8, 0.82, 0.84]):
        store.add(record)
    report = Report.read(tmp_path)
    assert report.rows[0]["score_mean"] == pytest.approx(0.82)
    assert report.study == builders.study(["full"])
    assert "max_train: 2000" in report.study_text


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(FolderError, match=r"no study\.yaml"):
        Report.read(tmp_path)


def test_frame_has_the_keys_and_numbers(report):
    frame = report.table()
    assert list(frame.columns) == list(KEYS)
    assert len(frame) == 5
    assert frame["score_mean"].dtype == "float64"
    assert frame["trainable_parameters"].dtype == "Int64"
    assert frame["p_value"].isna().tolist() == [True, False, True, True, False]
    assert frame["verdict"].fillna("").tolist() == ["baseline", "undecided", "", "", "worse"]
    assert frame.loc[frame["method"] == "ia3", "trainable_parameters"].isna().all()
    assert frame.sort_values("score_mean")["method"].iloc[0] == "zero-shot"


def test_json_is_strict_and_unknown_is_null(report):
    def refuse(constant):
        raise AssertionError(constant)

    rows = json.loads(report.to_json(), parse_constant=refuse)
    assert [list(row) for row in rows] == [list(KEYS)] * 5
    assert rows[2]["status"] == "failed"
    assert rows[2]["score_mean"] is None
    assert rows[0]["seeds"] == [0, 1, 2]
    assert rows[0]["hyperparameters"] == {"learning_rate": 0.001}


def test_csv_can_be_read_back(report):
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert list(rows[0]) == list(KEYS)
    assert rows[2]["score_mean"] == ""
    assert "\x1b[31m" in rows[2]["error"]
    assert json.loads(rows[0]["seeds"]) == [0, 1, 2]
    frame = pd.read_csv(io.StringIO(report.to_csv()))
    assert frame["score_mean"].iloc[0] == pytest.approx(0.82)


def test_markdown_keeps_its_columns_with_any_reason(report):
    text = report.to_markdown()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "82.0 ± 5.0" in text
    assert "<script>" not in text
    assert "ia3, failed: the profile failed in fit" in text
    assert "oft, refused: the block size does not divide 384" in text


def test_latex_is_escaped(report):
    text = report.to_latex()
    assert r"\toprule" in text
    assert r"50\% of a\_b \& \$x \{y\} \#1 \textbackslash{} \textless{}script" in text
    assert r"$-$1.0{\scriptsize$\pm$5.0}" in text
    assert "\x1b" not in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    assert {line.replace(r"\&", "").count("&") for line in body.splitlines()[1:] if line} == {5}


def test_latex_with_unusual_names_needs_only_booktabs():
    name = 'a"b--c`d≥e~f^g'
    text = Report(builders.study([name], seeds=[0]), [builders.final(name, 0, 0.5)]).to_latex()
    escaped = r"a''b-{}-c\textasciigrave{}d$\geq$e\textasciitilde{}f\textasciicircum{}g\strut} &"
    assert escaped in text
    assert r"\textquotedbl" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
def test_the_terminal_never_wraps_the_table(report, width):
    text = printed(report, width)
    assert max(map(len, text.splitlines())) <= width
    row = next(line for line in text.splitlines() if line.startswith("lora:r=8 "))
    assert "81.0 ± 5.0" in row
    assert "\x1b" not in text


def test_a_wide_terminal_shows_more_columns(report):
    wide, narrow = printed(report, 160), printed(report, 60)
    assert all(title in wide for title in ("step ms", "peak memory", "adapter", "status"))
    assert "hidden because" not in wide
    assert "hidden because the terminal is too narrow" in narrow
    assert "minilm on glue/sst2: accuracy, chance 50.0, seeds 0, 1, 2" in wide
    assert "95 % intervals over 3 seeds" in wide
    assert "refused  oft: the block size does not divide 384" in wide


def test_the_terminal_prints_brackets_in_a_method_name():
    method = "lora:target_modules=[q,v]"
    report = Report(builders.study([method], seeds=[0]), [builders.final(method, 0, 0.5)])
    text = printed(report, 120)
    assert method in text
    assert "no intervals, because there is one seed" in text


def test_a_long_name_wraps_and_leaves_room_for_measurements():
    method = "series-adapter:bottleneck=256,target_modules=[up_proj,down_proj]"
    text = printed(Report(builders.study([method]), builders.whole(method, [0.7, 0.72, 0.74])), 100)
    assert max(map(len, text.splitlines())) <= 100
    assert "completed" in text
    assert "no gap: the baseline full is not in the study" in " ".join(text.split())


def test_a_report_without_records_still_prints():
    report = Report(builders.study(), [])
    assert "were not run yet" in printed(report, 100)
    assert len(report.table()) == 2
    assert report.to_markdown()
    assert report.to_latex()
