"""Limits: every one excludes with a reason, and unreadable ones are named."""

from __future__ import annotations

import pytest

from whichpeft.analysis.choice.constraints import Constraints, read_constraints
from whichpeft.analysis.choice.what_if import changes
from whichpeft.errors import StudyError

from .of_records import METHODS, answer_of, by_name

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
