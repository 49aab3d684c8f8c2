"""One method whose config file cannot be read does not stop the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whichpeft.cli import app as cli
from whichpeft.report import Report


@pytest.fixture
def films(tmp_path: Path) -> Path:
    rows = [
        f"the plot was {word} from start to end; take {i},{label}"
        for i, (word, label) in enumerate([("dull", "bad"), ("warm", "good")] * 20)
    ]
    path = tmp_path / "films.csv"
    path.write_text("\n".join(["text,label", *rows]) + "\n")
    return path


def test_a_study_continues_and_a_mended_file_runs_later(
    tiny_backbone: Path,
    films: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    broken, out = tmp_path / "broken.json", tmp_path / "out"
    broken.write_text('{"peft_type": "LORA", "rank": 4}')

    def run(command: str, *methods: str) -> tuple[int, str]:
        given = [part for method in methods for part in ("--method", method)]
        own = ["--out", "out", "--task", str(films), "--seeds", "1", "--baseline", "head"]
        monkeypatch.setattr(
            "sys.argv",
            [
                *("whichpeft", command, "--backbone", str(tiny_backbone), "--device", "cpu"),
                *("--epochs", "1", *given, *(own if command == "run" else ())),
            ],
        )
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), " ".join((said.out + said.err).split())

    for methods in [("broken.json",), ("broken.json", "gone.json")]:  # nothing is left
        for command in ("run", "plan"):
            code, said = run(command, *methods)
            assert (code, "LoraConfig has no option 'rank'" in said) == (2, True), said
    assert not out.exists()

    code, said = run("plan", "broken.json", "head", "gone.json")
    assert code == 1
    assert "broken.json is refused: " in said
    assert "2 methods refused, because a config file cannot be read: broken.json, gone.json" in said

    code, said = run("run", "broken.json", "head", "broken.json:learning_rate=1e-3")
    assert (code, "broken.json is left out: " in said) == (1, True), said
    found = {row["method"]: row for row in Report.read(out).rows}
    assert found["head"]["status"] == "completed"
    for spelling in (str(broken), f"{broken}:learning_rate=1e-3"):
        assert found[spelling]["status"] == "refused"
        assert "has no option 'rank'" in found[spelling]["error"]

    broken.write_text('{"peft_type": "LORA", "r": 2, "target_modules": ["quer"]}')  # another reason
    run("run", "broken.json", "head")
    broken.write_text('{"peft_type": "LORA", "r": 2, "target_modules": ["query"]}')
    code, said = run("run", "broken.json", "head")
    assert code == 0, said
    rows = [row for row in Report.read(out).rows if row["method"] == str(broken)]
    assert [row["status"] for row in rows] == ["completed"]
    assert rows[0]["adapter_parameters"] == 2 * 2 * (32 + 32)
    kept = [json.loads(path.read_text()) for path in (out / "records").glob("*.json")]
    assert [r["trial"]["method"] for r in kept if r["outcome"]["status"] == "refused"] == [
        f"{broken}:learning_rate=1e-3"
    ]


@pytest.mark.parametrize("method", ["lroa", "lora:rank=4", "lora:r=four"])
def test_what_is_typed_wrong_is_an_error_before_anything_runs(
    method: str, tiny_backbone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["plan", "--backbone", str(tiny_backbone), "--method", method, "--method", "head"]
    monkeypatch.setattr("sys.argv", ["whichpeft", *given])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""
