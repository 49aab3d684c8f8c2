"""What was read of the data is said before anything runs, and stays in the run folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import whichpeft as wp
from whichpeft.cli import app as cli
from whichpeft.executors import SilentObserver
from whichpeft.records import Store


class Listener(SilentObserver):
    """Keeps what a user would read, and how much of it came before the first trial."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.before_trials: int | None = None

    def notify(self, line: str) -> None:
        self.lines.append(line)

    def started(self, job: object) -> None:
        if self.before_trials is None:
            self.before_trials = len(self.lines)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table with two classes, a number per row and a date that nothing reads."""
    rows = [
        f'{i},"the plot was {word} from start to end, take {i}",{2000 + i},{label}'
        for i, (word, label) in enumerate([("dull", "bad"), ("warm", "good"), ("bright", "good")] * 20)
    ]
    path = tmp_path / "films.csv"
    path.write_text("\n".join(["id,review,year,verdict", *rows]) + "\n")
    return path


def study(backbone: Path, table: Path, **changes: object) -> wp.Study:
    fields: dict[str, object] = {
        "name": "read",
        "backbone": str(backbone),
        "task": str(table),
        "methods": ["head"],
        "baseline": "head",
        "seeds": 1,
        "budget": wp.Budget(epochs=1),
    }
    return wp.Study(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.usefixtures("untimed")
def test_a_dry_run_prints_one_json_object_with_what_was_read(
    tiny_backbone: Path, table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(table.parent)
    command = [
        "whichpeft",
        "run",
        "--task",
        "films.csv",
        "--backbone",
        str(tiny_backbone),
        "--method",
        "head",
    ]
    monkeypatch.setattr("sys.argv", [*command, "--dry-run", "--format", "json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    printed = json.loads(capsys.readouterr().out)
    (task,) = printed["tasks"]
    assert {
        "name", "text_columns", "label_column", "problem", "classes", "rows", "unused_columns", "metric",
        "positive_class", "notes",
    } <= set(task)  # fmt: skip
    assert task["name"] == "films"
    assert (task["text_columns"], task["label_column"]) == (["review"], "verdict")
    assert task["classes"] == {"bad": 20, "good": 40}
    assert task["rows"] == {"train": 48, "validation": 6, "test": 6}
    assert task["unused_columns"] == ["id", "year"]
    assert (task["problem"], task["metric"], task["positive_class"]) == (
        "classification",
        "accuracy",
        None,
    )
    assert any("held out as the test set" in note for note in task["notes"])
    (length,) = printed["lengths"]
    assert length["task"] == "films"
    assert length["longest"] >= length["p95"] >= length["median"] > 5
    assert [row["method"] for row in printed["cells"]] == ["head", "zero-shot"]
    assert printed["trials"] == 6
    assert printed["done"] == 0
    assert not Path("whichpeft-runs").exists()


@pytest.mark.usefixtures("untimed")
def test_a_dry_run_says_what_was_read_above_its_table(
    tiny_backbone: Path, table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        "whichpeft",
        "run",
        "--task",
        str(table),
        "--backbone",
        str(tiny_backbone),
        "--method",
        "head",
    ]

    def printed(*more: str) -> str:
        monkeypatch.setattr("sys.argv", [*command, "--dry-run", *more])
        with pytest.raises(SystemExit):
            cli.main()
        return capsys.readouterr().out

    shown = printed()
    assert shown.startswith("films: text from review, label from verdict; unused: id and year\n")
    assert shown.index("2 classes: bad (20) and good (40)") < shown.index("trials to run")
    assert "review" not in printed("--quiet")


def test_an_unknown_format_is_refused_before_anything_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["whichpeft", "run", "--task", "nowhere.csv", "--format", "jsn"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert not said.out
    assert "--format: unknown format 'jsn'; did you mean 'json'" in said.err


def test_a_run_tells_and_keeps_what_it_read(tiny_backbone: Path, table: Path, tmp_path: Path) -> None:
    listener = Listener()
    out = tmp_path / "out"
    wp.run(study(tiny_backbone, table), out=out, device="cpu", observer=listener)
    told = listener.lines[: listener.before_trials]
    assert any(line.startswith("films: text from review, label from verdict") for line in told)
    reading = Store(out).reading()
    assert reading is not None
    assert not reading.earlier_records
    (task,) = reading.tasks
    assert task.classes == {"bad": 20, "good": 40}
    assert task.notes
    assert [backbone.name for backbone in reading.backbones] == ["tiny-bert"]

    (out / "data.json").unlink()  # as in a folder of an earlier version
    wp.run(study(tiny_backbone, table), out=out, device="cpu", observer=SilentObserver())
    again = Store(out).reading()
    assert again is not None
    assert again.earlier_records
    assert again.tasks == reading.tasks


def test_a_run_keeps_excerpts_of_the_test_examples(
    tiny_backbone: Path, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report = wp.run(study(tiny_backbone, table), out=out, device="cpu", observer=SilentObserver())
    (texts,) = Store(out).example_texts()
    assert texts.places == (0, 1, 2, 3, 4, 5)
    assert all(text.startswith("the plot was") for (text,) in texts.inputs)
    (found,) = report.example_answers
    assert [score.name for score in found.classes[0].scores] == ["bad", "good"]
    shown = (*found.shown.wrong, *found.shown.wrong_with_all)
    assert {one.right for one in shown} <= {"bad", "good"}
    assert all(one.inputs == texts.inputs[one.place] for one in shown)
    (out / "test-examples.json").unlink()  # as in a folder of an earlier version, or for privacy
    (found,) = wp.Report.read(out).example_answers
    assert all(not one.inputs for one in (*found.shown.wrong, *found.shown.wrong_with_all))
