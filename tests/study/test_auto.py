"""The options of a race as people write them, in files and in Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from whichpeft.errors import StudyError
from whichpeft.study import AutoOptions, Study, dump_study, load_study
from whichpeft.study.auto import read_auto

FILE = """
backbones: [minilm]
tasks: [stdlib-docs]
methods: [full, lora]
auto: {within: 1.5h, max_trainable: 1%, max_memory: 6GB, margin: 1, by: memory}
"""


def test_a_block_in_a_study_file_reads_and_writes(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(FILE)
    study = load_study(path)
    assert study.auto == AutoOptions(
        within=5400.0, margin=1, by="memory", limits={"max_memory": "6GB", "max_trainable": "1%"}
    )
    path.write_text(dump_study(study))
    assert "within: 5400s" in path.read_text()
    assert load_study(path) == study
    assert load_study(path) == Study(
        name="study",
        backbone="minilm",
        task="stdlib-docs",
        methods=["full", "lora"],
        auto={
            "within": "90m", "max_memory": "6GB", "max_trainable": "1%", "margin": 1, "by": "memory"
        },
    )  # fmt: skip


@pytest.mark.parametrize("block", ["auto: {}", "auto: {examples: 300000}", "auto: {trials: 60}"])
def test_any_bound_reads_back(tmp_path: Path, block: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(FILE.replace(FILE.splitlines()[-1], block))
    study = load_study(path)
    assert study.auto is not None
    path.write_text(dump_study(study))
    assert load_study(path) == study


def test_a_race_needs_no_methods(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(FILE.replace("methods: [full, lora]\n", ""))
    assert load_study(path).methods == ()
    path.write_text("backbones: [minilm]\ntasks: [stdlib-docs]\n")
    with pytest.raises(StudyError, match="the key 'methods' is missing"):
        load_study(path)


def test_a_study_without_a_block_writes_none() -> None:
    study = Study(backbone="minilm", task="stdlib-docs", methods=["full"])
    assert study.auto is None
    assert "auto:" not in dump_study(study)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"wihtin": "30m"}, "auto: unknown key 'wihtin'; did you mean 'within'"),
        ({"within": "half an hour"}, "auto: within: 'half an hour' is not a duration; write it as 10m"),
        ({"within": True}, "auto: within is True; it has to be a duration such as 30m"),
        ({"within": 30}, "auto: within is 30; it has to be a duration such as 30m"),
        ({"examples": "many"}, "auto: examples is 'many'; it has to be a whole number"),
        ({"trials": 0}, "auto: trials is 0; it has to be more than 0"),
        ({"margin": "2 points"}, "auto: margin is '2 points'; it has to be a number of points"),
        ({"margin": -1}, "auto: margin is -1; it has to be 0 or more, in points"),
        ({"margin": float("nan")}, "auto: margin is nan; it has to be 0 or more, in points"),
        ({"within": "10m", "trials": 60}, "auto: within and trials are given; give one of them"),
    ],
)
def test_wrong_options(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(StudyError, match=complaint):
        read_auto(given)


def test_a_wrong_block_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    for block, complaint in (
        ("auto: {max_trainble: 1%}", "did you mean 'max_trainable'"),
        ("auto: 30m", r"study.yaml \[auto\]: Input should be a valid dictionary, but it is '30m'"),
    ):
        path.write_text(FILE.replace(FILE.splitlines()[-1], block))
        with pytest.raises(StudyError, match=complaint) as found:
            load_study(path)
        assert str(path) in str(found.value)
    with pytest.raises(StudyError, match="unknown limit 'memory'"):
        AutoOptions(limits={"memory": "6GB"})
