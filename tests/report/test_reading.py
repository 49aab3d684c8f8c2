"""What was read of the data is said in two lines that fit 80 columns, whatever the names are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from whichpeft.records import LengthReading, Reading, TaskReading
from whichpeft.report import Report
from whichpeft.report.tables.reading import as_values, lines_on_reading, reading_lines

from .. import builders

REVIEWS = TaskReading(
    name="reviews",
    text_columns=("review",),
    label_column="stars",
    problem="classification",
    classes={"bad": 40, "good": 52, "fine": 31},
    rows={"train": 99, "validation": 12, "test": 12},
    unused_columns=("id", "date"),
    metric="macro_f1",
)
LENGTHS = LengthReading(
    task="reviews", backbone="minilm", median=92, p95=340, longest=612, limit=256, cut=17, count=123
)


def test_two_lines_say_what_a_person_checks() -> None:
    assert reading_lines(REVIEWS) == [
        "reviews: text from review, label from stars; unused: id and date",
        "  classification, 3 classes: bad (40), good (52) and fine (31)",
        "  123 rows: 99 train, 12 validation, 12 test; score: macro_f1",
    ]


def test_lengths_say_how_many_inputs_are_cut() -> None:
    def said(**changes: int) -> str:
        return " ".join(reading_lines(REVIEWS, [replace(LENGTHS, **changes)])[2:])

    assert "13.8 % of the inputs are cut at 256 tokens for minilm" in " ".join(said().split())
    assert "median 92, 95 % up to 340, longest 612" in " ".join(said().split())
    assert "all inputs are cut at 256 tokens" in " ".join(said(cut=123).split())
    assert "1 input is cut" in " ".join(said(cut=1).split())
    assert "tokens for minilm: median 92" in " ".join(said(cut=0).split())
    assert "cut" not in said(cut=0)


def test_the_class_of_a_metric_is_said_once() -> None:
    named = replace(REVIEWS, metric="f1:fraud", positive_class="fraud")
    assert reading_lines(named)[-1].endswith("score: f1:fraud")
    unnamed = replace(REVIEWS, metric="f1", positive_class="fraud")
    assert reading_lines(unnamed)[-1].endswith("score: f1 of fraud")


def test_many_classes_and_columns_are_counted_and_long_names_are_cut() -> None:
    wide = replace(
        REVIEWS,
        text_columns=("what the customer wrote, in full and without any change at all",),
        classes={f"class {i}": i for i in range(150)},
        unused_columns=tuple(f"column {i}" for i in range(90)),
    )
    lines = reading_lines(wide, [LENGTHS])
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 8
    text = " ".join(" ".join(lines).split())
    assert "150 classes: class 0 (0)" in text
    assert "142 more" in text
    assert "column 5 and 84 more" in text
    assert "what the customer wrote, in full and wi…" in text


def test_control_characters_of_names_do_not_reach_the_terminal() -> None:
    nasty = replace(REVIEWS, label_column="a\x1b[31m\nb", unused_columns=("\x07",))
    assert all(line.isprintable() for line in reading_lines(nasty))


def test_notes_follow_with_what_they_are_of() -> None:
    noted = replace(REVIEWS, notes=("3 rows without a label are left out",))
    reading = Reading(tasks=(noted,), notes=("node 2 is left out",))
    assert list(lines_on_reading(reading))[-2:] == [
        "node 2 is left out",
        "reviews: 3 rows without a label are left out",
    ]


def test_values_hold_all_that_is_said_of_a_task_among_its_notes() -> None:
    values = as_values(Reading(tasks=(REVIEWS,), lengths=(replace(LENGTHS, cut=123),)))
    (task,) = values["tasks"]
    assert task["classes"] == {"bad": 40, "good": 52, "fine": 31}
    (note,) = task["notes"]
    assert "all inputs are cut at 256 tokens" in note


def test_a_newer_reading_counts_and_the_rest_stays() -> None:
    other = replace(REVIEWS, name="letters")
    kept = Reading(tasks=(REVIEWS, other), lengths=(LENGTHS,), notes=("slow",), earlier_records=True)
    newer = Reading(tasks=(replace(REVIEWS, metric="accuracy"),), notes=("slow", "new"))
    both = kept.extended(newer)
    assert [(task.name, task.metric) for task in both.tasks] == [
        ("reviews", "accuracy"),
        ("letters", "macro_f1"),
    ]
    assert both.lengths == (LENGTHS,)
    assert both.notes == ("slow", "new")
    assert both.earlier_records


def test_a_report_repeats_the_notes_of_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    noted = replace(REVIEWS, notes=("3 rows without a label are left out",))
    reading = Reading(tasks=(noted,), lengths=(replace(LENGTHS, cut=123),), notes=("node 2 is slow",))
    report = Report(builders.study(["full"]), builders.whole("full", [0.8, 0.9]), reading=reading)
    report.print(Console(width=200))
    printed = capsys.readouterr().out
    for said in ("node 2 is slow", "reviews: 3 rows without a label are left out", "all inputs are cut"):
        assert f"{said}" in printed
        assert said in report.to_markdown()
        assert any(said in note for note in report.notes)
