"""Why a time is what it is: sentences from parts of a step that are known."""

from __future__ import annotations

import pytest

from whichpeft.analysis import comparisons
from whichpeft.analysis.time_parts import explain_time, parts_of

from .. import builders

FULL = (50.0, 60.0, 30.0)


def explained(records, method="lora", methods=("full", "lora"), **study):
    (found,) = comparisons(builders.study(list(methods), **study), records)
    result = next(result for result in found.results if result.method == method)
    return explain_time(result, found)


def test_the_forward_and_the_backward_pass_remain():
    records = [
        *builders.timed("full", FULL, adapter=builders.BASE),
        *builders.timed("lora", (56, 40, 1)),
    ]
    assert explained(records) == (
        "lora trains 0.459 % of full's parameters but takes 69 % of its time, because the forward pass "
        "(50 ms) and the backward pass through the frozen layers (40 ms) of full's step (140 ms) "
        "remain: it saves only weight gradients (20 ms) and the optimiser's work (29 ms), and what it "
        "adds to the model costs 6 ms in the forward pass."
    )


def test_a_head_has_no_backward_pass_through_frozen_layers():
    records = [
        *builders.timed("full", FULL, adapter=builders.BASE),
        *builders.timed("head", (45, 0.3, 0.5), adapter=0),
    ]
    assert explained(records, "head", ("full", "head")) == (
        "head trains 0.0045 % of full's parameters but takes 33 % of its time, because the forward pass "
        "(45 ms) of full's step (140 ms) remains: it saves only the backward pass (60 ms) and the "
        "optimiser's work (30 ms)."
    )


def test_what_a_method_adds_may_cost_more_than_it_saves():
    records = [
        *builders.timed("full", FULL, adapter=builders.BASE),
        *builders.timed("lora", (110, 80, 1)),
    ]
    assert explained(records) == (
        "lora trains 0.459 % of full's parameters but takes 1.4 times as long, because what it adds to "
        "the model costs 60 ms in the forward pass and 20 ms in the backward pass, and it saves only "
        "the optimiser's work (29 ms) of full's step (140 ms)."
    )


def test_a_method_may_take_its_time_after_the_gradients():
    records = [
        *builders.timed("full", FULL, adapter=builders.BASE),
        *builders.timed("lora", (50, 40, 45)),
    ]
    said = explained(records)
    assert "takes 96 % of its time" in said
    assert "the work after the gradients (30 ms) of full's step (140 ms) remain" in said
    assert "what it adds to the model costs 15 ms after the gradients" in said


@pytest.mark.parametrize(
    ("own", "base", "why"),
    [
        (
            builders.timed("lora", (4, 3, 1)),
            builders.timed("full", FULL, adapter=builders.BASE),
            "it is quick",
        ),
        (
            builders.whole("lora", [0.8] * 3),
            builders.timed("full", FULL, adapter=builders.BASE),
            "no parts",
        ),
        (
            builders.timed("lora", (56, 40, 1)),
            builders.whole("full", [0.8] * 3, adapter=builders.BASE),
            "none",
        ),
        (
            builders.timed("lora", (56, 40, 1)),
            builders.timed("full", FULL, adapter=9_000_000),
            "not full fine-tuning",
        ),
        (
            builders.timed("lora", (56, 40, 1), seconds=140),
            builders.timed("full", FULL, adapter=builders.BASE),
            "the time does not follow from the parts",
        ),
        (
            builders.timed("lora", (90, 1, 1), adapter=0),
            builders.timed("full", FULL, adapter=builders.BASE),
            "nothing is added, so the forward pass cannot take longer",
        ),
        (
            builders.timed("lora", (56, 40, 1), adapter=8_000_000),
            builders.timed("full", FULL, adapter=builders.BASE),
            "it trains a third of the parameters",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_said_if_nothing_explains_it(own, base, why):
    assert explained([*base, *own]) is None, why


def test_the_baseline_and_a_study_without_it_need_no_explanation():
    records = [
        *builders.timed("full", FULL, adapter=builders.BASE),
        *builders.timed("lora", (56, 40, 1)),
    ]
    assert explained(records, "full") is None
    assert explained(records[4:], methods=["lora"]) is None


def test_the_parts_are_those_of_the_profile():
    (found,) = comparisons(builders.study(["full"]), builders.timed("full", FULL, adapter=builders.BASE))
    assert parts_of(found.results[0]) == FULL
