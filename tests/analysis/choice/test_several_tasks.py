"""One answer over several tasks."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis import comparisons
from whichpeft.analysis.choice.choice import choose, choose_across_tasks
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.evidence import EvidenceAcrossTasks, TrialEvidence
from whichpeft.analysis.choice.what_if import caveats
from whichpeft.report.choices import sentence

from ... import builders
from .of_records import by_name


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
