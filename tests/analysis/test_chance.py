"""Only what is shown to beat chance is advice: known truths, one seed, tasks, limits, error rates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from whichpeft.analysis import comparisons
from whichpeft.analysis.chance import (
    confidence_of_leads,
    is_shown,
    lead_over_chance,
    lead_over_tasks,
    seeds_at_chance,
)
from whichpeft.analysis.choice.choice import choose, choose_across_tasks
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.what_if import caveats, changes
from whichpeft.analysis.statistics.intervals import Interval
from whichpeft.analysis.statistics.together import MethodsTogether
from whichpeft.report.choices import Choices, as_object, sentence

from .. import builders


def compared(records, methods, *, predictions=True, curves=None, **study):
    known = builders.predictions(records) if predictions is True else predictions
    asked = builders.study(methods, **study)
    found = comparisons(asked, records, predictions=known or None, curves=curves)
    assert len(found) == 1
    return found[0]


def answer_of(comparison, constraints=None):
    return choose(comparison, constraints or Constraints(), rng=np.random.default_rng(0))


def by_name(answer):
    return {candidate.method: candidate for candidate in answer.candidates}


def of_majority(records, flips, *, examples=200):
    """Return predictions of methods that answer with the majority class, but for some examples.

    `flips` has by method how many minority examples are right, and how many majority ones wrong.
    """
    labels = np.array([0] * round(0.665 * examples) + [1] * (examples - round(0.665 * examples)))
    found = {}
    for record in records:
        right, wrong = flips[record.trial.method]
        answers = np.zeros(examples, dtype=int)
        answers[examples - right :] = 1
        answers[:wrong] = 1
        found[record.trial.fingerprint] = {
            "outputs": np.eye(2, dtype=np.float32)[answers], "labels": labels,
        }  # fmt: skip
    return found.get


def test_a_head_below_the_majority_class_is_no_recommendation():
    """The answer that was printed before: use head, 60.0 points, where guessing gives 66.5."""
    records = [
        *builders.with_chance("head", [0.6, 0.6, 0.6], adapter=0),
        *builders.with_chance("full", [0.55, 0.6, 0.575]),
    ]
    answer = answer_of(compared(records, ["full", "head"]))
    assert (answer.chosen, answer.basis) == (None, "at chance")
    assert sentence(answer).startswith(
        "No method can be recommended for minilm on glue/sst2: none is shown to beat chance, 66.5 "
        "points; the best, head, has 60.0 ["
    )
    assert sentence(answer).endswith("The records do not tell why: they have no learning curves.")
    found = as_object(answer)
    assert (found["method"], found["basis"], found["chance"]) == (None, "at chance", 0.665)
    assert Choices((answer,)).method is None
    assert not Choices((answer,)).fits


def test_the_reason_stands_next_to_the_answer():
    records = builders.with_chance("full", [0.665, 0.66, 0.665])
    curve = [(step, "train_loss", 0.69 - step / 2000) for step in range(10, 110, 10)]
    answer = answer_of(compared(records, ["full"], curves=lambda name: curve))
    assert sentence(answer).endswith(
        "Probably too few steps (full: after 100 steps its training loss was still falling, "
        "from 0.68 to 0.64)."
    )
    assert changes(answer) == ["Train for more epochs or on more examples (--epochs, --max-train)."]
    assert as_object(answer)["causes"] == [sentence(answer)[sentence(answer).index("Probably") :]]


def test_a_method_above_chance_by_less_than_its_error_is_not_chosen():
    """The cheaper method has 51.5 points; with 1,000 examples that is not shown to be above 50."""
    records = [
        *builders.whole("full", [0.60, 0.61, 0.60], adapter=builders.BASE, seconds=60),
        *builders.whole("lora", [0.51, 0.52, 0.515], seconds=30),
    ]
    answer = answer_of(compared(records, ["full", "lora"]), Constraints(margin=0.2))
    assert answer.chosen.method == "full"
    lora = by_name(answer)["lora"]
    assert lora.excluded == ("the score is not shown to be better than chance, 50.0",)
    assert (lora.rival, lora.still_open) == (True, False)
    # The choice is proved against it all the same.
    assert answer.basis == "proved"
    assert "at most 20.0 points worse than lora (" in sentence(answer)


def test_a_choice_is_not_proved_against_a_method_that_may_be_far_better():
    """p-tuning collapsed on a seed, so it may not be chosen; but it may well be the best."""
    records = [
        *builders.whole("full", [0.70, 0.705, 0.70], adapter=builders.BASE, seconds=60),
        *builders.whole("p-tuning", [0.9, 0.5, 0.91], seconds=30),
    ]
    answer = answer_of(compared(records, ["full", "p-tuning"]))
    assert by_name(answer)["p-tuning"].rival
    assert (answer.chosen.method, answer.basis) == ("full", "best bet")
    assert "Best bet: a chance of" in sentence(answer)


def test_the_gap_to_the_constant_prediction_is_sharper_than_the_score():
    """It repeats the majority class but for 8 of 200 examples, 7 of which it has right."""
    lora = builders.with_chance("lora", [0.695] * 3)
    idle = builders.with_chance("zero-shot", [0.665] * 3, adapter=-builders.HEAD)
    both = [*lora, *idle]
    predictions = of_majority(both, {"lora": (7, 1), "zero-shot": (0, 0)})
    alone = compared(lora, ["lora"], predictions=predictions)
    beside = compared(both, ["lora", "zero-shot"], predictions=predictions)
    without, paired = (lead_over_chance(c.results[0], c) for c in (alone, beside))
    assert without.mean == pytest.approx(0.03)
    assert paired.mean == pytest.approx(0.03)
    assert not is_shown(without)
    assert is_shown(paired)
    assert answer_of(beside).chosen.method == "lora"
    assert answer_of(alone).basis == "at chance"


def test_a_model_that_trains_nothing_is_not_the_constant_prediction_unless_it_scores_chance():
    records = [
        *builders.whole("lora", [0.60, 0.61, 0.60]),
        *builders.whole("zero-shot", [0.60, 0.60, 0.60], adapter=-builders.HEAD),
    ]
    found = compared(records, ["lora", "zero-shot"])
    assert lead_over_chance(found.results[0], found).mean == pytest.approx(0.1033, abs=1e-3)


def test_with_one_seed_the_test_examples_decide_and_that_is_said():
    records = builders.whole("full", [0.60], adapter=builders.BASE)
    answer = answer_of(compared(records, ["full"], seeds=[0]))
    assert answer.chosen.method == "full"
    assert "That full beats chance is shown by the test examples of one seed alone." in caveats(answer)
    few = compared(builders.whole("full", [0.52]), ["full"], seeds=[0])
    answer = answer_of(few)
    assert answer.basis == "at chance"
    assert caveats(answer) == [
        "With one seed, whether a method beats chance is judged by its test examples alone."
    ]


def test_without_any_error_estimate_the_mean_decides_and_that_is_said():
    records = builders.whole("full", [0.60], adapter=builders.BASE)
    answer = answer_of(compared(records, ["full"], seeds=[0], predictions=False))
    assert answer.chosen.method == "full"
    assert any("it is not shown that full is better than chance (50.0)" in c for c in caveats(answer))
    worse = builders.whole("full", [0.50], adapter=builders.BASE)
    assert answer_of(compared(worse, ["full"], seeds=[0], predictions=False)).basis == "at chance"


def test_a_metric_without_a_chance_level_excludes_nothing():
    records = builders.with_chance("full", [-0.9, -0.91, -0.9], chance=None, metric="log_likelihood")
    comparison = compared(records, ["full"], predictions=False)
    assert lead_over_chance(comparison.results[0], comparison) == (None, None, None)
    answer = answer_of(comparison)
    assert (answer.chosen.method, answer.basis) == ("full", "only one")


def test_a_regression_beats_the_mean_of_the_labels():
    """The negated error of a constant is -1; a method at -0.5 beats it, one at -1.02 does not."""
    records = [
        *builders.with_chance("full", [-0.50, -0.52, -0.51], chance=-1.0, metric="neg_rmse"),
        *builders.with_chance("lora", [-1.02, -1.01, -1.03], chance=-1.0, metric="neg_rmse"),
    ]
    answer = answer_of(compared(records, ["full", "lora"], predictions=False))
    assert answer.chosen.method == "full"
    assert by_name(answer)["lora"].excluded == ("the score is not better than chance, -100.0",)


def test_limits_that_leave_only_methods_at_chance_recommend_nothing():
    records = [
        *builders.whole("full", [0.80, 0.81, 0.80], adapter=builders.BASE, seconds=60),
        *builders.whole("lora", [0.50, 0.51, 0.50], seconds=30),
    ]
    comparison = compared(records, ["full", "lora"])
    answer = answer_of(comparison, Constraints(limits={"time": 45.0}))
    assert (answer.chosen, answer.basis) == (None, "at chance")
    assert "none within the limits is shown to beat chance, 50.0 points; the best, lora," in (
        sentence(answer)
    )
    assert "full needs 60 s of training time (45 s allowed)." in changes(answer)
    answer = answer_of(comparison, Constraints(limits={"time": 1.0}))
    assert answer.basis is None
    assert sentence(answer).startswith("No method fits the 1.0 s train time limit for minilm")


def over_tasks(scores, seeds=3):
    """Return the answers on each task and over all of them; `scores` by method and task."""
    records = [
        record
        for method, own in scores.items()
        for task, score in own.items()
        for record in (
            builders.profile(method, task=task),
            *(builders.final(method, s, score + s / 1000, task=task) for s in range(seeds)),
        )
    ]
    tasks = list(next(iter(scores.values())))
    asked = builders.study(list(scores), task=None, tasks=tasks)
    found = comparisons(asked, records, predictions=builders.predictions(records))
    answers = [choose(c, Constraints(), rng=np.random.default_rng(0)) for c in found]
    return answers, choose_across_tasks(answers)


def test_over_tasks_the_mean_has_to_beat_chance_and_no_task_may_be_at_chance():
    single, whole = over_tasks({"full": {"a": 0.9, "b": 0.515}, "lora": {"a": 0.9, "b": 0.49}})
    assert [one.basis for one in single] == ["proved", "at chance"]
    # full is above chance on b, though not shown to be; over both tasks it is shown.
    assert (whole.chosen.method, whole.chance) == ("full", 0.5)
    assert by_name(whole)["lora"].excluded == ("b: the score is not better than chance, 50.0",)


def test_over_tasks_nothing_is_recommended_if_nothing_beats_chance_on_one():
    _, whole = over_tasks({"full": {"a": 0.9, "b": 0.49}, "lora": {"a": 0.9, "b": 0.48}})
    assert (whole.chosen, whole.basis) == (None, "at chance")
    assert whole.causes == ("b: The records do not tell why: they have no learning curves.",)
    _, low = over_tasks({"full": {"a": 0.501, "b": 0.502}})
    assert low.basis == "at chance"
    assert by_name(low)["full"].excluded == ("the score is not shown to be better than chance, 50.0",)


def test_a_lead_over_tasks_needs_every_chance_level():
    draws = np.linspace(0.5, 0.7, 1001)
    lead = lead_over_tasks(draws, 0.6, [0.4, 0.6])
    assert lead == pytest.approx((0.1, 0.01, 0.19))
    assert lead_over_tasks(None, 0.6, [0.4, 0.6]) == (pytest.approx(0.1), None, None)
    assert lead_over_tasks(draws, 0.6, [0.4, None]) == (None, None, None)


def test_seeds_at_chance_are_judged_by_their_examples():
    records = builders.whole("lora", [0.51, 0.80, 0.50])
    found = compared(records, ["lora"])
    assert seeds_at_chance(found.results[0], found) == [0, 2]
    without = compared(records, ["lora"], predictions=False)
    assert seeds_at_chance(without.results[0], without) == [2]


def test_a_method_that_guesses_is_seldom_shown_to_beat_chance():
    """In simulated trials of a method that guesses, one in twenty is shown to beat chance, or less."""
    rng = np.random.default_rng(0)
    simulated, wrong = 400, 0
    for _ in range(simulated):
        easy = rng.normal(0, 1, 200)
        scores = [(easy + rng.normal(0, 1, 200) > 0) for _ in range(3)]
        wrong += is_shown(lead_of(scores))
    # 5 % of the trials and three Monte Carlo errors.
    assert wrong / simulated <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / simulated)


def test_of_eight_methods_that_guess_none_is_shown_in_19_of_20_studies():
    """Three seeds that vary by two points, and 300 test examples."""
    rng = np.random.default_rng(1)
    simulated, some = 500, 0
    for _ in range(simulated):
        easy = rng.normal(0, 1, 300)
        latent = np.sqrt(0.5) * (easy + rng.normal(0, 1, (8, 3, 300)))
        scores = (latent < ndtri(0.5 + rng.normal(0, 0.02, (8, 3, 1)))).astype(float)
        together = MethodsTogether(list(scores), [range(3)] * 8)
        leads = [together.mean(i).interval(confidence_of_leads(8)) for i in range(8)]
        some += any(is_shown(Interval(*(value - 0.5 for value in lead))) for lead in leads)
    print(f"any of eight is shown in {100 * some / simulated:.1f} % of {simulated} studies")
    # 5 % of the studies and two Monte Carlo errors.
    assert some / simulated <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / simulated)


def lead_of(scores):
    """Return the lead of a method with these scores of right and wrong answers by seed and example."""
    records = [builders.final("lora", seed, float(own.mean())) for seed, own in enumerate(scores)]
    labels = np.zeros(len(scores[0]), dtype=int)
    arrays = {
        record.trial.fingerprint: {
            "outputs": np.eye(2, dtype=np.float32)[np.where(own, 0, 1)], "labels": labels,
        }
        for record, own in zip(records, scores, strict=True)
    }  # fmt: skip
    comparison = compared(records, ["lora"], predictions=arrays.get)
    return lead_over_chance(comparison.results[0], comparison)
