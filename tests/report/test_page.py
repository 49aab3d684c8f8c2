"""The page: complete, safe with any content of records, and drawn without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from whichpeft.records import BackboneReading, LengthReading, Reading, TaskReading
from whichpeft.report import Report
from whichpeft.report.answer import KeyFigure

from .. import builders

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Elements(HTMLParser):
    """Collects elements with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data


@pytest.fixture
def report():
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=60),
        *builders.whole("lora:r=8", [0.79, 0.83, 0.81]),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
        builders.ended("ia3", "failed", "out of memory", phase="fit", purpose="profile"),
    ]
    return Report(builders.study(["full", "lora:r=8", "ia3", "zero-shot"]), records)


@pytest.fixture
def page(report, tmp_path):
    path = tmp_path / "report.html"
    report.write_html(path)
    return path


def test_a_screening_trial_that_failed_is_among_the_failures(tmp_path):
    records = [
        *builders.whole("full", [0.8, 0.9]),
        builders.screened("full", 1, 94, 0.5, status="failed"),
    ]
    Report(builders.study(["full"]), records).write_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "full (screening trial) on glue/sst2" in Elements(page).text


def test_the_page_is_complete(page):
    text = " ".join(Elements(page.read_text()).text.split())
    for part in (
        "sst2-minilm",
        "4 methods on 3 seeds each",
        "3 epochs in batches of 16, at most 2,000 training examples",
        "2,000 train, 872 test examples",
        "82.0 [77.0, 87.0]",
        "80 [75, 90]",
        "the profile failed in fit: out of memory",
        "whichpeft run study.yaml",
        "max_train: 2000",
        "processor: Test CPU",
        "memory: 8 GB",
        "torch 2.13.0",
        "Score and training time",
        "Score and trainable parameters",
        "Efficiency in three views",
    ):
        assert part in text, part


def test_question_and_answer_come_first_and_the_table_directly_below(page):
    text = Elements(page.read_text()).text.partition("Which fine")[2]
    order = [
        "-tuning method for minilm on glue/sst2?", "How sure?", "All methods", "score, points",
        "Score and training time", "How this report was made",
    ]  # fmt: skip
    places = [text.index(part) for part in order[:-1]] + [text.rindex(order[-1])]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("certainty", "kind", "word"),
    [("proved", "proved", "Proved"), ("likely", "likely", "Likely"), ("best bet", "bet", "Best bet")],
)
def test_an_answer_shows_its_parts_and_its_certainty_as_a_badge(report, tmp_path, certainty, kind, word):
    given = replace(
        report.answers[0],
        method="lora:r=8",
        certainty=certainty,
        advice="Use lora.",
        why=None,
        limit_cost="Your limit costs 28 points.",
        reason="Because.",
        figures=(KeyFigure(value="81.0 points", label="accuracy", detail=f"full: {ATTACK}"),),
        cautions=("It was still improving (--epochs 6).",),
        next_command="whichpeft choose runs --write out",
    )
    report.contents.__dict__["answers"] = [given]
    path = tmp_path / "page.html"
    report.write_html(path)
    elements = Elements(path.read_text())
    badges = [a["class"] for _, a in elements.found if "badge" in (a.get("class") or "")]
    assert badges == [f"badge {kind}"]
    assert "improving (<code>--epochs 6</code>)." in path.read_text()  # no line breaks in an option
    text = " ".join(elements.text.split())
    start = text.index("Which fine-tuning method")
    shown = [
        "lora:r=8", word, "Use lora.", "Your limit costs 28 points.", "81.0 points", "It was still",
        "How sure? Because.", "whichpeft choose runs --write out", "recommended",
    ]  # fmt: skip
    places = [text.index(part, start) for part in shown]
    assert places == sorted(places)
    rows = [a["class"] for tag, a in elements.found if tag == "tr" and a.get("data-method")]
    assert [("chosen" in one) for one in rows] == [False, True, False, False]


def test_the_page_loads_nothing(page):
    elements = Elements(page.read_text())
    assert elements.open == []
    for tag, attributes in elements.found:
        assert tag not in ("link", "iframe", "img", "object", "embed"), tag
        for name in ("src", "srcset", "data", "action"):
            assert name not in attributes, (tag, attributes)
        assert (attributes.get("href") or "#").startswith("#"), attributes
    style = re.search(r"<style>(.*?)</style>", page.read_text(), re.DOTALL)
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    policy = [a for t, a in elements.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy[0]["content"]


def test_no_name_or_reason_can_inject_markup(tmp_path):
    study = builders.study(["full", ATTACK], name=ATTACK, task=ATTACK, backbone=ATTACK, seeds=[0])
    names = {"task": ATTACK, "backbone": ATTACK}
    attacked = replace(builders.SETTING, hardware={ATTACK: ATTACK}, versions={ATTACK: ATTACK})
    records = [
        builders.final("full", 0, 0.5, metric=ATTACK, setting=attacked, **names),
        builders.profile("full", **names),
        builders.profile(ATTACK, hyperparameters={ATTACK: ATTACK}, **names),
        builders.ended(
            ATTACK, "failed", ATTACK, phase=ATTACK, hyperparameters={ATTACK: ATTACK}, **names
        ),
        builders.final(ATTACK, 1, 0.4, hyperparameters={ATTACK: ATTACK}, **names),
    ]
    report = Report(study, records)
    path = tmp_path / "report.html"
    report.write_html(path)
    elements = Elements(path.read_text())
    assert [tag for tag, _ in elements.found].count("script") == 4
    assert not [tag for tag, _ in elements.found if tag == "img"]
    assert not [a for _, a in elements.found if any(name.startswith("on") for name in a)]
    assert "alert(1)" in elements.text
    fragment = Elements(report._repr_html_())
    assert not [tag for tag, _ in fragment.found if tag in ("script", "img")]


def test_the_notebook_fragment_is_the_table_alone(report):
    fragment = report._repr_html_()
    assert "<table>" in fragment
    assert "<script" not in fragment
    assert "81.0 ± 5.0" in fragment


def test_a_report_without_records_still_has_a_page(tmp_path):
    Report(builders.study(), []).write_html(tmp_path / "deep" / "report.html")
    assert "no method has both" in (tmp_path / "deep" / "report.html").read_text()


def test_importing_reports_loads_neither_torch_nor_altair():
    code = (
        "import sys, whichpeft.report; "
        "print([m for m in ('torch', 'altair', 'vl_convert', 'scipy', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_omits_costs_that_were_not_measured(tmp_path):
    profile = builders.profile("full", adapter=builders.BASE)
    more = builders.measurements({"forward_milliseconds": 30.0, "peak_share": 0.4}, "profile")
    profile = replace(profile, measurements=(*profile.measurements, *more))
    records = [profile, builders.final("full", 0, 0.8), builders.idle_profile()]
    Report(builders.study(["full", "zero-shot"]), records).write_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    text = " ".join(Elements(page).text.split())
    assert "80 [75, 90]" in text
    assert "forward" in text
    assert "40 %" in text
    assert "energy" not in text
    assert 'data-value="30.0"' in page


def test_the_page_says_what_was_read(report, tmp_path):
    task = TaskReading(
        name="sst2",
        text_columns=("sentence",),
        label_column="mood",
        problem="classification",
        classes={"bad": 30, ATTACK: 90},
        rows={"train": 100, "test": 20},
        unused_columns=("row id",),
        metric="f1:bad",
        positive_class="bad",
        notes=(f"3 rows have no label {ATTACK}",),
    )
    lengths = LengthReading(
        task="sst2", backbone="minilm", median=9, p95=31, longest=612, limit=256, cut=12, count=120
    )
    reading = Reading(
        tasks=(task,),
        lengths=(lengths,),
        backbones=(BackboneReading(name="minilm", notes=("its pooler is new",)),),
        notes=("node 2 is left out",),
    )
    path = tmp_path / "read.html"
    Report(report.study, report.records, reading=reading).write_html(path)
    text = "".join(Elements(path.read_text()).text.split())
    assert ATTACK not in path.read_text()
    for said in (
        "not used row id", "score f1:bad", "rows 100 train, 20 test", "bad 30 25.0 %",
        "minilm 120 9 31 612 256 12 (10.0 %)", "3 rows have no label", "minilm: its pooler is new",
        "node 2 is left out",
    ):  # fmt: skip
        assert said.replace(" ", "") in text, said


def test_a_folder_that_does_not_say_what_was_read_has_no_such_section(page):
    assert "What was read" not in page.read_text()
