"""Which method is chosen, and what the choice rests on: known truths."""

from __future__ import annotations

import pytest

from whichpeft.analysis.choice.constraints import Constraints, read_constraints
from whichpeft.analysis.choice.what_if import caveats, changes
from whichpeft.report.choices import sentence

from ... import builders
from .of_records import METHODS, answer_of, by_name


def test_the_cheapest_proved_method_is_chosen(records):
    answer = answer_of(records)
    found = by_name(answer)
    assert answer.chosen is found["lora"]
    assert answer.basis == "proved"
    assert answer.chosen.probability > 0.95
    assert found["full"].gap.mean == pytest.approx(0.001)
    assert found["bitfit"].probability < 0.01
    # bitfit would be chosen for its time with any margin that it is proved to be within.
    assert 0.05 < found["bitfit"].proved_margin < 0.08
    wider = Constraints(margin=found["bitfit"].proved_margin)
    assert answer_of(records, wider).chosen.method == "bitfit"
    (margin,) = [line for line in changes(answer) if line.startswith("With a margin")]
    assert "bitfit is chosen: training time 20 s instead of 30 s" in margin


@pytest.mark.parametrize(
    ("by", "method"),
    [("time", "lora"), ("memory", "dora"), ("trainable", "dora"), ("adapter-size", "dora"),
     ("latency", None)],
)  # fmt: skip
def test_costs_decide_between_proved_methods(records, by, method):
    slower = builders.whole("dora", [0.879, 0.881, 0.880], adapter=5_000, seconds=40, memory=2e8)
    answer = answer_of([*records, *slower], Constraints(by=by), methods=[*METHODS, "dora"])
    assert (answer.chosen and answer.chosen.method) == method
    if method is None:
        assert by_name(answer)["dora"].excluded == ("latency was not measured",)


def test_a_proved_method_is_preferred_to_a_cheaper_likely_one():
    """The seeds of bitfit scatter, so it is likely within the margin but not proved to be."""
    records = [
        *builders.whole("full", [0.880, 0.882, 0.881], adapter=builders.BASE, seconds=60),
        *builders.whole("lora", [0.880, 0.881, 0.880], seconds=30),
        *builders.whole("bitfit", [0.855, 0.885, 0.870], adapter=99, seconds=5),
    ]
    answer = answer_of(records, methods=METHODS[:3])
    found = by_name(answer)
    assert found["bitfit"].probability > 0.5
    assert (answer.chosen.method, answer.basis) == ("lora", "proved")


def test_the_likeliest_method_is_the_best_bet_if_none_is_proved():
    records = [
        *builders.whole("full", [0.90, 0.80, 0.86], adapter=builders.BASE, seconds=60),
        *builders.whole("lora", [0.84, 0.86, 0.85], seconds=30),
        *builders.whole("bitfit", [0.70, 0.71, 0.69], adapter=99, seconds=5),
    ]
    answer = answer_of(records, methods=METHODS[:3])
    assert answer.basis == "best bet"
    assert answer.chosen.method in ("full", "lora")
    assert answer.chosen.probability == max(c.probability for c in answer.candidates)
    assert 0.3 < answer.chosen.probability < 0.95
    assert any("seeds would prove" in line for line in changes(answer))


def test_one_seed_proves_nothing():
    records = [
        *builders.whole("full", [0.900], adapter=builders.BASE, seconds=60),
        *builders.whole("lora", [0.899], seconds=30),
    ]
    answer = answer_of(records, methods=METHODS[:2], seeds=[0])
    assert answer.basis == "best bet"
    assert answer.chosen.probability is not None  # over test examples
    assert any("With one seed" in line for line in caveats(answer))
    blind = answer_of(records, methods=METHODS[:2], seeds=[0], predictions=False)
    assert (blind.chosen.method, blind.chosen.probability) == ("full", None)


def test_without_predictions_the_answer_holds_for_this_test_set():
    records = [
        *builders.whole("full", [0.880, 0.882, 0.881], adapter=builders.BASE, seconds=60),
        *builders.whole("lora", [0.879, 0.882, 0.880], seconds=30),
    ]
    answer = answer_of(records, methods=METHODS[:2], predictions=False)
    assert (answer.chosen.method, answer.basis) == ("lora", "proved")
    assert any("holds for this test set" in line for line in caveats(answer))


def test_equal_gaps_on_every_seed_prove_nothing_without_predictions():
    records = [
        *builders.whole("full", [0.880, 0.882, 0.884], adapter=builders.BASE, seconds=60),
        *builders.whole("lora", [0.879, 0.881, 0.883], seconds=30),
    ]
    answer = answer_of(records, methods=METHODS[:2], predictions=False)
    assert not answer.evidence.proves(0, 1)
    assert (answer.chosen.method, answer.basis) == ("full", "best bet")
    assert [c.probability for c in answer.candidates] == [None, None]
    assert answer.chosen.gap == (0, 0, 0)
    assert any("and lora is the same on every seed" in line for line in caveats(answer))
    assert not any("would prove" in line for line in changes(answer))
    assert answer_of(records, methods=METHODS[:2]).basis == "proved"


def test_a_method_that_trains_nothing_is_never_chosen(records):
    answer = answer_of(records, Constraints(margin=1.0))
    assert answer.chosen.method == "bitfit"
    assert by_name(answer)["zero-shot"].excluded == ("it trains nothing and is only a reference",)


def test_a_choice_that_may_not_beat_no_training_has_a_caveat():
    records = [
        *builders.whole("lora", [0.60, 0.61, 0.59]),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.59, adapter=0) for seed in range(3)),
    ]
    answer = answer_of(records, methods=["lora", "zero-shot"])
    assert answer.chosen.method == "lora"
    assert any("not proved better than zero-shot" in line for line in caveats(answer))


def test_a_method_that_is_not_better_than_chance_is_not_chosen():
    # The cheaper method always gives the same answer; chance is 50 points.
    records = [*builders.whole("full", [0.8, 0.81, 0.79]), *builders.whole("bitfit", [0.5, 0.5, 0.5])]
    answer = answer_of(records, Constraints(margin=1.0), methods=["full", "bitfit"])
    assert answer.chosen.method == "full"
    assert by_name(answer)["bitfit"].excluded == ("the score is not better than chance, 50.0",)
    nothing = answer_of(builders.whole("bitfit", [0.4, 0.5, 0.45]), methods=["bitfit"])
    assert nothing.chosen is None
    (reason,) = by_name(nothing)["bitfit"].excluded
    assert "not better than chance" in reason
    assert nothing.basis == "at chance"
    assert "none is shown to beat chance, 50.0 points; the best, bitfit, has 45.0" in sentence(nothing)


def test_the_only_allowed_method_is_not_called_proved(records):
    answer = answer_of(records, read_constraints(max_train_time="25s"))
    assert (answer.chosen.method, answer.basis) == ("bitfit", "only one")
    assert answer.chosen.proved_margin is None
    assert sentence(answer).endswith("Only choice: no other method fits your limits.")
    constraints, methods = read_constraints(max_train_time="25s"), [*METHODS, "ia3", "dora"]
    early = answer_of(records, constraints, methods=methods)
    assert early.basis == "best bet"
    assert "Best bet: not everything could be compared: ia3 and dora may be better." in sentence(early)
    assert not any("would prove" in line for line in changes(early))
