"""Choices: known truths, every limit, reasons for exclusion, and calibrated probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis import comparisons
from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.candidates import Candidate
from whichpeft.analysis.choice.choice import choose, choose_across_tasks, decide
from whichpeft.analysis.choice.constraints import Constraints, read_constraints
from whichpeft.analysis.choice.evidence import EvidenceAcrossTasks, TrialEvidence
from whichpeft.analysis.choice.what_if import caveats, changes
from whichpeft.analysis.statistics.intervals import Interval
from whichpeft.errors import StudyError
from whichpeft.report.choices import sentence

from .. import builders

METHODS = ["full", "lora", "bitfit", "zero-shot"]


def answer_of(records, constraints=None, *, methods=METHODS, predictions=True, **study):
    known = builders.predictions(records) if predictions else None
    asked = builders.study(methods, **study)
    (comparison,) = comparisons(asked, records, predictions=known)
    return choose(comparison, constraints or Constraints(), rng=np.random.default_rng(0))


def by_name(answer):
    return {candidate.method: candidate for candidate in answer.candidates}


@pytest.fixture
def records():
    """full and lora are truly equal, bitfit is five points behind; lora takes half the time."""
    return [
        *builders.whole("full", [0.880, 0.882, 0.881], adapter=builders.BASE, seconds=60, memory=8e8),
        *builders.whole("lora", [0.879, 0.881, 0.880], adapter=99_000, seconds=30, memory=4e8),
        *builders.whole("bitfit", [0.830, 0.831, 0.829], adapter=9_000, seconds=20, memory=3e8),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
    ]


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


LIMITS = [
    ("max_memory", "500MB", "peak memory 800 MB is over 500 MB"),
    ("max_trainable", "50%", "trainable parameters 100 % is over 50.0 %"),
    ("max_adapter_size", "5MB", "adapter size 88 MB is over 5 MB"),
    ("max_train_time", "45s", "training time 60 s is over 45 s"),
    ("max_latency", "20ms", "latency was not measured"),
]


@pytest.mark.parametrize(("key", "text", "reason"), LIMITS)
def test_every_limit_excludes_with_a_reason(records, key, text, reason):
    answer = answer_of(records, read_constraints(**{key: text}))
    assert by_name(answer)["full"].excluded == (reason,)
    if key == "max_latency":
        assert answer.chosen is None
        assert answer.basis is None
    else:
        assert answer.chosen.method == "lora"


def test_better_methods_over_a_limit_are_named_with_their_lead(records):
    answer = answer_of(records, read_constraints(max_train_time="25s"))
    assert answer.chosen.method == "bitfit"
    lines = changes(answer)
    assert any(line.startswith("full scored 5.1 points more (") for line in lines)
    assert any("lora scored 5.0 points more" in line and "needs 30 s" in line for line in lines)


def test_a_limit_missed_by_little_shows_by_how_much(records):
    answer = answer_of(records, Constraints(limits={"time": 59.9}))
    assert by_name(answer)["full"].excluded == ("training time 60 s is over 60 s by 0.2%",)


def test_no_method_fits(records):
    answer = answer_of(records, read_constraints(max_train_time="1s"))
    assert answer.chosen is None
    assert [c.method for c in answer.candidates] == METHODS
    assert all(c.excluded for c in answer.candidates)
    # The best excluded method comes first.
    assert changes(answer)[0] == "full needs 60 s of training time (1.0 s allowed)."


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


def test_incomplete_methods_are_listed_with_the_reason(records):
    failed = builders.ended("ia3", "failed", "out of memory", phase="fit", purpose="profile")
    refused = builders.ended("prefix", "refused", "no attention", purpose="profile")
    methods = ["full", "lora", "bitfit", "ia3", "prefix", "dora", "zero-shot"]
    answer = answer_of([*records, failed, refused], methods=methods)
    found = by_name(answer)
    assert answer.chosen.method == "lora"
    assert "out of memory" in found["ia3"].excluded[0]
    assert found["prefix"].excluded == ("refused: no attention",)
    assert "not run yet" in found["dora"].excluded[0]


@pytest.mark.parametrize(
    ("unfinished", "constraints", "is_open"),
    [
        ("seed", {}, True), ("failed", {}, True), ("no cost", {}, True), ("setting", {}, True),
        ("nothing", {}, True), ("refused", {}, False),
        ("seed", {"max_train_time": "45s"}, False), ("setting", {"max_trainable": "50%"}, False),
    ],
)  # fmt: skip
def test_nothing_is_proved_while_a_possibly_better_method_is_open(
    records, unfinished, constraints, is_open
):
    other = {
        "seed": builders.whole("ia3", [0.95, 0.95], seconds=50),
        "failed": [builders.ended("ia3", "failed", "out of memory", phase="fit", purpose="profile")],
        "no cost": [builders.final("ia3", seed, 0.95) for seed in range(3)],
        "setting": builders.whole(
            "ia3", [0.95] * 3, adapter=builders.BASE, setting=builders.other_machine()
        ),
        "nothing": [],
        "refused": [builders.ended("ia3", "refused", "no attention", purpose="profile")],
    }[unfinished]
    answer = answer_of([*records, *other], read_constraints(**constraints), methods=[*METHODS, "ia3"])
    assert by_name(answer)["ia3"].still_open == is_open
    assert not by_name(answer)["zero-shot"].still_open
    assert answer.chosen.method == "lora"
    assert answer.basis == ("best bet" if is_open else "proved")
    text, advice = sentence(answer), [line for line in changes(answer) if "whichpeft run" in line]
    assert ("Proved" in text, "Best bet" in text) == (not is_open, is_open)
    assert text.endswith("ia3 could not be compared and may be better.") == is_open
    assert [line.startswith("ia3 is not complete") for line in advice] == [True] * is_open


def test_a_method_that_trains_nothing_may_be_unfinished(records):
    answer = answer_of([r for r in records if r.trial.method != "zero-shot"])
    assert "not run yet" in by_name(answer)["zero-shot"].excluded[0]
    assert answer.basis == "proved"


def test_a_method_open_on_one_task_is_open_over_all_tasks():
    def over(seeds):
        records = []
        for task in ("a", "b"):
            for method, score in (("full", 0.90), ("lora", 0.90), ("ia3", 0.95)):
                count = seeds if (task, method) == ("b", "ia3") else 3
                records.append(
                    builders.profile(method, task=task, seconds=90 if method == "ia3" else 30)
                )
                records += [builders.final(method, s, score + s / 1000, task=task) for s in range(count)]
        study = builders.study(["full", "lora", "ia3"], task=None, tasks=["a", "b"])
        return comparisons(study, records, predictions=builders.predictions(records))

    def answer(found, constraints):
        return choose_across_tasks([choose(c, constraints, rng=np.random.default_rng(0)) for c in found])

    early = answer(over(2), Constraints())
    assert [c.method for c in early.still_open] == ["ia3"]
    assert early.basis == "best bet"
    limited = answer(over(2), Constraints(limits={"time": 60}))
    assert (limited.still_open, limited.basis) == ([], "proved")
    assert (answer(over(3), Constraints()).chosen.method, early.chosen.method) == ("ia3", "full")


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


def test_the_default_stands_for_a_method_until_tuning_is_complete():
    better = {"hyperparameters": {"learning_rate": 0.002}}
    default = builders.whole("lora", [0.70, 0.70, 0.70])
    search = [
        builders.tuned("lora", 0, 0.5),
        builders.tuned("lora", 1, 0.6),
        builders.profile("lora", **better),
    ]
    one = builders.final("lora", 0, 0.9, **better)
    early = answer_of([*default, *search, one], methods=["lora"])
    assert (early.chosen.variant, early.chosen.score.mean) == ("default", pytest.approx(0.7))
    alone = answer_of([*search, one], methods=["lora"])
    (candidate,) = alone.candidates
    assert (candidate.variant, candidate.score.mean) == ("tuned", pytest.approx(0.9))
    assert alone.chosen is None


def test_costs_from_another_setting_exclude_a_method(records):
    elsewhere = builders.whole("ia3", [0.88, 0.88, 0.88], seconds=1, setting=builders.other_machine())
    answer = answer_of([*records, *elsewhere], methods=[*METHODS, "ia3"])
    assert by_name(answer)["ia3"].excluded == ("training time was measured in another setting",)


def test_untuned_methods_are_named_next_to_tuned_ones():
    better = {"hyperparameters": {"learning_rate": 0.002}}
    records = [
        *builders.whole("lora", [0.70, 0.70, 0.70]),
        builders.tuned("lora", 0, 0.5),
        builders.tuned("lora", 1, 0.6),
        builders.profile("lora", **better),
        *(builders.final("lora", seed, 0.9, **better) for seed in range(3)),
        *builders.whole("full", [0.85, 0.85, 0.85], adapter=builders.BASE, seconds=60),
    ]
    answer = answer_of(records, methods=["full", "lora"])
    assert (answer.chosen.method, answer.chosen.variant) == ("lora", "tuned")
    assert answer.chosen.score.mean == pytest.approx(0.9)
    assert caveats(answer) == [
        "Not tuned, so compared at default hyperparameters with tuned methods: full."
    ]
    untuned = answer_of(records[-4:], methods=["full"])
    assert "default hyperparameters only" in caveats(untuned)[0]


def test_one_answer_over_several_tasks():
    """lora is best on one task and far behind on the other, so bitfit is chosen over both."""
    records, tasks = [], ["a", "b"]
    scores = {
        "a": {"full": 0.90, "lora": 0.90, "bitfit": 0.895},
        "b": {"full": 0.8, "lora": 0.6, "bitfit": 0.795},
    }
    for task, own in scores.items():
        for method, score in own.items():
            seconds = {"full": 60, "lora": 10, "bitfit": 20}[method]
            records.append(builders.profile(method, task=task, seconds=seconds))
            records += [builders.final(method, s, score + s / 1000, task=task) for s in range(3)]
    study = builders.study(["full", "lora", "bitfit"], task=None, tasks=tasks)
    found = comparisons(study, records, predictions=builders.predictions(records))
    answers = [choose(c, Constraints(), rng=np.random.default_rng(0)) for c in found]
    assert [a.chosen.method for a in answers] == ["lora", "bitfit"]
    whole = choose_across_tasks(answers)
    assert whole.tasks == ("a", "b")
    assert (whole.chosen.method, whole.basis) == ("bitfit", "proved")
    assert whole.chosen.score.mean == pytest.approx(0.846)
    assert by_name(whole)["full"].gap.mean == pytest.approx(0.005)
    limited = [choose(c, Constraints(limits={"time": 15}), rng=np.random.default_rng(0)) for c in found]
    assert choose_across_tasks(limited).chosen.method == "lora"
    assert choose_across_tasks(answers[:1]) is None


def over_two_tasks(tuned):
    """Return the answer over tasks a and b; `tuned` has the tasks that each method was tuned on."""
    better = {"hyperparameters": {"learning_rate": 0.002}}
    records = []
    for task in ("a", "b"):
        for method, score in (("full", 0.90), ("lora", 0.88)):
            own = {"task": task}
            if task in tuned[method]:
                records += [builders.tuned(method, i, 0.5 + i / 10, **own) for i in range(2)]
                own |= better
            records.append(builders.profile(method, **own))
            records += [builders.final(method, s, score + s / 1000, **own) for s in range(3)]
    study = builders.study(["full", "lora"], task=None, tasks=["a", "b"])
    found = comparisons(study, records, predictions=builders.predictions(records))
    return choose_across_tasks([choose(c, Constraints(), rng=np.random.default_rng(0)) for c in found])


def test_a_method_tuned_on_some_tasks_names_them():
    answer = over_two_tasks({"full": "ab", "lora": "a"})
    assert [c.variant for c in answer.candidates] == ["tuned", "tuned on a"]
    assert caveats(answer)[0] == (
        "Not tuned, so compared at default hyperparameters with tuned methods: lora (only tuned on a)."
    )
    later = over_two_tasks({"full": "b", "lora": ""})
    assert [c.variant for c in later.candidates] == ["tuned on b", "default"]
    assert "full (only tuned on b) and lora." in caveats(later)[0]
    assert sentence(later).startswith("Use full (tuned on b) for minilm on a and b:")
    assert not any("Not tuned" in c for c in caveats(over_two_tasks({"full": "ab", "lora": "ab"})))


def test_gaps_over_tasks_combine_those_of_each_task():
    rng = np.random.default_rng(3)
    tasks = []
    for _ in range(2):
        scores = rng.normal(0.8, 0.3, size=(11, 3, 200)) + rng.normal(0, 0.01, size=(11, 3, 1))
        tasks.append(TrialEvidence(scores, [(0, 1, 2)] * 11, rng))
    gap = EvidenceAcrossTasks(tuple(tasks), [range(11), range(11)], rng).gap(1, 0)
    means, halves = zip(*((g.mean, g.high - g.mean) for g in (t.gap(1, 0) for t in tasks)), strict=True)
    assert gap.mean == pytest.approx(np.mean(means))
    assert gap.high - gap.mean == pytest.approx(np.hypot(*halves) / 2, rel=0.05)
    # Eleven methods know how much seeds vary; two do not.
    pair = EvidenceAcrossTasks(
        tuple(TrialEvidence(t.scores[:2], t.seeds[:2], rng) for t in tasks), [[0, 1]] * 2, rng
    )
    assert gap.high - gap.low < 0.8 * (pair.gap(1, 0).high - pair.gap(1, 0).low)
    assert pair.gap(0, 1).high == pytest.approx(-pair.gap(1, 0).low)
    # With one task the interval is that of its differences.
    alone = EvidenceAcrossTasks((tasks[0],), [range(11)], rng)
    assert alone.gap(1, 0) == pytest.approx(tasks[0].gap(1, 0), abs=0.001)
    assert alone.gap(0, 0) == (0, 0, 0)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"by": "tiem"}, "--by: unknown cost 'tiem'; did you mean 'time'"),
        ({"max_memory": "6 gigs"}, "--max-memory: '6 gigs' is not a size; write it as 24GB"),
        ({"max_trainable": "0.01"}, "--max-trainable: '0.01' is not a percentage"),
        ({"max_latency": "20"}, "--max-latency: '20' is not a duration"),
        ({"margin": -1.0}, "--margin is -1.0"),
        ({"margin": float("nan")}, "--margin is nan"),
    ],
)
def test_unreadable_constraints_are_named(asked, complaint):
    with pytest.raises(StudyError) as caught:
        read_constraints(**asked)
    assert complaint in str(caught.value)


def test_constraints_have_the_units_of_rows():
    constraints = read_constraints(
        max_memory="6GB", max_latency="20ms", max_train_time="10m", margin=1.5
    )
    assert constraints.limits == {"memory": 6_000_000_000, "latency": 20.0, "time": 600.0}
    assert constraints.margin == pytest.approx(0.015)


def simulated(rng, true, *, seeds=5, examples=400):
    """Return an answer from simulated trials: true means with noise of seeds and examples."""
    shape = (len(true), seeds, examples)
    easy = rng.normal(0, 0.25, size=(1, 1, examples))
    scores = np.asarray(true)[:, None, None] + easy + rng.normal(0, 0.3, size=shape)
    scores = scores + rng.normal(0, 0.006, size=(len(true), seeds, 1))
    evidence = TrialEvidence(scores, [range(seeds)] * len(true), rng)
    candidates = [
        Candidate(
            method=f"m{i}", method_id=None, variant="default", trains=True,
            score=Interval(float(mean), None, None), costs={"time": float(i)}, limited={}, place=i,
        )
        for i, mean in enumerate(evidence.means)
    ]  # fmt: skip
    return decide(
        Answer(
            backbone="b",
            tasks=("t",),
            metric="accuracy",
            constraints=Constraints(),
            candidates=tuple(candidates),
            evidence=evidence,
        )
    )


def test_probabilities_of_being_within_the_margin_are_calibrated(monkeypatch):
    """In simulated studies, methods are within the margin about as often as their probability."""
    monkeypatch.setattr("whichpeft.analysis.choice.evidence.DRAWS", 500)
    rng = np.random.default_rng(0)
    said, true = [], []
    for _ in range(300):
        means = rng.normal(0.8, 0.02, size=4)
        said += [c.probability for c in simulated(rng, means).candidates]
        true += list(means >= means.max() - 0.02)
    said, true = np.array(said), np.array(true)
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
        within = (said >= low) & (said < high)
        assert within.sum() > 60
        assert true[within].mean() == pytest.approx(said[within].mean(), abs=0.12)


def test_a_method_just_outside_the_margin_is_seldom_proved(monkeypatch):
    """A method that is truly worse by a little more than the margin is proved in at most 5 %."""
    monkeypatch.setattr("whichpeft.analysis.choice.evidence.DRAWS", 50)
    rng = np.random.default_rng(1)
    wrong = sum(
        answer.basis == "proved" and answer.chosen.method == "m0"
        for answer in (simulated(rng, [0.7799, 0.80]) for _ in range(400))
    )
    assert wrong <= 32  # 5 % of 400 and three standard errors


def test_all_seeds_that_two_methods_share_count():
    rng = np.random.default_rng(5)
    seeds = [range(12), range(12), range(12), range(3), range(3)]
    easy = rng.normal(0, 0.25, size=500)
    scores = [0.8 + easy + rng.normal(0, 0.01, size=(len(own), 1)) for own in seeds]
    scores = [own + rng.normal(0, 0.3, size=own.shape) for own in scores]
    evidence = TrialEvidence(scores, seeds, rng)
    assert evidence.fewest_seeds == 3
    assert evidence.effects(0, 1).seeds == 12
    widths = [gap.high - gap.low for gap in (evidence.gap(0, 1), evidence.gap(0, 3))]
    assert widths[0] < 0.75 * widths[1]
    # The draws that probabilities come from know as much as the intervals.
    spread = (evidence.draws[:, 0] - evidence.draws[:, 1]).std()
    assert spread == pytest.approx(evidence.effects(0, 1).standard_error, rel=0.25)
    assert evidence.draws.mean(axis=0) == pytest.approx(evidence.means, abs=0.001)
