"""Memory options are part of a study, and older records keep their fingerprints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from whichpeft.errors import StudyError
from whichpeft.records.record import record_from_json
from whichpeft.study import Budget, Conditions, Study, Trial, dump_study, load_study

FOSSILS = Path(__file__).parents[1] / "records" / "fossils"
OPTIONS = [{"gradient_checkpointing": True}, {"quantise": "4bit"}, {"shards": 2}, {"packing": True}]


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    for number, option in enumerate([*OPTIONS, {"budget": Budget(micro_batch=4)}]):
        study = Study(name="mine", backbone="minilm", task="t", methods=["head"], seeds=1, **option)  # type: ignore[arg-type]
        path.write_text(dump_study(study))
        assert load_study(path) == study, number


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("quantise: 4bits", "unknown quantise '4bits'; did you mean '4bit'"),
        ("shards: 0", "shards is 0"),
        ("{quantise: 4bit, shards: 2}", "do not go together"),
        ("{packing: true, shards: 2}", "packing and shards do not go together"),
        ("budget: {micro_batch: 32}", "micro_batch is 32 and batch_size 16"),
        ("budget: {microbatch: 4}", "did you mean 'micro_batch'"),
        ("gradient_checkpoint: true", "did you mean 'gradient_checkpointing'"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "study.yaml"
    lines = text.strip("{}").split(", ") if text.startswith("{") else [text]
    path.write_text("\n".join(["backbones: [minilm]", "tasks: [t]", "methods: [full]", *lines]))
    with pytest.raises(StudyError, match=complaint):
        load_study(path)


@pytest.fixture
def trial() -> Trial:
    """A trial from before there were memory options."""
    path = next(FOSSILS.glob("schema-2*.json"))
    return record_from_json(json.loads(path.read_text()), str(path)).trial


def test_older_records_keep_their_fingerprints(trial: Trial) -> None:
    raw = json.loads(next(FOSSILS.glob("schema-2*.json")).read_text())
    assert not {"gradient_checkpointing", "quantise", "shards", "packing"} & raw["trial"].keys()
    assert trial.fingerprint == raw["fingerprint"]


def test_every_option_changes_the_fingerprint(trial: Trial) -> None:
    asked = [trial, *(replace(trial, conditions=Conditions(**option)) for option in OPTIONS)]  # type: ignore[arg-type]
    asked.append(replace(trial, budget=replace(trial.budget, micro_batch=2)))
    assert len({one.fingerprint for one in asked}) == 6


def test_a_folder_refuses_other_memory_options(tmp_path: Path) -> None:
    from whichpeft.errors import FolderError
    from whichpeft.running.request import check_request

    study = Study(backbone="minilm", task="stdlib-docs", methods=["head"], seeds=1)
    check_request(study, tmp_path).store.keep_study(study)
    for option in [*OPTIONS, {"budget": Budget(micro_batch=4)}]:
        named = "micro_batch: none there, 4 now" if "budget" in option else next(iter(option))
        with pytest.raises(FolderError, match=named):
            check_request(replace(study, **option), tmp_path)  # type: ignore[arg-type]


def test_command_line_options_set_memory_options() -> None:
    from whichpeft.cli.study_from_options import override

    study = Study(backbone="minilm", task="t", methods=["head"], seeds=1)
    nothing = {"backbone": None, "task": None, "method": None, "columns": {}}
    asked = override(
        study,
        **nothing,
        budget={"micro_batch": 4},
        conditions={"gradient_checkpointing": True, "shards": 2, "quantise": None},
    )  # type: ignore[arg-type]
    assert asked.memory_options == (
        "micro-batches of 4",
        "gradient checkpointing",
        "each trial over 2 devices",
    )
    assert override(study, **nothing, budget={}).memory_options == ()  # type: ignore[arg-type]
