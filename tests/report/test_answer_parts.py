"""What limits cost, what makes an answer less certain than it seems, and what to run next."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from whichpeft.records import LengthReading, Reading
from whichpeft.report import Report
from whichpeft.report.answer_parts.certainty import certainty_of, told

from .. import builders

METHODS = ["full", "lora", "bitfit"]


@pytest.fixture
def records():
    return [
        *builders.whole("full", [0.911, 0.913, 0.910], adapter=builders.BASE, seconds=60),
        *builders.whole("lora", [0.632, 0.634, 0.633], adapter=99_000, seconds=30),
        *builders.whole("bitfit", [0.601, 0.603, 0.602], adapter=9_000, seconds=20),
    ]


def choices(records, methods=METHODS, *, report=None, **limits):
    predictions = builders.predictions(records)
    found = Report(builders.study(methods), records, predictions=predictions, **(report or {}))
    return found.choose(**limits)


def test_the_order_is_method_limit_certainty(records):
    found = choices(records, max_adapter_size="2MB")
    (short,) = found.told
    assert short.advice == "Use lora: 63.3 points, 30 s of training and 396 kB to store."
    assert short.limit_cost == ("Your 2 MB adapter limit costs 28 points: full reaches 91.1 with 88 MB.")
    assert short.text == (
        f"{short.advice} {short.limit_cost} Proved: at most 2.0 points worse than any other method "
        "within your limits (3 seeds, 1,000 test examples)."
    )
    assert [(one.value, one.label) for one in short.figures] == [
        ("63.3 points", "accuracy on test"), ("30 s", "training time"), ("396 kB", "adapter size"),
    ]  # fmt: skip
    assert short.figures[0].detail.endswith("; full: 91.1")
    assert found.as_objects()[0]["limit_cost"] == short.limit_cost
    # The table's verdicts are on gaps to full, which is over the limit.
    (proof,) = [line for line in short.remarks if line.startswith("In the proof, ")]
    assert "better by at most this much: bitfit 0.0 points. The table compares with full, which" in proof
    assert short.why is None


def test_why_the_baseline_is_recommended(records):
    (short,) = choices(records).told
    assert short.method == "full"
    assert re.fullmatch(
        r"No method with less training time is proved to be within 2\.0 points of the best; lora "
        r"\(63\.3 points, 30 s\) is within \d\d\.\d\.",
        short.why,
    )


def test_a_limit_on_a_share_names_what_it_is_a_share_of(records):
    (short,) = choices(records, max_trainable="1%").told
    assert short.limit_cost.endswith("full reaches 91.1 with 100 % of the parameters trained.")


def test_two_limits_cost_together(records):
    (short,) = choices(records, max_adapter_size="2MB", max_train_time="25s").told
    assert short.limit_cost == (
        "Your limits (adapter 2 MB, train time 25 s) cost 31 points: full reaches 91.1 with 88 MB "
        "and 60 s."
    )


def test_a_loss_that_may_be_luck_is_not_called_a_cost():
    close = [
        *builders.whole("full", [0.80, 0.81, 0.82], adapter=builders.BASE, seconds=60),
        *builders.whole("lora", [0.805, 0.80, 0.81], adapter=99_000, seconds=30),
    ]
    (short,) = choices(close, ["full", "lora"], max_adapter_size="2MB").told
    assert short.limit_cost == (
        "Your 2 MB adapter limit may cost something: full scored 0.5 points more with 88 MB, which may "
        "be luck."
    )


@pytest.mark.parametrize("limit", ["100MB", None])
def test_limits_that_exclude_nothing_better_cost_nothing(records, limit):
    (short,) = choices(records, max_adapter_size=limit).told
    assert short.limit_cost is None


def test_the_only_method_within_the_limits_is_the_only_choice(records):
    found = choices(records, max_train_time="25s")
    assert certainty_of(found[0]) == "only choice"
    assert "Only choice: no other method fits your limits." in found.told[0].text


@pytest.mark.parametrize(
    ("limits", "options"),
    [
        ({}, ""),
        ({"max_adapter_size": "2MB", "margin": 1.5}, " --max-adapter-size 2MB --margin 1.5"),
        (
            {"max_memory": "6GB", "max_trainable": "0.5%", "by": "memory"},
            " --max-memory 6000MB --max-trainable 0.5% --by memory",
        ),
        ({"max_train_time": "2m"}, " --max-train-time 120s"),
    ],
)
def test_the_next_command_takes_the_method_away_with_the_same_limits(records, limits, options):
    folder = Path("runs/my data")
    (short,) = choices(records, report={"folder": folder}, **limits).told
    assert short.next_command == f"whichpeft choose 'runs/my data'{options} --write chosen"


def test_the_next_command_adds_what_is_missing(records):
    def after(found, methods=METHODS):
        return choices(found, methods, report={"folder": Path("r")}).told[0].next_command

    again = "whichpeft run r/study.yaml --out r"
    assert after(records, [*METHODS, "ia3"]) == again
    failed = builders.ended("ia3", "failed", "out of memory", phase="fit")
    assert after([*records, failed], [*METHODS, "ia3"]) != again, "it fails again"
    one = [record for record in records if record.trial.seed == 0]
    study = builders.study(METHODS, seeds=(0,))
    (short,) = Report(study, one, folder=Path("r")).answers
    assert (short.certainty, short.next_command) == ("unknown", f"{again} --seeds 3")
    assert choices(records).told[0].next_command is None, "records in no folder"


def test_a_method_that_was_still_improving_is_named(records):
    scores = {"full": (0.90, 0.901), "lora": (0.60, 0.64), "bitfit": (0.55, 0.60)}
    by_trial = {
        record.trial.fingerprint: [
            (38 * (i + 1), "validation_score", score + record.trial.seed / 1000)
            for i, score in enumerate(scores[record.trial.method])
        ]
        for record in records
        if record.trial.purpose == "final"
    }
    report = {"curves": by_trial.get}
    (short,) = choices(records, report=report, max_adapter_size="2MB").told
    assert short.cautions == (
        "lora and bitfit were still improving when training ended (lora +4.0 points on the validation "
        "split in the last 38 of 76 steps): more epochs (--epochs 6) may change scores and their order.",
    )
    # Full is chosen without limits, and the others may still pass it.
    (short,) = choices(records, report=report).told
    assert short.cautions[0].endswith("may change the choice.")


def test_few_steps_are_said(records):
    def steps(count):
        taken = builders.measurements({"steps": count}, "fit")
        found = [
            replace(record, measurements=(*record.measurements, *taken))
            if record.trial.purpose == "final"
            else record
            for record in records
        ]
        return choices(found).told[0].cautions

    assert steps(114) == ()
    assert steps(57) == (
        "Training took only 57 steps, and below 100 methods differ mostly in how fast they start: train "
        "for more epochs or on more examples (--epochs, --max-train).",
    )


@pytest.mark.parametrize(("pieces", "said"), [(1.4, False), (2.7, True), (None, False)])
def test_a_language_that_looks_foreign_is_said(records, pieces, said):
    length = LengthReading(
        task="glue/sst2",
        backbone="minilm",
        median=20,
        p95=40,
        longest=60,
        count=100,
        pieces_per_word=pieces,
    )
    (short,) = choices(records, report={"reading": Reading(lengths=(length,))}).told
    assert short.cautions == (
        (
            "The inputs look foreign to minilm: it needs 2.7 tokens per word, and a tokenizer needs "
            "about 1.2 to 1.4 for its own language; a backbone for this language may score higher.",
        )
        if said
        else ()
    )


def test_the_word_and_its_sentence_make_one():
    assert told("best bet", "A chance of 72 %.") == "Best bet: a chance of 72 %."
