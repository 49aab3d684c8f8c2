"""`whichpeft choose` and `whichpeft check`: their output, files and exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from whichpeft.cli import app as cli
from whichpeft.records import Reading, Store
from whichpeft.report import Report

from .. import builders

METHODS = ["full", "head", "lora", "zero-shot"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder in which lora is as good as full and takes half the time."""
    records = [
        *builders.whole("full", [0.880, 0.882, 0.881], adapter=builders.BASE, seconds=60, memory=8e8),
        *builders.whole("head", [0.700, 0.702, 0.701], adapter=0, seconds=10, memory=1e8),
        *builders.whole("lora", [0.879, 0.881, 0.880], seconds=30, memory=4e8),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
    ]
    store, predictions = Store(tmp_path / "run"), builders.predictions(records)
    store.keep_study(builders.study(METHODS))
    store.keep_reading(Reading())
    for record in records:
        store.add(record, predictions=predictions(record.trial.fingerprint))
    return store.folder


def run(
    *arguments: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int = 100,
) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, output and messages."""
    monkeypatch.setattr("sys.argv", ["whichpeft", *arguments])
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), said.out, said.err


def test_the_answer_in_words(folder, capsys, monkeypatch):
    code, out, _ = run("choose", str(folder), capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    words = " ".join(out.split())
    assert words.startswith(
        "minilm on glue/sst2 Use lora: 88.0 points, 30 s of training and 40 kB to store (full: 88.1, 60 "
        "s, 88 MB). Proved: at most 2.0 points worse than any other method tried (3 seeds, 1,000 test "
        f"examples). next whichpeft choose {folder} --write chosen"
    )
    assert "chosen" in out
    assert "not allowed zero-shot (50.0): it trains nothing" in words
    assert "default hyperparameters only" in words


def test_the_answer_as_json_and_from_the_library(folder, capsys, monkeypatch):
    arguments = ["choose", str(folder), "--max-memory", "6GB", "--margin", "1.5", "--format", "json"]
    code, out, _ = run(*arguments, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    (answer,) = json.loads(out)
    assert (answer["method"], answer["basis"], answer["variant"]) == ("lora", "proved", "default")
    assert (answer["margin"], answer["limits"]) == (0.015, {"memory": 6_000_000_000})
    assert [c["method"] for c in answer["candidates"]] == METHODS
    lora = answer["candidates"][2]
    assert lora["chosen"]
    assert lora["gap_mean"] == 0
    assert lora["train_seconds"] == 30
    assert lora["proved_margin"] <= 0.015
    choices = Report.read(folder).choose(max_memory="6GB", margin=1.5)
    assert json.loads(choices.to_json()) == [answer]
    assert choices.method == "lora"
    assert str(choices) == answer["sentence"]


def test_a_narrow_terminal_hides_columns_and_names_them(folder, capsys, monkeypatch):
    arguments = ["choose", str(folder), "--max-memory", "6GB", "--max-trainable", "100%"]
    out = run(*arguments, capsys=capsys, monkeypatch=monkeypatch, width=60)[1]
    wide = [line for line in out.splitlines() if len(line) > 60]
    assert [line.split()[0] for line in wide] == ["next"]  # a command is pasted as one line
    assert "hidden because the terminal is too narrow:" in " ".join(out.split())


def test_nothing_fits_is_exit_code_3_and_a_sentence(folder, tmp_path, capsys, monkeypatch):
    arguments = ["choose", str(folder), "--max-train-time", "1s", "--write", str(tmp_path / "away")]
    code, out, err = run(*arguments, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 3
    assert "Nothing is written, because no method can be chosen." in err
    assert " ".join(out.split()).startswith(
        "minilm on glue/sst2 No method fits the 1.0 s train time limit. The closest is head: 70.1 "
        "points with 10 s of training time."
    )
    assert not (tmp_path / "away").exists()
    code, out, _ = run(
        "choose", str(folder), "--max-latency", "20ms", "--format", "json",
        capsys=capsys, monkeypatch=monkeypatch,
    )  # fmt: skip
    assert code == 3
    (answer,) = json.loads(out)
    assert answer["method"] is None
    assert answer["candidates"][0]["excluded"] == ["latency was not measured"]


def test_a_folder_without_scores_reports_the_fix(tmp_path, capsys, monkeypatch):
    Store(tmp_path).keep_study(builders.study(METHODS))
    code, out, _ = run("choose", str(tmp_path), capsys=capsys, monkeypatch=monkeypatch)
    assert code == 3
    words = " ".join(out.split())
    assert "No method can be recommended yet. full, head and lora: partial: the final trials" in words
    assert f"next whichpeft run {tmp_path}/study.yaml --out {tmp_path} " in words


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--max-memory", "6 gigs"], "--max-memory: '6 gigs' is not a size; write it as 24GB"),
        (["--max-trainable", "1"], "--max-trainable: '1' is not a percentage"),
        (["--max-train-time", "ten"], "--max-train-time: 'ten' is not a duration"),
        (["--by", "memry"], "did you mean 'memory'"),
        (["--margin", "-1"], "--margin is -1.0; it has to be 0 or more"),
        (["--format", "jsn"], "did you mean 'json'"),
    ],
)
def test_a_wrong_limit_is_one_line_and_exit_code_2(folder, arguments, complaint, capsys, monkeypatch):
    code, out, err = run("choose", str(folder), *arguments, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2
    assert complaint in err
    assert not out


def test_several_tasks_have_one_answer_each_and_one_overall(tmp_path, capsys, monkeypatch):
    records = [
        record
        for task in ("a", "b")
        for method, score, seconds in (("full", 0.9, 60), ("lora", 0.9, 30))
        for record in [
            builders.profile(method, task=task, seconds=seconds),
            *(builders.final(method, seed, score + seed / 1000, task=task) for seed in range(3)),
        ]
    ]
    store, predictions = Store(tmp_path), builders.predictions(records)
    store.keep_study(builders.study(["full", "lora"], task=None, tasks=["a", "b"]))
    for record in records:
        store.add(record, predictions=predictions(record.trial.fingerprint))
    out = run("choose", str(tmp_path), "--format", "json", capsys=capsys, monkeypatch=monkeypatch)[1]
    answers = json.loads(out)
    assert [answer["task"] for answer in answers] == ["a", "b", None]
    assert answers[2]["tasks"] == ["a", "b"]
    assert {answer["method"] for answer in answers} == {"lora"}
    assert answers[2]["candidates"][1]["score_low"] < 0.901 < answers[2]["candidates"][1]["score_high"]


def test_check_of_a_sound_folder(folder, capsys, monkeypatch):
    code, out, _ = run("check", str(folder), capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    assert out.splitlines()[-1] == "16 records: 0 problems, 1 note"


def test_check_reports_every_damaged_file_and_continues(folder, capsys, monkeypatch):
    first, second, *_ = sorted((folder / "records").glob("*.json"))
    first.write_text("{")
    second.write_text(re.sub(r'"schema": \d+', '"schema": 99', second.read_text()))
    broken = sorted((folder / "predictions").glob("*.npz"))[-1]
    broken.write_bytes(b"PK\x03\x04 cut short")
    code, out, _ = run("check", str(folder), "--format", "json", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 1
    found = json.loads(out)
    damage = [f["what"] for f in found if f["severity"] == "problem"]
    assert str(first) in damage[0]
    assert "schema 99 is newer" in damage[1]
    assert any(str(broken) in what for what in damage)
    assert set(found[0]) == {
        "severity", "what", "way_out", "backbone", "task", "method", "seed", "file",
    }  # fmt: skip
    # A record of a later version ends other commands with one line; damaged ones are skipped and named.
    code, _, err = run("choose", str(folder), capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2
    assert str(second) in err
    second.unlink()
    code, _, err = run("choose", str(folder), capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    assert f"left out: {first}" in err


def test_a_folder_that_is_not_a_run_folder_is_reported(tmp_path, capsys, monkeypatch):
    for command in ("choose", "check"):
        code, _, err = run(command, str(tmp_path / "nowhere"), capsys=capsys, monkeypatch=monkeypatch)
        assert code == 2
        assert "has no study.yaml" in err
