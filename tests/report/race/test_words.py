"""What a race found, in sentences: never that the best of all methods was proved."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from whichpeft.records import Entrant, Store
from whichpeft.report import Report
from whichpeft.report.race.answer import AutoAnswer
from whichpeft.report.race.stage_words import stage_words
from whichpeft.study import AutoOptions

from ... import builders, race_builders

QUALITY = {
    "full": 0.85, "lora": 0.862, "dora": 0.84, "adalora": 0.83, "bitfit": 0.82, "ia3": 0.80,
    "oft": 0.79, "ln-tuning": 0.77, "prefix": 0.75, "head": 0.70, "c3a": 0.66, "hra": 0.80,
}  # fmt: skip
OUT = (Entrant(method="top-layers", out="over a limit", reason="trainable 40 % is over 5 %"),)


def answer_of(quality=QUALITY, *, auto=None, **how):
    study, race, records = race_builders.race(quality, **how)
    if auto is not None:
        study = replace(study, auto=auto)
    return AutoAnswer(Report(study, records, race=race, predictions=builders.predictions(records)))


@pytest.fixture(scope="module")
def answer():
    return answer_of(out=OUT, seeds=(3, 5, 8), fails=["hra"])


def test_the_first_sentence_names_method_candidate_score_basis_and_costs(answer):
    lead = answer.sentences[0]
    assert re.fullmatch(
        r"Use lora \(learning rate 0\.002\): 8\d\.\d points, 26 s of training and 40 kB to store "
        r"\(full: 8\d\.\d, 60 s, 88 MB\)\.",
        lead,
    )
    assert answer.sentences[1].startswith(
        "Proved: at most 2.0 points worse than any other of 4 finalists ("
    )
    assert answer.proved
    assert f"Use {answer.method} (" in lead


def test_what_was_not_tested_is_counted_and_not_called_proved(answer):
    told = " ".join(answer.sentences[2:])
    assert "12 methods raced: 1 failed, " in told
    assert "left after a quarter of training" in told
    assert "4 were tested" in told
    assert "never trained to the end." in told
    assert "top-layers did not race: it is over a limit." in told
    assert "proved" not in told


def test_the_counts_of_methods_add_up(answer):
    (told,) = [sentence for sentence in answer.sentences if " raced: " in sentence]
    counts = [int(number) for number in re.findall(r"(?<![\d.])(\d+) (?!methods)", told)]
    assert sum(counts) == len(QUALITY)


def test_the_audit_says_how_close_dropped_methods_came(answer):
    (told,) = [sentence for sentence in answer.sentences if "trained to the end anyway" in sentence]
    assert "none came within 2.0 points of the best validation score" in told


def test_a_rung_comes_with_its_correlation_and_the_interval(answer):
    (told,) = [sentence for sentence in answer.sentences if "correlates" in sentence]
    assert re.search(r"at [01]\.\d\d \[-?\d\.\d\d, \d\.\d\d\] \(\d+ methods", told)


def test_the_saving_is_what_the_units_say(answer):
    units = sum(row["units"] for row in answer.race)
    assert answer.sentences[-1].endswith(f"takes 96, so the race took {96 / units:.1f} times fewer.")


def test_the_sentence_has_the_time_of_the_race_if_that_is_known(tmp_path):
    study, race, records = race_builders.race(QUALITY)
    store = Store(tmp_path)
    store.keep_study(study)
    store.keep_race(race)
    for record in records:
        store.add(record)
    store.clock_file.write_text('{"seconds": 581.0}')
    told = AutoAnswer(Report.read(tmp_path)).sentences[-1]
    assert told.startswith("The race took 9 min 41 s and as many training examples as ")


def test_without_finals_the_leader_is_no_choice():
    answer = answer_of(until=2)
    assert answer.method is None
    assert not answer.proved
    assert re.fullmatch(
        r"A best bet from the validation split alone is lora \(learning rate 0\.002\): \d\d\.\d points, "
        r"first of \d+ methods after half of training\. No method was tested yet\.",
        answer.sentences[0],
    )
    assert "still race" in answer.sentences[1]
    assert answer.sentences[-1].endswith("whole trainings so far.")


def test_a_race_without_time_for_finals_says_so():
    study, race, records = race_builders.race(QUALITY, until=3)
    answer = AutoAnswer(Report(study, records, race=replace(race, ended="time")))
    assert answer.sentences[0].endswith("No method was tested before the time was over.")
    assert {row["left"] for row in answer.race} == {"dropped", "not finished"}


def test_before_the_first_rung_there_is_nothing_to_say():
    study, race, _ = race_builders.race(QUALITY, until=1)
    answer = AutoAnswer(Report(study, [], race=race))
    assert answer.sentences == ["Nothing has been compared yet.", "12 methods raced: 12 still race."]
    answer.print(Console(file=io.StringIO()))


def test_a_best_bet_says_so_and_how_likely_it_is():
    close = dict.fromkeys(QUALITY, 0.8)
    answer = answer_of(close, auto=AutoOptions(candidates=3, finalists=3, margin=0.0))
    assert answer.sentences[1].startswith("Best bet: a chance of ")
    assert answer.sentences[1].endswith("to be within 0.0 points of the best finalist.")
    assert not answer.proved


def test_limits_hold_for_the_choice_and_their_costs_are_named():
    answer = answer_of(auto=AutoOptions(by="trainable", limits={"max_trainable": "1%"}))
    assert answer.method != "full"
    assert "11,000 trained parameters" in answer.sentences[0]
    assert "any other finalist within your limits (" in answer.sentences[1]


def test_the_terminal_shows_finalists_reasons_and_what_it_took(answer):
    shown = io.StringIO()
    answer.print(Console(file=shown, width=100))
    text = shown.getvalue()
    assert text.startswith(f"minilm on glue/sst2\nUse {answer.method} (")
    for part in (
        "over a limit  top-layers (trainable 40 % is over 5 %)",
        "failed  hra (the loss is not finite)",
        "dropped after a quarter of training  ",
        "screen on half of training",
        "an exhaustive study",
    ):
        assert part in text


def test_a_stage_says_who_runs_and_who_leads():
    study, race, records = race_builders.race(QUALITY, until=2)
    scores = AutoAnswer(Report(study, records, race=race)).course.scores
    assert re.fullmatch(
        r"screen: 1\d arms of \d methods on half of training; leading so far: \S+, \S+ and \S+",
        stage_words(race, scores),
    )
