"""Status and reasons: failed and refused methods stay in the table."""

from __future__ import annotations

from whichpeft.analysis import compare

from .. import builders


def only(records, seeds=(0, 1, 2)):
    (row,) = compare(builders.study(["ia3"], seeds=seeds), records)
    return row


def test_all_seeds_completed():
    row = only(builders.whole("ia3", [0.1, 0.2, 0.3]))
    assert (row["status"], row["error"], row["seeds"]) == ("completed", None, [0, 1, 2])


def test_some_seeds_failed():
    records = builders.whole("ia3", [0.1, 0.2])
    records.append(builders.ended("ia3", "failed", "loss is not finite", seed=2, phase="fit"))
    row = only(records)
    assert (row["status"], row["seeds"]) == ("partial", [0, 1])
    assert row["error"] == "seed 2 failed in fit: loss is not finite"


def test_equal_failures_are_reported_once():
    records = [builders.ended("ia3", "failed", "out of memory", seed=s, phase="fit") for s in range(3)]
    row = only([builders.profile("ia3"), *records])
    assert (row["status"], row["seeds"], row["score_mean"]) == ("failed", [], None)
    assert row["error"] == "seeds 0, 1, 2 failed in fit: out of memory"
    assert row["train_seconds"] == 30


def test_a_failed_profile_is_reported():
    row = only([builders.ended("ia3", "failed", "out of memory", purpose="profile", phase="warm-up")])
    assert row["status"] == "failed"
    assert row["error"].startswith("the profile failed in warm-up: out of memory")


def test_a_failed_profile_with_all_seeds_is_partial():
    records = [builders.final("ia3", seed, 0.5) for seed in range(3)]
    row = only([*records, builders.ended("ia3", "failed", "too slow", purpose="profile")])
    assert (row["status"], row["train_seconds"]) == ("partial", None)
    assert "the profile failed: too slow" in row["error"]


def test_a_refused_method_has_its_reason():
    row = only([builders.ended("ia3", "refused", "no module to target", purpose="profile")])
    assert (row["status"], row["error"]) == ("refused", "no module to target")
    assert row["score_mean"] is row["trainable_parameters"] is None


def test_a_method_without_records_was_not_run_yet():
    row = only([])
    assert (row["status"], row["error"]) == ("partial", "the final trials were not run yet")
    assert (row["seeds"], row["method"], row["method_id"]) == ([], "ia3", None)
    assert (row["backbone"], row["task"]) == ("minilm", "sst2")


def test_missing_seeds_are_named():
    row = only(builders.whole("ia3", [0.1, 0.2]))
    assert (row["status"], row["error"]) == ("partial", "seed 2 was not run yet")
