"""Verdicts in a comparison, from predictions or, without them, over seeds alone."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from whichpeft.analysis import compare, compare_methods, comparisons, mean_interval, paired_gap
from whichpeft.analysis.statistics.random_effects import random_effects
from whichpeft.records import Store

from .. import builders

METHODS = ["full", "lora:r=8", "bitfit", "ia3"]


@pytest.fixture
def records():
    return [
        *builders.whole("full", [0.880, 0.885, 0.879], adapter=builders.BASE),
        *builders.whole("lora:r=8", [0.879, 0.884, 0.880]),
        *builders.whole("bitfit", [0.850, 0.890, 0.860]),
        *builders.whole("ia3", [0.800, 0.805, 0.800]),
    ]


@pytest.fixture
def rows(records):
    found = compare(builders.study(METHODS), records, predictions=builders.predictions(records))
    return {row["method"]: row for row in found}


def test_each_method_has_its_verdict(rows):
    found = {name: row["verdict"] for name, row in rows.items()}
    assert found == {
        "full": "baseline", "lora:r=8": "equivalent", "bitfit": "undecided", "ia3": "worse",
    }  # fmt: skip
    full = rows["full"]
    assert full["p_value"] is full["p_adjusted"] is full["proved_margin"] is None
    assert (full["gap_mean"], full["gap_low"], full["gap_high"]) == (0, 0, 0)


def right(records, method):
    """Return which answers of a method's final trials are right, shape (seeds, examples)."""
    predictions = builders.predictions(records)
    arrays = [
        predictions(record.trial.fingerprint)
        for record in records
        if record.trial.method == method and record.trial.purpose == "final"
    ]
    return np.array([one["outputs"].argmax(axis=1) == one["labels"] for one in arrays])


def test_gaps_match_compare_methods(records, rows):
    scores = [right(records, method) for method in METHODS]
    _, *gaps = compare_methods(scores, rng=np.random.default_rng(0))
    for method, gap in zip(METHODS[1:], gaps, strict=True):
        row = rows[method]
        assert row["gap_mean"] == pytest.approx(gap.mean)
        assert (row["gap_low"], row["gap_high"]) == pytest.approx((gap.low, gap.high))
        assert row["p_value"] == pytest.approx(gap.p_value)
        assert row["p_adjusted"] == pytest.approx(gap.p_adjusted)
        assert row["proved_margin"] == pytest.approx(gap.proved_margin)
        assert row["seed_degrees_of_freedom"] == pytest.approx(gap.seed_degrees_of_freedom)
        assert row["seed_degrees_of_freedom"] > 2


def test_with_one_method_gaps_match_paired_gap(records):
    few = [record for record in records if record.trial.method in ("full", "bitfit")]
    found = compare(builders.study(["full", "bitfit"]), few, predictions=builders.predictions(few))
    gap = paired_gap(right(few, "bitfit"), right(few, "full"), rng=np.random.default_rng(0))
    row = found[1]
    assert (row["gap_low"], row["gap_high"]) == pytest.approx((gap.low, gap.high))
    assert row["p_value"] == row["p_adjusted"] == pytest.approx(gap.p_value)
    assert row["seed_degrees_of_freedom"] == 2


def test_intervals_of_scores_are_over_seeds_and_examples(rows):
    row = rows["lora:r=8"]
    over_seeds = mean_interval([0.879, 0.884, 0.880])
    assert row["score_mean"] == pytest.approx(over_seeds.mean)
    assert row["score_high"] - row["score_low"] > 1.5 * (over_seeds.high - over_seeds.low)


def test_p_values_are_adjusted_for_all_methods(rows):
    raw = sorted(rows[name]["p_value"] for name in METHODS[1:])
    assert rows["ia3"]["p_value"] == raw[0]
    # Gaps to one baseline move together, so three tests cost less than three independent ones.
    assert raw[0] < rows["ia3"]["p_adjusted"] < 3 * raw[0]
    assert rows["lora:r=8"]["p_adjusted"] == rows["lora:r=8"]["p_value"] == raw[-1]


def test_a_verdict_uses_the_adjusted_p_value():
    names = [f"lora:r={rank}" for rank in range(2, 9)]
    records = [
        *builders.whole("full", [0.80, 0.80, 0.80]),
        *builders.whole("ia3", [0.75, 0.755, 0.77]),
        *(record for name in names for record in builders.whole(name, [0.7, 0.8, 0.9])),
    ]
    alone = compare(builders.study(["full", "ia3"]), records[:8])[1]
    among = compare(builders.study(["full", "ia3", *names]), records)[1]
    assert alone["p_value"] == among["p_value"] < 0.05 < among["p_adjusted"]
    assert (alone["verdict"], among["verdict"]) == ("worse", "undecided")


def test_the_intervals_shown_agree_with_the_verdicts():
    """An interval without 0 is a difference, one within the margin is equivalence."""
    drawn = np.random.default_rng(3)
    agreed = dict.fromkeys(("equivalent", "better", "worse", "undecided"), 0)
    only_plain = 0
    for _ in range(12):
        gaps = [0, 0, *drawn.normal(0, 0.015, 6)]
        names = ["full", *(f"lora:r={rank}" for rank in range(2, 9))]
        records = [
            record
            for name, gap in zip(names, gaps, strict=True)
            for record in builders.whole(name, list(0.8 + gap + drawn.normal(0, 0.006, 4)))
        ]
        for row in compare(builders.study(names, seeds=(0, 1, 2, 3)), records)[1:]:
            low, high = row["verdict_low"], row["verdict_high"]
            shown = "better" if low > 0 else "worse" if high < 0 else "undecided"
            if row["verdict"] == "equivalent":
                assert -0.02 <= low < high <= 0.02
            else:
                assert row["verdict"] == shown
                assert high - low >= row["gap_high"] - row["gap_low"] - 1e-4
                only_plain += shown == "undecided" and not row["gap_low"] <= 0 <= row["gap_high"]
            agreed[row["verdict"]] += 1
    assert min(agreed.values()) > 0
    assert only_plain > 0  # the plain 95 % interval leaves out 0 more often than the verdict decides


def test_intervals_stay_within_what_the_metric_can_be():
    records = builders.whole("full", [0.99, 0.90, 1.0])
    row = compare(builders.study(["full"]), records)[0]
    assert row["score_low"] == pytest.approx(0.8265, abs=1e-3)
    assert row["score_high"] == 1.0
    correlation = [builders.final("full", s, v, metric="matthews") for s, v in enumerate([0.9, -0.9, 0])]
    row = compare(builders.study(["full"]), correlation)[0]
    assert (row["score_low"], row["score_high"]) == (-1.0, 1.0)


def test_two_seeds_are_too_few_for_an_interval():
    records = [*builders.whole("full", [0.80, 0.82]), *builders.whole("ia3", [0.81, 0.80])]
    full, other = compare(builders.study(["full", "ia3"], seeds=(0, 1)), records)
    assert (full["score_low"], full["score_high"]) == (None, None)
    assert (other["verdict"], other["verdict_low"]) == ("undecided", None)
    # What two seeds do decide keeps its interval, and so does a method that no seed changes.
    records = [*builders.whole("full", [0.90, 0.9001]), *builders.whole("ia3", [0.60, 0.6003])]
    other = compare(builders.study(["full", "ia3"], seeds=(0, 1)), records)[1]
    assert other["verdict"] == "worse"
    assert other["verdict_high"] < 0
    assert not random_effects(np.array([[1.0, 0, 1, 1, 0]] * 2)).too_few_seeds


def test_undecided_methods_say_what_would_decide(records):
    (found,) = comparisons(builders.study(METHODS), records, predictions=builders.predictions(records))
    needed = {result.method: result.would_decide for result in found.results if result.would_decide}
    assert list(needed) == ["bitfit"]
    assert "would decide" in needed["bitfit"]


def test_the_caller_sets_the_margin(records):
    predictions = builders.predictions(records)
    found = {
        margin: compare(builders.study(METHODS), records, predictions=predictions, margin=margin)[1]
        for margin in (0.02, 0.001)
    }
    assert found[0.02]["verdict"] == "equivalent"
    assert found[0.001]["verdict"] == "undecided"
    assert found[0.02]["proved_margin"] == found[0.001]["proved_margin"] < 0.02


def test_without_predictions_intervals_are_over_seeds(records):
    (found,) = comparisons(builders.study(METHODS), records)
    assert not any(result.over_examples for result in found.results)
    bitfit, ia3 = found.results[2:]
    assert bitfit.gap_mean == pytest.approx(np.mean([-0.030, 0.005, -0.019]))
    assert bitfit.verdict == "undecided"
    # With two methods the interval is Student's t.
    few = [record for record in records if record.trial.method in ("full", "bitfit")]
    (pair,) = comparisons(builders.study(["full", "bitfit"]), few)
    by_hand = mean_interval([-0.030, 0.005, -0.019])
    found = pair.results[1].gap_low, pair.results[1].gap_high
    assert found == pytest.approx((by_hand.low, by_hand.high))
    assert ia3.verdict == "worse"


def test_without_predictions_equal_gaps_are_undecided():
    search = [
        builders.tuned("full", 0, 0.9),
        builders.tuned("full", 1, 0.8),
    ]  # the default stays the best
    records = [*builders.whole("full", [0.8, 0.82]), *search, *builders.whole("ia3", [0.7, 0.72])]
    rows = compare(builders.study(["full", "ia3"], seeds=[0, 1]), records)
    default, tuned, ia3 = rows
    for row in (default, tuned):
        assert row["verdict"] == "baseline"
        assert (row["gap_mean"], row["gap_low"], row["gap_high"]) == (0, 0, 0)
    assert ia3["gap_mean"] == pytest.approx(-0.1)
    assert (ia3["gap_low"], ia3["p_value"], ia3["proved_margin"]) == (None, None, None)
    assert ia3["verdict"] == "undecided"


def test_a_seed_without_predictions_makes_intervals_over_seeds(records):
    whole = builders.predictions(records)
    lacking = next(r for r in records if r.trial.method == "ia3" and r.trial.purpose == "final")

    def predictions(fingerprint):
        return None if fingerprint == lacking.trial.fingerprint else whole(fingerprint)

    (found,) = comparisons(builders.study(METHODS), records, predictions=predictions)
    bitfit, ia3 = found.results[2:]
    assert bitfit.over_examples
    assert not ia3.over_examples
    by_hand = mean_interval([0.800 - 0.880, 0.805 - 0.885, 0.800 - 0.879])
    assert ia3.gap_low == pytest.approx(by_hand.low)


@pytest.mark.parametrize("spoil", ["metric", "score", "labels", "empty"])
def test_predictions_that_do_not_match_the_score_are_ignored(records, spoil):
    whole = builders.predictions(records)
    spoiled = {r.trial.fingerprint for r in records if r.trial.method == "ia3"}

    def predictions(fingerprint):
        arrays = whole(fingerprint)
        if fingerprint not in spoiled or arrays is None:
            return arrays
        if spoil == "score":
            return {**arrays, "outputs": np.ones_like(arrays["outputs"])}
        if spoil == "labels":
            return {"outputs": arrays["outputs"][::-1], "labels": arrays["labels"][::-1]}
        return {} if spoil == "empty" else arrays

    if spoil == "metric":
        records = [
            replace(
                record,
                measurements=tuple(
                    replace(m, source="our-own") if m.name == "score" else m for m in record.measurements
                ),
            )
            if record.trial.method == "ia3"
            else record
            for record in records
        ]
    (found,) = comparisons(builders.study(METHODS), records, predictions=predictions)
    _, lora, _, ia3 = found.results
    assert lora.over_examples
    assert not ia3.over_examples
    by_hand = mean_interval([0.800, 0.805, 0.800])
    assert ia3.score_low == pytest.approx(by_hand.low)


def test_one_seed_gives_intervals_over_examples_and_no_verdict():
    records = [builders.final("full", 0, 0.88), builders.final("ia3", 0, 0.60)]
    (found,) = comparisons(
        builders.study(["full", "ia3"], seeds=[0]), records, predictions=builders.predictions(records)
    )
    ia3 = found.results[1]
    assert ia3.gap_low < -0.28 < ia3.gap_high < -0.2
    assert (ia3.verdict, ia3.p_value, ia3.p_adjusted) == ("undecided", None, None)
    assert "one seed" in ia3.would_decide


def test_each_variant_is_its_own_family_of_tests():
    better = {"hyperparameters": {"learning_rate": 0.002}}
    records = [
        *builders.whole("full", [0.80, 0.81, 0.80]),
        *builders.whole("lora", [0.70, 0.72, 0.71]),
        *builders.whole("ia3", [0.60, 0.61, 0.61]),
        *(
            builders.final("lora", seed, score, **better)
            for seed, score in enumerate([0.80, 0.81, 0.81])
        ),
        *(builders.tuned("full", number, 0.9 - number / 10) for number in range(2)),
        *(builders.tuned("lora", number, 0.7 + number / 10) for number in range(2)),
    ]
    found = compare(
        builders.study(["full", "lora", "ia3"]), records, predictions=builders.predictions(records)
    )
    rows = {(row["method"], row["variant"]): row for row in found}
    assert rows["lora", "default"]["verdict"] == "worse"
    assert rows["lora", "tuned"]["verdict"] == "equivalent"
    assert rows["lora", "tuned"]["p_adjusted"] == rows["lora", "tuned"]["p_value"]
    assert rows["ia3", "default"]["p_adjusted"] == pytest.approx(2 * rows["ia3", "default"]["p_value"])


def test_numbers_do_not_depend_on_the_order_of_records(records):
    predictions = builders.predictions(records)
    first = compare(builders.study(METHODS), records, predictions=predictions)
    random.Random(3).shuffle(records)
    assert compare(builders.study(METHODS), records, predictions=predictions) == first


def test_each_trial_is_read_once(records):
    whole, read = builders.predictions(records), []

    def predictions(fingerprint):
        read.append(fingerprint)
        return whole(fingerprint)

    compare(builders.study(METHODS), records, predictions=predictions)
    assert len(read) == len(set(read)) == 12


def test_a_store_provides_its_predictions(records, tmp_path):
    store, predictions = Store(tmp_path), builders.predictions(records)
    for record in records:
        store.add(record, predictions=predictions(record.trial.fingerprint))
    study = builders.study(METHODS)
    found = compare(study, store, predictions=store.predictions)
    assert found == compare(study, records, predictions=predictions)
