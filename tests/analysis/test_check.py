"""Check finds every fault once, with its place and a fix; a sound folder has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from whichpeft.analysis.check.check import check
from whichpeft.analysis.comparable_groups import group_records
from whichpeft.errors import RecordError
from whichpeft.study import Budget

from .. import builders

METHODS = ["full", "head", "lora"]
TUNED = Budget(epochs=3, max_train=2000, batch_size=16, tuning_trials=2)


@pytest.fixture
def records():
    return [
        *builders.whole("full", [0.88, 0.89, 0.88], adapter=builders.BASE),
        *builders.whole("head", [0.70, 0.71, 0.70], adapter=0),
        *builders.whole("lora", [0.87, 0.88, 0.88]),
    ]


def findings(records, methods=METHODS, *, predictions=None, **study):
    asked = builders.study(methods, **study)
    whole = [record for record in records if not isinstance(record, RecordError)]
    return check(asked, records, predictions=predictions or builders.predictions(whole))


def problems(found):
    return [finding for finding in found if finding.severity == "problem"]


def test_screening_trials_are_not_compared_and_only_a_failed_default_is_a_problem(records):
    screens = [builders.screened(method, number, 94, 0.6) for method in METHODS for number in (0, 1)]
    failed = [builders.screened("lora", number, 188, 0.5, status="failed") for number in (0, 1)]
    assert findings([*records, *screens]) == findings(records)
    asked = builders.study(METHODS)
    assert group_records(asked, [*records, *screens, *failed]) == group_records(asked, records)
    (found,) = problems(findings([*records, *failed]))
    assert found.what == "its screening trial 0 failed in validate: the loss is not finite"


def test_a_sound_folder_has_only_the_note_that_nothing_was_tuned(records):
    (finding,) = findings(records)
    assert finding.severity == "note"
    assert "no method was tuned" in finding.what


def test_problems_come_first(records):
    found = findings(records[:-1])
    assert [finding.severity for finding in found] == ["problem", "note"]
    assert found[0].what == "seeds not run: 2"
    assert (found[0].backbone, found[0].task, found[0].method) == ("minilm", "glue/sst2", "lora")


def test_one_seed_is_a_problem():
    records = [
        *builders.whole("full", [0.8], adapter=builders.BASE),
        *builders.whole("head", [0.7], adapter=0),
    ]
    (finding,) = problems(findings(records, METHODS[:2], seeds=[0]))
    assert "there is only one seed" in finding.what


def test_missing_baseline_full_and_head_are_reported():
    records = builders.whole("lora", [0.8, 0.81, 0.8])
    found = findings(records, ["lora"])
    (finding,) = problems(found)
    assert "the baseline full is not among the methods" in finding.what
    assert [f.fix for f in found[1:]] == [
        "to tune every method, use --tuning-trials 8 with another --out",
        "add --method full if it fits in memory",
        "add --method head, which is cheap",
    ]


def test_records_of_different_data_are_a_problem(records):
    other = [builders.final("lora", seed, 0.8, data="d2") for seed in range(3)]
    found = findings([*records, *other])
    assert "2 different data" in found[0].what


def test_scores_and_costs_from_different_settings_are_problems(records):
    newer = replace(builders.SETTING, versions={**builders.VERSIONS, "torch": "3.0.0"})
    strange = [
        *builders.whole("ia3", [0.8, 0.8, 0.81], setting=builders.other_machine()),
        *builders.whole("bitfit", [0.8, 0.81, 0.8], setting=newer),
    ]
    found = problems(findings([*records, *strange], [*METHODS, "ia3", "bitfit"]))
    assert [(f.method, f.what) for f in found] == [
        ("bitfit", "its scores cannot be compared: it differs from the other methods in torch"),
        ("ia3", "its costs cannot be compared: it differs from the other methods in hardware"),
        ("bitfit", "its costs cannot be compared: it differs from the other methods in torch"),
    ]


def test_failures_name_their_file_and_refusals_are_notes(records):
    failed = builders.ended("ia3", "failed", "out of memory", seed=1, phase="fit")
    refused = builders.ended("prefix", "refused", "no attention", purpose="profile")
    found = findings([*records, failed, refused], [*METHODS, "ia3", "prefix"])
    failure = next(f for f in found if "out of memory" in f.what)
    assert (failure.severity, failure.seed) == ("problem", 1)
    assert failure.file == f"records/{failed.trial.fingerprint}.json"
    assert next(f for f in found if f.method == "prefix").severity == "note"


def test_missing_and_unfinished_searches_are_problems():
    def whole(method, scores, trials, **changed):
        records = builders.whole(method, scores, **changed)
        tunes = [builders.tuned(method, number, 0.5) for number in range(trials)]
        return [
            replace(record, trial=replace(record.trial, budget=TUNED)) for record in (*records, *tunes)
        ]

    records = [
        *whole("full", [0.88, 0.89, 0.88], 2, adapter=builders.BASE),
        *whole("head", [0.70, 0.71, 0.70], 2, adapter=0),
        *whole("lora", [0.87, 0.88, 0.88], 1),
        *whole("bitfit", [0.86, 0.86, 0.87], 0),
    ]
    found = problems(findings(records, [*METHODS, "bitfit"], budget=TUNED))
    assert [(f.method, f.what) for f in found] == [
        ("lora", "its search is not finished: 1 of 2 tuning trials"),
        (
            "bitfit",
            "it was not tuned although the study tunes: it competes with its default hyperparameters",
        ),
    ]


def test_a_small_search_space_that_was_tried_whole_is_a_note():
    many = Budget(epochs=3, max_train=2000, batch_size=16, tuning_trials=8)
    size = builders.measurements({"search_trials": 2}, "set-up")
    records = [
        replace(record, trial=replace(record.trial, budget=many))
        for record in (
            *builders.whole("full", [0.88, 0.89, 0.88], adapter=builders.BASE),
            *builders.whole("head", [0.70, 0.71, 0.70], adapter=0),
            *(builders.tuned(method, number, 0.9 - number / 10)
              for method in ("full", "head") for number in range(2)),
        )
    ]  # fmt: skip
    records = [replace(record, measurements=(*record.measurements, *size)) for record in records]
    found = findings(records, ["full", "head"], budget=many)
    assert not [f for f in problems(found) if "search" in f.what]
    whole = [f.method for f in found if "few choices: 2 tuning trials instead of 8" in f.what]
    assert whole == ["full", "head"]


def test_a_diverged_candidate_is_a_note():
    budget = replace(TUNED, tuning_trials=3)
    records = [
        *builders.whole("lora", [0.8, 0.81, 0.8]),
        builders.tuned("lora", 0, 0.5),
        builders.tuned("lora", 1, 0.5, status="failed"),
        builders.tuned("lora", 2, 0.5),
    ]
    records = [replace(r, trial=replace(r.trial, budget=budget)) for r in records]
    found = findings(records, ["lora"], budget=budget, baseline="lora")
    assert next(f for f in found if "tuning trial 1 failed" in f.what).severity == "note"
    assert not problems(found)


def test_costs_have_to_be_measured_and_measured_alone(records):
    crowded = replace(builders.profile("lora"), setting=replace(builders.SETTING, beside=1))
    kept = [r for r in records if r.trial.method != "lora" or r.trial.purpose == "final"]
    (finding,) = problems(findings([*kept, crowded]))
    assert "while 1 other trial ran" in finding.what
    (finding,) = problems(findings(kept))
    assert finding.what == "its costs were not measured"


@pytest.mark.parametrize(
    ("share", "name", "what"),
    [
        (0.78, "taken_share", "took 78 % of the processor time while its costs were measured, so its "
        "times are about 4.5 times too long"),
        (0.2, "inference_taken_share", "took 20 % of the processor time"),
        (1.0, "gpu_taken_share", "took 100 % of the GPU time"),
    ],
)  # fmt: skip
def test_costs_measured_beside_other_work_are_a_problem(records, share, name, what):
    kept = [r for r in records if r.trial.method != "lora" or r.trial.purpose == "final"]
    busy = builders.beside_other_work(builders.profile("lora"), share, name)
    (finding,) = problems(findings([*kept, busy]))
    assert what in finding.what
    assert "delete the record of its profile" in finding.fix
    assert (finding.method, finding.file) == ("lora", f"records/{busy.trial.fingerprint}.json")


def test_a_little_other_work_is_no_problem(records):
    kept = [r for r in records if r.trial.method != "lora" or r.trial.purpose == "final"]
    assert not problems(findings([*kept, builders.beside_other_work(builders.profile("lora"), 0.08)]))


def test_damaged_records_are_reported_and_the_rest_is_checked(records):
    damage = RecordError("records/x.json: not a readable record; delete it and run the study again")
    found = findings([damage, *records])
    assert found[0].what == "records/x.json: not a readable record"
    assert found[0].fix == "delete it and run the study again"
    assert len(problems(found)) == 1


def test_missing_damaged_and_foreign_predictions_are_problems(records):
    known = builders.predictions(records)
    finals = [r.trial.fingerprint for r in records if r.trial.purpose == "final"]

    def without(fingerprint):
        return None if fingerprint == finals[0] else known(fingerprint)

    (finding,) = problems(findings(records, predictions=without))
    assert (finding.method, "has no predictions" in finding.what) == ("full", True)
    none = findings(records, predictions=lambda fingerprint: None)
    assert not problems(none)
    assert sum("has no predictions" in f.what for f in none) == 3

    def broken(fingerprint):
        if fingerprint == finals[4]:
            raise RecordError("predictions/x.npz: not readable; delete it")
        return known(fingerprint)

    (finding,) = problems(findings(records, predictions=broken))
    assert (finding.method, finding.seed, finding.fix) == ("head", 1, "delete it")

    def other(fingerprint):
        arrays = known(fingerprint)
        return {**arrays, "labels": 1 - arrays["labels"]} if fingerprint == finals[8] else arrays

    (finding,) = problems(findings(records, predictions=other))
    assert (finding.method, finding.seed) == ("lora", 2)
    assert "other test examples" in finding.what


def test_methods_with_equal_answers_are_noted(records):
    known = builders.predictions(records)
    of = {
        (r.trial.method, r.trial.seed): r.trial.fingerprint
        for r in records
        if r.trial.purpose == "final"
    }
    alike = {of["lora", seed]: known(of["head", seed]) for seed in range(3)}
    found = findings(records, predictions=lambda f: alike.get(f, known(f)))
    assert [f.what for f in found if f.method == "lora"] == [
        "it answers every test example exactly as head does"
    ]


def test_unnamed_methods_and_duplicate_records_are_reported(records):
    found = findings([*records, *builders.whole("ia3", [0.8, 0.8, 0.81]), records[0]])
    assert "not named in study.yaml" in next(f for f in found if f.method == "ia3").what
    assert found[0].what.startswith("2 files hold the record")


def test_an_empty_folder_is_a_problem():
    found = problems(findings([]))
    assert found[0].what == "there are no readable records"
