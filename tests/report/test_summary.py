"""The one-page summary: what a decision needs, as HTML without scripts and as PDF."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from whichpeft.errors import StudyError
from whichpeft.report import Report
from whichpeft.report.page import pdf

from .. import builders

ATTACK = "<script>alert(1)</script>"


class Text(HTMLParser):
    """Collects tags and the text outside styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.text += f"{data} "


def report(methods: int = 2, tasks: tuple[str, ...] = ("a",)) -> Report:
    names = ["full", ATTACK, *(f"lora:r={rank}" for rank in range(1, methods - 1))]
    records = []
    for task in tasks:
        for place, name in enumerate(names):
            adapter = builders.BASE if name == "full" else 9000 + place
            scores = [0.8, 0.82, 0.81 - place / 100]
            records.append(builders.profile(name, adapter=adapter, seconds=60 - place, task=task))
            records += [
                builders.final(name, seed, score, adapter=adapter, task=task)
                for seed, score in enumerate(scores)
            ]
    return Report(builders.study(names, task=None, tasks=list(tasks)), records)


def test_the_summary_has_answer_table_figure_and_origin(tmp_path):
    path = tmp_path / "summary.html"
    report().write_summary(path)
    page = path.read_text()
    found = Text(page)
    assert "script" not in found.tags
    assert found.tags.count("svg") >= 3  # the frontier, and a symbol in each row
    shown = [
        "Which fine-tuning method for minilm on a?", "81.0", "How sure?", "train time",
        "Score and training time", "Conditions:", "2 methods on 3 seeds each", "torch 2.13.0",
    ]  # fmt: skip
    places = [found.text.index(part) for part in shown]
    assert places == sorted(places)
    # The drawing follows light and dark, as the page does.
    assert "var(--ink)" in page.partition("</style>")[2]
    assert len(page) < 100_000


def test_the_summary_shows_the_rows_that_a_decision_needs(tmp_path):
    path = tmp_path / "summary.html"
    report(methods=20).write_summary(path)
    found = Text(path.read_text())
    assert found.tags.count("tr") == 1 + 8
    assert "12 more in the report." in found.text
    assert "full" in found.text


def test_a_study_of_several_tasks_lists_its_answers(tmp_path):
    path = tmp_path / "summary.html"
    report(tasks=("a", "b")).write_summary(path)
    text = Text(path.read_text()).text
    assert text.index("Which fine-tuning method for minilm on a and b?") < text.index("minilm on b")


def test_a_report_without_records_still_has_a_summary(tmp_path):
    path = tmp_path / "summary.html"
    Report(builders.study(), []).write_summary(path)
    assert "No answer yet" in path.read_text()


def test_the_summary_prints_on_one_page(tmp_path):
    if pdf.find_browser() is None:
        pytest.skip("no browser that prints is installed")
    path = tmp_path / "summary.pdf"
    report(methods=20).write_summary(path)
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) == 1


def test_without_a_browser_a_pdf_is_refused_and_html_is_offered(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    path = tmp_path / "summary.pdf"
    with pytest.raises(StudyError, match=r"summary.html and print that"):
        report().write_summary(path)
    assert not path.exists()
    with pytest.raises(StudyError, match=r"ends with .html or .pdf"):
        report().write_summary(tmp_path / "summary.docx")


def test_a_browser_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "find_browser", lambda: "/bin/false")
    with pytest.raises(StudyError, match="/bin/false could not print it"):
        report().write_summary(tmp_path / "summary.pdf")
