"""Verdicts as readers see them: the column, the notes beneath the table, and the intervals."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from whichpeft.records import Store
from whichpeft.report import Report

from .. import builders

METHODS = ["full", "lora:r=8", "bitfit", "ia3", "zero-shot"]


@pytest.fixture
def records():
    return [
        *builders.whole("full", [0.880, 0.885, 0.879], adapter=builders.BASE),
        *builders.whole("lora:r=8", [0.879, 0.884, 0.880]),
        *builders.whole("bitfit", [0.850, 0.890, 0.860]),
        *builders.whole("ia3", [0.800, 0.805, 0.800]),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
    ]


@pytest.fixture
def report(records):
    return Report(builders.study(METHODS), records, predictions=builders.predictions(records))


def printed(report, width=200):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    report.print(console)
    return console.file.getvalue()


def line(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_untuned_verdicts_are_marked(report):
    text = printed(report)
    assert "baseline   baseline" in line(text, "full")
    assert "equivalent, untuned    within" in line(text, "lora:r=8")
    assert "worse, untuned" in line(text, "ia3")
    # Methods without anything to tune and undecided ones are not marked.
    assert "worse  " in line(text, "zero-shot")
    assert "undecided  " in line(text, "bitfit")
    assert line(text, "untuned:").startswith(
        "untuned: every method ran with its default hyperparameters"
    )
    assert [row["verdict"] for row in json.loads(report.to_json())] == [
        "baseline", "equivalent", "undecided", "worse", "worse",
    ]  # fmt: skip


def test_points_of_a_likelihood_are_explained_as_nats(report):
    assert "hundredths of a nat" not in printed(report)
    records = [builders.final("full", seed, -1.2, metric="log_likelihood") for seed in range(2)]
    assert "in points, hundredths of a nat per token" in printed(
        Report(builders.study(["full"]), records)
    )


def test_tuned_rows_are_not_called_untuned(records):
    better = {"hyperparameters": {"learning_rate": 0.002}}
    tuned = [
        *(builders.tuned("full", number, 0.9 - number / 10) for number in range(2)),
        *(builders.tuned("lora:r=8", number, 0.7 + number / 10) for number in range(2)),
        *(builders.final("lora:r=8", s, x, **better) for s, x in enumerate([0.880, 0.884, 0.880])),
    ]
    whole = [*records, *tuned]
    found = printed(Report(builders.study(METHODS), whole, predictions=builders.predictions(whole)))
    assert "equivalent, untuned" in line(found, "lora:r=8  ")
    assert "equivalent  " in line(found, "lora:r=8 (tuned)  ")
    assert "every method ran with its default" not in found


def test_proved_margins_are_never_rounded_down(records, report):
    row = report.rows[1]
    shown = float(line(printed(report), "lora:r=8").split("within")[1].split()[0])
    assert 0 <= shown - 100 * row["proved_margin"] <= 0.1


def test_every_format_states_what_would_decide(report, tmp_path):
    (needed,) = filter(None, (result.would_decide for result in report.comparisons[0].results))
    assert f"undecided  bitfit: {needed}" in printed(report)
    assert f"- bitfit, undecided: {needed}" in report.to_markdown()
    assert f"Undecided bitfit: {needed}" in report.to_latex()
    report.write_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert f"<b>bitfit</b>: {needed}" in page
    assert "Verdicts: equivalent to full within 2 points" in page
    assert needed in report._repr_html_()


def test_the_notes_state_what_intervals_cover(records, report):
    assert "95 % intervals over 3 seeds and 872 test examples; gap" in printed(report)
    alone = Report(builders.study(METHODS), records)
    assert "95 % intervals over 3 seeds, for this test set only" in printed(alone)


def test_intervals_of_different_kinds_are_distinguished(records):
    whole = builders.predictions(records)
    lacking = {r.trial.fingerprint for r in records if r.trial.method in ("ia3", "full")}
    for names, shown in (("ia3", "ia3: over"), ("full ia3", "full, ia3 and all gaps: over")):
        lacking = {r.trial.fingerprint for r in records if r.trial.method in names.split()}
        report = Report(
            builders.study(METHODS),
            records,
            predictions=lambda name, lacking=lacking: None if name in lacking else whole(name),
        )
        text = "3 seeds and 872 test examples (" + shown + " seeds alone, for this test set only)"
        assert text in printed(report, 300)


def test_one_seed_with_predictions_has_intervals_over_examples():
    records = [builders.final("full", 0, 0.88), builders.final("ia3", 0, 0.60)]
    study = builders.study(["full", "ia3"], seeds=[0])
    text = printed(Report(study, records, predictions=builders.predictions(records)))
    assert "95 % intervals over 872 test examples of one seed" in text
    assert "undecided  ia3: with one seed the variation between seeds is unknown" in text
    assert "untuned" not in text


def test_a_folder_is_read_with_its_predictions(records, report, tmp_path):
    store, predictions = Store(tmp_path), builders.predictions(records)
    store.keep_study(builders.study(METHODS))
    for record in records:
        store.add(record, predictions=predictions(record.trial.fingerprint))
    assert Report.read(tmp_path).rows == report.rows


def test_the_page_says_how_much_was_borrowed(records, report, tmp_path):
    def page(report):
        report.write_html(tmp_path / "page.html")
        return " ".join((tmp_path / "page.html").read_text().split())

    said = (
        "How much scores vary between seeds is estimated from all methods of a table together: the gaps"
    )
    known = [row["seed_degrees_of_freedom"] for row in json.loads(report.to_json())][1:]
    rest = f"rest on {min(known):.0f} to {max(known):.0f} degrees of freedom"
    said_here = f"{said} {rest}. Their own seeds alone have 2."
    assert said_here in page(report)
    few = [record for record in records if record.trial.method in ("full", "ia3")]
    assert said not in page(Report(builders.study(["full", "ia3"]), few))
