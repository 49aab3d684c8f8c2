"""The page in a browser: drawn, sorted, filtered, printed, and used with the keyboard alone."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import replace

import pytest

from whichpeft.report import Report
from whichpeft.report.page import page as page_module

from .. import builders

ATTACK = "<script>alert(1)</script>"
TABLE = "comparison-0-table"


TIME = "Score and training time"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page on two tasks with a search, a failure, a refusal and a method name that contains markup."""
    methods = ["full", "lora:r=8", "bitfit", "ia3", "prefix", ATTACK]
    study = builders.study(methods, task=None, tasks=["a", "b"])
    records = []
    for task in ("a", "b"):
        for place, (method, memory) in enumerate(
            (("full", 9e8), ("lora:r=8", 4e8), ("bitfit", 11e8), (ATTACK, 2e8))
        ):
            adapter = builders.BASE if method == "full" else 10_000 * (place + 1)
            cost = {"adapter": adapter, "seconds": 60 - 12 * place, "memory": memory}
            records.append(builders.profile(method, task=task, **cost))
            records += [
                builders.final(method, seed, 0.8 + 0.01 * seed * place, task=task, adapter=adapter)
                for seed in range(3)
            ]
        records.append(builders.ended("ia3", "failed", ATTACK, phase="fit", task=task))
        records.append(builders.ended("prefix", "refused", "it has no attention", task=task))
    records += [builders.tuned("full", n, 0.7 - n / 100, task="a") for n in range(3)]
    records.append(builders.tuned("full", 3, 0.5, task="a", status="stopped"))
    path = tmp_path_factory.mktemp("page") / "report.html"
    Report(study, records).write_html(path)
    return path


@pytest.fixture
def opened(open_page, written):
    return open_page(written)


def test_the_page_draws_every_figure_without_requests(opened, written):
    # Four figures on a, two on b, scores and ranks over both; more are folded.
    assert opened.drawn() >= 8
    marks = opened.marks()
    assert len(marks) >= 8
    assert all(marks.values()), marks
    assert opened.requests == [written.as_uri()]
    assert opened.errors == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1200


def test_the_answer_comes_first(opened):
    page = opened.page
    assert page.locator("h1").inner_text() == "Which fine-tuning method for minilm on a and b?"
    leads = page.locator(".answer .lead").all_inner_texts()
    assert len(leads) == 3
    assert page.locator(".answers h3").all_inner_texts() == ["minilm on a", "minilm on b"]
    assert all(lead.startswith("Use ") for lead in leads)
    # Question, method and certainty are seen without scrolling; the reasons are folded.
    for one in ("h1", ".headline", ".badge", ".sure > summary"):
        box = page.locator(f".first {one}").bounding_box()
        assert box["y"] + box["height"] < 900, one
    assert page.locator(".sure p:visible").count() == 0


def test_the_table_is_near_the_top_and_needs_no_scrolling_sideways(open_page, tmp_path):
    study = builders.study(["full", "lora:r=8"])
    records = [
        *builders.whole("full", [0.8, 0.82, 0.83], adapter=builders.BASE),
        *builders.whole("lora:r=8", [0.7, 0.8, 0.75]),
    ]
    path = tmp_path / "report.html"
    Report(study, records).write_html(path)
    opened = open_page(path, viewport={"width": 1280, "height": 900})
    table = opened.page.locator(f"#{TABLE} table")
    assert table.bounding_box()["y"] < 800
    scroll = opened.page.locator(f"#{TABLE} .scroll")
    assert scroll.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert opened.page.locator(f"#{TABLE} tr.chosen").count() == 1


def test_a_table_sorts_by_value_and_states_the_order(opened):
    page, header = opened.page, f"#{TABLE} thead th"
    study_order = opened.shown(TABLE)
    memory = page.locator(f"{header}:has-text('peak memory')")
    memory.get_by_role("button").click()
    assert memory.get_attribute("aria-sort") == "descending"
    # 1.1 GB comes before 900 MB and 400 MB; sorted as text it would come last.
    known = [name for name in opened.shown(TABLE) if name in ("bitfit", "full", "lora:r=8", ATTACK)]
    assert known == ["bitfit", "full", "lora:r=8", ATTACK]
    assert set(opened.shown(TABLE)[-2:]) <= {"ia3", "prefix", "full (tuned)"}
    assert "sorted by peak memory, descending" in page.locator(f"#{TABLE} .count").inner_text()
    memory.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert memory.get_attribute("aria-sort") == "ascending"
    assert opened.shown(TABLE)[0] == ATTACK
    page.keyboard.press("Space")
    assert memory.get_attribute("aria-sort") is None
    assert opened.shown(TABLE) == study_order


def test_a_table_is_filtered_by_text_status_family_and_variant(opened):
    page, part = opened.page, opened.page.locator(f"#{TABLE}")
    count = part.locator(".count")
    assert count.get_attribute("aria-live") == "polite"
    part.locator(".find").fill("lora comp")
    assert opened.shown(TABLE) == ["lora:r=8"]
    assert count.inner_text() == "1 of 7 rows shown."
    part.locator(".find").fill("")
    part.get_by_role("combobox", name="Status").select_option("refused")
    assert opened.shown(TABLE) == ["prefix"]
    part.get_by_role("button", name="Reset").click()
    part.get_by_role("combobox", name="Family").select_option(ATTACK)
    assert opened.shown(TABLE) == [ATTACK]
    part.get_by_role("button", name="Reset").click()
    part.get_by_role("combobox", name="Hyperparameters").select_option("tuned")
    assert opened.shown(TABLE) == ["full (tuned)"]
    part.locator(".find").fill("no such thing")
    assert opened.shown(TABLE) == []
    assert count.inner_text() == "0 of 7 rows shown."
    assert page.locator("#comparison-1-table .count").inner_text() == "6 of 6 rows shown."


def test_columns_can_be_selected(opened):
    part = opened.page.locator(f"#{TABLE}")
    titles = part.locator("thead th:visible")
    before = titles.count()
    assert "of these, head" not in titles.all_inner_texts()
    part.locator(".chooser summary").click()
    part.get_by_label("of these, head").check()
    assert titles.count() == before + 1
    assert part.locator("tbody tr").first.locator(":is(th, td):visible").count() == before + 1
    part.get_by_label("verdict").uncheck()
    assert "verdict" not in [text.strip() for text in titles.all_inner_texts()]
    part.get_by_role("button", name="All columns").click()
    assert titles.count() > before + 1
    part.get_by_role("button", name="Main columns").click()
    assert titles.count() == before


def test_the_address_holds_what_the_reader_selected(opened, open_page, written):
    page, part = opened.page, opened.page.locator(f"#{TABLE}")
    opened.drawn()
    assert "#" not in page.url
    part.locator("thead th:has-text('peak memory')").get_by_role("button").click()
    part.locator(".find").fill("compl")
    part.locator(".chooser summary").click()
    part.get_by_label("verdict").uncheck()
    page.locator("#comparison-0-columns summary").click()
    page.locator("#comparison-1 .legend").get_by_role("button", name="bitfit").click()
    page.get_by_role("navigation").get_by_role("link", name="minilm on b").click()
    page.wait_for_function("location.hash.includes('lit.comparison-1=bitfit')")
    assert "#comparison-1&" in page.url
    rows = opened.shown(TABLE)
    assert len(rows) == 5

    # A colleague opens the same address.
    other = open_page(written, at=page.url.partition("#")[2])
    other.drawn()
    assert other.shown(TABLE) == rows
    part = other.page.locator(f"#{TABLE}")
    assert part.locator("thead th[aria-sort=descending]").inner_text().startswith("peak memory")
    assert part.locator("thead th:has-text('verdict'):visible").count() == 0
    assert other.page.locator("#comparison-0-columns[open]").count() == 1
    assert other.page.locator("#comparison-1 tr.lit .name").all_inner_texts() == ["bitfit"]
    assert other.page.evaluate("scrollY") > 500
    assert other.page.url == page.url
    assert other.errors == []

    part.get_by_role("button", name="Reset").click()
    other.page.locator("#comparison-0-columns summary").click()
    other.page.locator("#comparison-1 .legend").get_by_role("button", name="bitfit").click()
    other.page.wait_for_function("location.hash === '#comparison-1'")


@pytest.mark.parametrize("at", ["%", "=&&a=b=c", "sort.comparison-0-table=-nothing&turned=no|such&x"])
def test_an_address_that_says_nothing_sensible_shows_the_page_as_written(open_page, written, at):
    opened = open_page(written, at=at)
    opened.drawn()
    assert len(opened.shown(TABLE)) == 7
    assert opened.errors == []


def test_a_method_is_highlighted_in_figures_and_tables(opened):
    opened.drawn()
    page = opened.page
    button = page.locator("#comparison-0 .legend").get_by_role("button", name="lora:r=8")
    button.click()
    page.mouse.move(0, 0)
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("#comparison-0 tr.lit th").all_inner_texts() == ["lora:r=8"]
    figure = page.locator("#comparison-0 figure").filter(has_text=TIME).first
    names = figure.locator(".mark-text.role-mark > text")
    assert "lora:r=8" in names.all_text_contents()
    assert figure.locator(".mark-text.role-mark > text.dimmed").count() == names.count() - 2
    assert figure.locator(":is(.role-axis-label, .role-legend-label) .dimmed").count() == 0
    assert page.locator("#comparison-1 .dimmed").count() == 0
    # Faint because it is uncertain, but not while highlighted.
    frontier = page.locator("#comparison-0 figure:visible").filter(has_text=TIME).first
    lit = frontier.locator(".mark-symbol path.shone")
    assert lit.count() == 1
    assert lit.evaluate("one => getComputedStyle(one).opacity") == "1"
    button.click()
    page.mouse.move(0, 0)
    assert page.locator(".dimmed").count() == 0
    assert page.locator(".shone").count() == 0


def test_a_row_under_the_pointer_highlights_its_marks(opened):
    opened.drawn()
    page = opened.page
    page.locator("#comparison-0-table tr[data-method='lora:r=8']").first.hover()
    figure = page.locator("#comparison-0 figure:visible").filter(has_text="Gap to full").first
    lit = figure.locator(".mark-symbol path:not(.dimmed)")
    assert lit.count() == 1
    assert lit.evaluate("one => getComputedStyle(one).opacity") == "1"
    assert figure.locator(".mark-symbol path.dimmed").count() >= 2
    page.mouse.move(0, 0)
    assert page.locator(".dimmed, tr.lit").count() == 0


def test_a_mark_has_a_tooltip(opened):
    opened.drawn()
    figure = opened.page.locator("#comparison-0 figure").filter(has_text=TIME).first
    figure.locator("svg .mark-symbol path").first.hover()
    tip = opened.page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert tip.locator("td.key").all_inner_texts() == [
        "method", "score", "train time", "trainable", "peak memory", "adapter", "share of model",
        "on the frontier",
    ]  # fmt: skip


def test_views_of_a_group_are_shown_one_at_a_time(tmp_path, open_page, monkeypatch):
    drawn = page_module.figures

    def grouped(comparison, size, published):
        """Return figures of which two are views of one group; the label of one contains markup."""
        kept = ("gaps", "frontier", "efficiency")
        every = drawn(comparison, size)
        found = {name: every[name] for name in kept}
        for name, label in (("gaps", "gap"), ("frontier", ATTACK)):
            found[name] = replace(found[name], group="cost " + ATTACK, label=label)
        return found

    monkeypatch.setattr(page_module, "figures", grouped)
    study = builders.study(["full", "lora:r=8"])
    records = [
        *builders.whole("full", [0.8, 0.82, 0.83], adapter=builders.BASE),
        *builders.whole("lora:r=8", [0.7, 0.8, 0.75]),
    ]
    path = tmp_path / "report.html"
    Report(study, records).write_html(path)
    opened = open_page(path)
    assert opened.drawn() == 1
    titles = opened.page.locator("figure:visible h3")
    assert titles.all_inner_texts()[0] == "Gap to full"
    choice = opened.page.get_by_role("group", name=f"Cost {ATTACK}")
    assert [label.strip() for label in choice.locator("label").all_inner_texts()] == ["gap", ATTACK]
    choice.get_by_role("radio", name=ATTACK).check()
    opened.page.locator("figure:visible svg").first.wait_for()
    assert titles.all_inner_texts()[0] == TIME
    assert opened.page.locator("#figure-0-0").is_hidden()
    assert opened.drawn() == 2
    opened.page.locator("details.aside > summary").click()
    opened.page.locator("details.aside svg").first.wait_for()
    opened.drawn()
    assert all(opened.marks().values())
    assert opened.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_is_accessible(open_page, written, scheme, width):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe-playwright-python, which brings axe-core, is not installed",
    )
    opened = open_page(written, color_scheme=scheme, viewport={"width": width, "height": 844})
    opened.drawn()
    opened.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = axe.Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    levels = opened.page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_the_keyboard_reaches_every_control(opened):
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                """() => { const one = document.activeElement;
                    const style = getComputedStyle(one);
                    return (one.className || one.tagName) + " " + style.outlineStyle; }"""
            )
        )
    assert not [one for one in reached if one.endswith(" none")], reached


def test_without_javascript_the_page_has_plain_tables(open_page, written):
    opened = open_page(written, java_script_enabled=False)
    table = opened.page.locator(f"#{TABLE}")
    assert table.locator("thead th:visible").count() == table.locator("thead th").count() > 12
    assert table.locator("button:visible, input:visible, select:visible").count() == 0
    assert len(opened.shown(TABLE)) == 7
    opened.page.locator("#comparison-0 .data summary").first.click()
    assert opened.page.locator("#comparison-0 .data table").first.is_visible()


def test_print_unfolds_sections_and_hides_controls(opened):
    opened.drawn()
    page = opened.page
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.get_by_text("max_train: 2000").is_visible()
    assert page.locator(".controls:visible").count() == 0
    assert page.locator("nav:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.printed[open]").count() == 0
    assert len(page.pdf(format="A4")) > 20_000


def test_a_study_of_one_task_prints_on_at_most_five_pages(open_page, tmp_path):
    methods = ["full", *(f"lora:r={rank}" for rank in range(1, 9)), "ia3"]
    records = [builders.ended("ia3", "refused", "it has no attention")]
    for place, method in enumerate(methods[:-1]):
        shares = {"adapter": builders.BASE if method == "full" else 9_000 * place}
        records.append(builders.profile(method, seconds=60 - place, **shares))
        records += [builders.final(method, s, 0.8 + place / 500 + s / 100, **shares) for s in range(3)]
        records += [builders.tuned(method, n, 0.6 + (n * 7 + place) % 8 / 100) for n in range(8)]
    path = tmp_path / "report.html"
    Report(builders.study(methods), records).write_html(path)
    opened = open_page(path, color_scheme="dark")
    opened.drawn()
    printed = opened.page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 5


def test_two_thousand_records_open_in_three_seconds(tmp_path, open_page):
    methods = ["full", *(f"lora:r={rank}" for rank in range(1, 25))]
    study = builders.study(methods, task=None, tasks=["a", "b"], seeds=list(range(5)))
    records = []
    for task in ("a", "b"):
        for place, method in enumerate(methods):
            shares = {"adapter": builders.BASE if method == "full" else 9_000 * place}
            records.append(builders.profile(method, task=task, seconds=90 - place, **shares))
            records += [
                builders.final(method, s, 0.8 + place / 500, task=task, **shares) for s in range(5)
            ]
            records += [
                builders.tuned(method, n, 0.6 + ((n * 7 + place) % 34) / 100, task=task)
                for n in range(34)
            ]
    assert len(records) == 2000
    path = tmp_path / "report.html"
    Report(study, records).write_html(path)
    assert path.stat().st_size < 10e6
    open_page(path)  # the first page of a browser waits for its processes
    began = time.perf_counter()
    opened = open_page(path)
    seconds = time.perf_counter() - began
    assert seconds < 3
    assert opened.drawn() >= 13
    assert all(opened.marks().values())
    assert opened.errors == []
