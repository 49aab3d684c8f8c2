"""The answer in a sentence or two: the recommendation, its certainty, and what is missing."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from whichpeft.report import Report

from .. import builders


def answer(records, methods=("full", "lora:r=8"), predictions=None, **changed):
    found = Report(builders.study(list(methods), **changed), records, predictions=predictions).answers
    assert len(found) == 1
    return found[0]


def scored(scores, **costs):
    """Return the records of methods by their scores, with a cheaper cost for all but `full`."""
    records = []
    for method, values in scores.items():
        shared = {"adapter": builders.BASE, "seconds": 60, "memory": 8e8} if method == "full" else costs
        records += builders.whole(method, values, **shared)
    return records


def test_an_equivalent_method_comes_with_its_margin_and_costs():
    records = scored({"full": [0.8, 0.801, 0.802], "lora:r=8": [0.801, 0.801, 0.801]}, seconds=30)
    found = answer(records, predictions=builders.predictions(records))
    assert found.method == "lora:r=8"
    assert found.basis == "proved"
    assert found.advice == (
        "Use lora:r=8: 80.1 points, 30 s of training and 40 kB to store (full: 80.1, 60 s, 88 MB)."
    )
    assert found.certainty == "proved"
    assert found.reason == (
        "At most 2.0 points worse than any other method tried (3 seeds, 1,000 test examples)."
    )
    assert found.text == f"{found.advice} Proved: at{found.reason[2:]}"
    assert found.remarks[0].startswith("lora:r=8 is equivalent to full within ")
    assert found.conditions == (
        "accuracy, chance 50.0",
        "3 seeds and 872 test examples",
        "2,000 training examples",
        "3 epochs",
        "default hyperparameters, no tuning",
    )


def test_a_better_method_comes_with_its_gap():
    records = scored({"full": [0.7, 0.701, 0.702], "lora:r=8": [0.8, 0.802, 0.801]})
    found = answer(records)
    assert found.remarks[0].startswith("lora:r=8 is better than full by 10.0 points (")


def test_an_undecided_method_comes_with_what_would_decide():
    records = scored({"full": [0.80, 0.82, 0.84], "lora:r=8": [0.86, 0.80, 0.88]})
    found = answer(records)
    assert found.remarks[0].endswith(", undecided.")
    assert found.certainty == "likely"
    assert "Likely: a chance of 9" in found.text
    assert any(
        line.startswith("Not yet distinguishable from full: lora:r=8") and "would decide" in line
        for line in found.remarks
    )


def test_equal_gaps_on_every_seed_give_no_certainty():
    records = scored({"full": [0.7, 0.701, 0.702], "lora:r=8": [0.8, 0.801, 0.802]})
    found = answer(records)
    assert found.text.endswith(
        "Unknown: it has the highest score; how certain that is cannot be estimated."
    )


def test_the_baseline_can_be_the_answer():
    records = scored({"full": [0.9, 0.901, 0.902], "lora:r=8": [0.7, 0.701, 0.702]})
    found = answer(records)
    assert found.text.startswith("Use full: 90.1 points, 60 s of training and 88 MB to store. ")
    assert found.why.startswith(
        "No method with less training time is proved to be within 2.0 points of the best"
    )


def test_without_a_profile_trainable_parameters_are_the_cost():
    records = [
        builders.final(method, seed, score + seed / 1000, adapter=adapter)
        for method, score, adapter in (("full", 0.8, builders.BASE), ("lora:r=8", 0.85, 10_000))
        for seed in range(3)
    ]
    found = answer(records)
    assert found.method == "lora:r=8"
    assert (
        "The training time was not measured, so trainable parameters are the cost compared."
        in found.remarks
    )


def test_costs_measured_beside_other_work_are_said_by_the_answer_and_by_choose():
    first, *rest = builders.whole("lora:r=8", [0.87, 0.88, 0.88])
    records = [*builders.whole("full", [0.88, 0.89, 0.88], adapter=builders.BASE), *rest]
    note = "times of lora:r=8 are too long: other work took 43 % of the processor time while they were "
    quiet = answer([*records, builders.beside_other_work(first, 0.04)])
    assert quiet.cautions == ()
    busy = builders.beside_other_work(first, 0.43)
    (caution,) = answer([*records, busy]).cautions
    assert caution.startswith(note.replace("times", "Times", 1))
    report = Report(builders.study(), [*records, busy])
    (chosen,) = json.loads(report.choose().to_json())
    assert caution in chosen["cautions"]
    assert [line for line in chosen["notes"] if note in line]
    shown = Console(file=io.StringIO(), width=500)
    report.choose().print(shown)
    assert shown.file.getvalue().count("are too long") == 1
    report.print(shown)
    assert note in shown.file.getvalue()


def test_one_seed_proves_nothing():
    found = answer(scored({"full": [0.8], "lora:r=8": [0.9]}), seeds=[0])
    assert found.method == "lora:r=8"
    assert found.certainty == "unknown"
    assert "Unknown: one seed does not show how much scores vary; run at least 3." in found.text
    assert "undecided" not in found.remarks[0]


def test_without_a_baseline_the_loss_is_unknown():
    records = scored({"lora:r=8": [0.8, 0.81, 0.82], "bitfit": [0.7, 0.71, 0.72]})
    found = answer(records, methods=["lora:r=8", "bitfit"])
    assert found.text.startswith("Use lora:r=8: 81.0 points, 30 s of training and 40 kB to store.")
    assert "The baseline full is not in the study, so the loss against it is unknown." in found.cautions
    assert not any("distinguishable" in line for line in found.remarks)


def test_an_unfinished_method_may_change_the_answer():
    records = scored({"full": [0.8, 0.81, 0.82], "lora:r=8": [0.8]})
    found = answer(records)
    assert found.method == "full"
    assert found.certainty == "best bet"
    assert "Best bet: not everything could be compared: lora:r=8 may be better." in found.text


def test_a_method_no_better_than_no_training_is_flagged():
    records = scored({"full": [0.61, 0.63, 0.59], "lora:r=8": [0.60, 0.62, 0.61]})
    records += [builders.final("zero-shot", seed, 0.6 + seed / 100, adapter=0) for seed in range(3)]
    records.append(builders.idle_profile())
    found = answer(records, methods=["full", "lora:r=8", "zero-shot"])
    assert found.cautions[0].endswith("is not proved better than zero-shot, which trains nothing.")


def test_if_all_methods_failed_each_reason_appears_once():
    records = [
        builders.ended(method, "failed", "out of memory", phase="fit", purpose=purpose)
        for method in ("full", "lora:r=8")
        for purpose in ("profile", "final")
    ]
    records.append(builders.ended("prefix", "refused", "it has no attention"))
    found = answer(records, methods=["full", "lora:r=8", "prefix"])
    assert found.method is None
    assert found.text.startswith("No method can be recommended yet. full and lora:r=8: ")
    assert found.text.count("the profile failed in fit: out of memory") == 1
    assert "prefix: refused: it has no attention." in found.text


def test_without_finished_methods_nothing_is_recommended():
    found = answer([])
    assert found.method is None
    assert found.text == (
        "No method can be recommended yet. "
        "full and lora:r=8: partial: the final trials were not run yet."
    )
    assert found.conditions[0] == "no score yet"


def test_several_tasks_have_an_answer_each_and_one_overall():
    study = builders.study(["full", "lora:r=8"], task=None, tasks=["a", "b"])
    records = [
        record
        for task in ("a", "b")
        for method, score in (("full", 0.8), ("lora:r=8", 0.83))
        for record in (
            builders.profile(method, task=task, seconds=60 if method == "full" else 30),
            *(builders.final(method, seed, score + seed / 1000, task=task) for seed in range(3)),
        )
    ]
    found = Report(study, records).answers
    assert [one.heading for one in found] == ["minilm on a", "minilm on b", "minilm on a and b"]
    assert found[2].text.startswith("Use lora:r=8: 83.1 points on average, 30 s of training")
    assert found[2].remarks[0].startswith("lora:r=8 has 3.0 points more than full")


def test_the_answer_ends_the_output_without_control_characters():
    records = scored({"full": [0.8, 0.81, 0.82]})
    records.append(builders.ended("lora:r=8", "failed", "\x1b[2Jgone", phase="fit"))
    report = Report(builders.study(["full", "lora:r=8"]), records)
    written = io.StringIO()
    report.print(Console(file=written, width=100))
    assert "minilm on glue/sst2 Use full: 81.0 points, 60 s" in " ".join(written.getvalue().split())
    assert "\x1b" not in written.getvalue()


@pytest.mark.parametrize("method", ["<script>alert(1)</script>", "a\nb\tc"])
def test_a_method_name_stays_on_one_line(method):
    records = scored({"full": [0.7, 0.71, 0.72], method: [0.8, 0.81, 0.82]})
    found = answer(records, methods=["full", method])
    assert f"Use {' '.join(method.split())}: " in found.text
    assert "\n" not in found.text


def test_the_time_of_the_chosen_method_is_explained_once():
    records = [
        *builders.timed("full", (50.0, 60.0, 30.0), adapter=builders.BASE),
        *builders.timed("lora:r=8", (56.0, 40.0, 1.0)),
        *builders.timed("bitfit", (200.0, 140.0, 1.0)),
    ]
    methods = ["full", "lora:r=8", "bitfit"]
    report = Report(
        builders.study(methods), records, predictions=builders.predictions(records, agreement=9)
    )
    (found,) = report.answers
    assert found.method == "lora:r=8"
    (why,) = [line for line in found.remarks if "because" in line]
    assert why.startswith("lora:r=8 trains 0.459 % of full's parameters but takes 69 % of its time, ")
    written = io.StringIO()
    report.choose().print(Console(file=written, width=100))
    assert " ".join(written.getvalue().split()).count(why) == 1
    assert report.choose()[0].why_time == why
    page = tables_of(report)
    assert "Why training takes as long as it does" in page
    assert "bitfit trains 0.459 % of full&#39;s parameters but takes 2.4 times as long" in page


def tables_of(report):
    from whichpeft.report.page.page import page

    return page(report.contents)


def test_a_study_at_chance_recommends_nothing_and_says_why():
    records = scored({"full": [0.50, 0.51, 0.49], "lora:r=8": [0.48, 0.50, 0.49]})
    curve = [(step, "train_loss", 0.70 - step / 2000) for step in range(10, 110, 10)]
    report = Report(
        builders.study(["full", "lora:r=8"]),
        records,
        predictions=builders.predictions(records),
        curves=lambda name: curve,
    )
    (found,) = report.answers
    assert (found.method, found.basis) == (None, "at chance")
    assert found.text.startswith(
        "No method can be recommended: none is shown to beat chance, 50.0 points; the best, full, has "
        "50.0 ["
    )
    assert found.text.endswith(
        "Probably too few steps (full and lora:r=8: after 100 steps the first's training loss was still "
        "falling, from 0.69 to 0.65)."
    )
    assert found.remarks == ("Train for more epochs or on more examples (--epochs, --max-train).",)
    page = tables_of(report)
    assert 'class="answer first none"' in page
    assert "Use full" not in page
