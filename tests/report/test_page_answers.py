"""The page's part on single test examples, and the same as JSON."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

from whichpeft.cli import app as cli
from whichpeft.records import ExampleTexts, Reading, Store, TaskReading
from whichpeft.report import Report
from whichpeft.report.page.answers import answers_section

from .. import builders

ATTACK = "<script>alert(1)</script>"
METHODS = ("full", "lora:r=8", "bitfit")


def arrays_of(labels, classes, *, seed, strength):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(len(labels), classes)) + strength * np.eye(classes)[labels]
    return {"outputs": outputs.astype(np.float32), "labels": labels}


def made(classes=3, *, count=120, texts=True, methods=METHODS, names=None):
    """A report whose methods answer with classes, the later methods worse."""
    labels = np.random.default_rng(5).integers(0, classes, count)
    records, found = [], {}
    for place, method in enumerate(methods):
        adapter = builders.BASE if method == "full" else 10_000 * (place + 1)
        records.append(builders.profile(method, adapter=adapter, seconds=60 - place))
        for seed in range(3):
            arrays = arrays_of(labels, classes, seed=10 * place + seed, strength=3 - 0.3 * place)
            score = float((arrays["outputs"].argmax(axis=1) == labels).mean())
            records.append(builders.final(method, seed, score, adapter=adapter))
            found[records[-1].trial.fingerprint] = arrays
    names = names or [f"class {n}" for n in range(classes)]
    reading = Reading(
        tasks=(
            TaskReading(
                name="glue/sst2",
                problem="classification",
                metric="accuracy",
                classes=dict.fromkeys(names, 10),
            ),
        )
    )
    kept = ExampleTexts(
        task="glue/sst2",
        data="d1",
        places=tuple(range(count)),
        inputs=tuple((f"example {n} {ATTACK}",) for n in range(count)),
    )
    report = Report(
        builders.study(methods),
        records,
        predictions=found.get,
        reading=reading,
        texts=[kept] if texts else [],
    )
    return report, records, found, (reading, kept)


def section(report):
    (one,) = report.contents.answered
    return answers_section(one, report.comparisons[0])


def text_of(page: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_page_says_what_is_answered_well_and_shows_examples(tmp_path):
    report, *_ = made(names=["dog", "cat", f"cow {ATTACK}"])
    path = tmp_path / "report.html"
    report.write_html(path)
    page = path.read_text()
    assert ATTACK not in page
    split = f"example {report.example_answers[0].shown.split[0].place}"
    text = text_of(page)
    part = text[text.index("Right and wrong answers") :]
    shown = [
        "is best at", "Its most frequent mistake is", "Every seed of every method is right on",
        "Scores by class", "class test examples full lora:r=8 bitfit dog", "Confusion matrices",
        "Examples to read", "Where methods differ", split,
        "How often methods disagree", "method full lora:r=8 bitfit",
    ]  # fmt: skip
    places = [part.index(words) for words in shown]
    assert places == sorted(places)


def test_the_sentences_hold_the_numbers_of_the_answers():
    report, *_ = made()
    (found,) = report.example_answers
    own = next(one for one in found.classes if one.method == found.shown.of_method)
    best, worst = (choose(own.scores, key=lambda one: one.f1) for choose in (max, min))
    on_classes, on_methods = section(report)["words"]
    assert on_classes.startswith(
        f'{own.method} is best at "{best.name}" (F1 {100 * best.f1:.1f}) and worst at '
        f'"{worst.name}" (F1 {100 * worst.f1:.1f}; {worst.examples} test examples). Its most frequent'
    )
    assert (
        f"right on {found.disagreement.all_right} of the 120 examples, and wrong on "
        f"{found.disagreement.all_wrong}." in on_methods
    )


def test_the_matrix_of_the_recommended_method_comes_first_with_recall_and_precision():
    report, *_ = made()
    (found,) = report.example_answers
    first, *others = section(report)["matrices"]
    assert first["method"] == found.shown.of_method
    assert len(others) == 2
    own = next(one for one in found.classes if one.method == first["method"])
    assert [row["recall"] for row in first["rows"]] == [f"{100 * s.recall:.1f}" for s in own.scores]
    assert first["precision"] == [f"{100 * s.precision:.1f}" for s in own.scores]


def test_many_classes_and_methods_are_cut_to_the_most_telling_ones():
    methods = ("full", *(f"lora:r={rank}" for rank in range(1, 16)))
    report, *_ = made(40, count=400, methods=methods)
    found = section(report)
    assert len(found["classes"]["rows"]) == 24
    assert len(found["classes"]["methods"]) == 12
    assert "full" in found["classes"]["methods"]
    assert found["matrices"] == []
    assert 0 < len(found["mistakes"]) <= 15
    notes = " ".join(found["classes"]["notes"])
    assert "24 of 40 classes" in notes
    assert "12 of 16 methods" in notes
    assert "so one answer more or less changes its recall by" in notes
    assert all(len(row["answers"]) <= 5 for one in found["lists"] for row in one["rows"])


def test_without_texts_the_page_gives_numbers_and_says_why(tmp_path):
    report, *_ = made(texts=False)
    path = tmp_path / "report.html"
    report.write_html(path)
    text = text_of(path.read_text())
    assert "The run folder has no texts or names of the test examples" in text
    place = report.example_answers[0].shown.split[0].place
    assert re.search(rf"Where methods differ.* {place + 1} right: ", text)


def test_a_report_without_predictions_has_no_such_part(tmp_path):
    report = Report(builders.study(), [*builders.whole("full", [0.8, 0.8, 0.9])])
    path = tmp_path / "report.html"
    report.write_html(path)
    assert report.example_answers == []
    assert "Right and wrong answers" not in path.read_text()


def test_the_command_writes_strict_json(tmp_path, monkeypatch, capsys):
    _, records, found, (reading, kept) = made()
    store = Store(tmp_path / "run")
    store.keep_study(builders.study(METHODS))
    store.keep_reading(reading)
    store.keep_example_texts((kept,))
    for record in records:
        store.add(record, predictions=found.get(record.trial.fingerprint))
    path = tmp_path / "answers.json"
    command = ["whichpeft", "report", str(store.folder), "--answers", str(path)]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit):
        cli.main()
    assert str(path) in capsys.readouterr().err
    (written,) = json.loads(Path(path).read_text())
    (expected,) = Report.read(store.folder).example_answers
    assert written["disagreement"]["all_wrong"] == expected.disagreement.all_wrong
    assert written["classes"][0]["confusion"] == expected.classes[0].confusion.tolist()
    assert written["shown"]["split"][0]["inputs"] == [
        f"example {expected.shown.split[0].place} {ATTACK}"
    ]
    assert {"backbone", "task", "metric", "kind", "examples", "errors", "left_out"} <= set(written)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_the_part_is_accessible_and_fits(open_page, tmp_path, scheme, width):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe-playwright-python, which brings axe-core, is not installed",
    )
    report, *_ = made()
    path = tmp_path / "report.html"
    report.write_html(path)
    opened = open_page(path, color_scheme=scheme, viewport={"width": width, "height": 844})
    opened.drawn()
    opened.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = axe.Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.errors == []
