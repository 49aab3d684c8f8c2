"""A field of `Conditions` is declared once: files, records, fingerprints and options follow from it."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from whichpeft.cli.plan import plan
from whichpeft.cli.run import run
from whichpeft.errors import StudyError
from whichpeft.records.record import record_from_json
from whichpeft.study import Conditions, Study, dump_study, load_study
from whichpeft.study.conditions import ConditionOptions, condition_infos

from .. import builders

OTHERS = Conditions(
    precision="bfloat16",
    threads=2,
    same_targets=False,
    gradient_checkpointing=True,
    quantise="4bit",
    packing=True,
    attention="eager",
    deterministic=True,
)
DEFAULT = Conditions()


def study(**asked: object) -> Study:
    return Study(name="s", backbone="minilm", task="t", methods=["full"], **asked)  # type: ignore[arg-type]


def test_the_keywords_of_a_study_are_the_fields() -> None:
    assert get_type_hints(ConditionOptions) == get_type_hints(Conditions)


def test_a_study_takes_the_fields_as_keywords() -> None:
    flat = {f.name: getattr(OTHERS, f.name) for f in fields(OTHERS)}
    assert study(**flat) == study(conditions=OTHERS)
    assert study(conditions=OTHERS, threads=3).conditions.threads == 3


def test_every_field_has_a_label_and_its_options_have_help() -> None:
    for name, info in condition_infos():
        assert info.label, name
        assert info.help is None or info.help.endswith("."), name


@pytest.mark.parametrize("command", [run, plan])
def test_the_options_of_a_command_are_those_declared_for_it(command: object) -> None:
    parameters = inspect.signature(command).parameters  # type: ignore[arg-type]
    declared = {
        name
        for name, info in condition_infos()
        if info.help and command.__name__ in info.commands  # type: ignore[attr-defined]
    }
    assert declared == parameters.keys() & {f.name for f in fields(Conditions)}


def test_a_study_file_and_a_record_have_the_fields_as_keys(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    asked = study(conditions=OTHERS)
    path.write_text(dump_study(asked))
    assert "\nthreads: 2\n" in path.read_text()
    assert load_study(path) == asked
    record = builders.final("full", 0, 0.5, conditions=OTHERS)
    written = record.to_json()
    assert written["trial"]["quantise"] == "4bit"
    assert "conditions" not in written["trial"]
    assert record_from_json(written, "r") == record


def test_a_later_field_is_written_only_if_it_is_not_the_default() -> None:
    for name, info in condition_infos():
        for place in ("fingerprint", "record", "study"):
            assert (name in DEFAULT.written(place)) == (place in info.always_in)
            if getattr(OTHERS, name) != getattr(DEFAULT, name):
                assert name in OTHERS.written(place)


def test_a_wrong_value_names_the_study_and_the_key() -> None:
    with pytest.raises(StudyError, match=r"^study 's': threads is 0; it has to be 1 or more$"):
        study(threads=0)
    with pytest.raises(StudyError, match=r"^unknown quantise '2bit'; choose 8bit or 4bit"):
        Conditions(quantise="2bit")
    with pytest.raises(StudyError, match=r"^study 's': unknown precision 'None'"):
        study(precision=None)


def test_a_mistyped_keyword_is_an_error_of_study() -> None:
    with pytest.raises(TypeError, match=r"^Study\(\) got an unexpected keyword argument 'precisions'$"):
        study(precisions="float32")
