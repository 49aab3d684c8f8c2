"""The command that races: its options, bad input in one line, its dry run, and a small race."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whichpeft.cli import app as cli
from whichpeft.records import Store
from whichpeft.study import AutoOptions, load_study


def run(
    *arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, output and messages."""
    monkeypatch.setattr("sys.argv", ["whichpeft", "auto", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), said.out, said.err


TWO = ("--method", "full", "--method", "lora")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--within", "soon"], 2, "auto: within: 'soon' is not a duration; write it as 10m"),
        (["--within", "10m", "--trials", "9"], 2, "auto: within and trials are given; give one of them"),
        (["--examples", "0"], 2, "auto: examples is 0; it has to be more than 0"),
        (["--max-trainable", "1"], 2, "--max-trainable: '1' is not a percentage"),
        (["--max-memory", "much"], 2, "--max-memory: 'much' is not a size"),
        (["--by", "price"], 2, "--by: unknown cost 'price'"),
        (["--margin", "-1"], 2, "auto: margin is -1.0; it has to be 0 or more, in points"),
        (["--candidates", "0"], 2, "auto: candidates is 0; it has to be more than 0"),
        (["--method", "lora"], 2, "a race compares methods, and only lora trains anything"),
        (["--method", "zero-shot"], 2, "a race compares methods, and none trains anything"),
        (["--method", "lorra", "--method", "full"], 2, "did you mean 'lora'"),
        (["--format", "table"], 2, "--format: unknown format 'table'"),
        (["--jobs", "0"], 2, "--jobs is 0"),
        (["{data}/two.yaml"], 2, "a race needs one task, and there are 2"),
        (["{data}/wrong.yaml"], 2, "auto: unknown key 'max_trainble'; did you mean 'max_trainable'"),
        ([*TWO, "{small}", "--trials", "7"], 2, "auto: trials is 7, too few for a finalist and the"),
        (
            [*TWO, "{small}", "--examples", "100"],
            2,
            "auto: examples is 100, which is too few for a finalist",
        ),
        (
            [*TWO, "{small}", "--within", "2s"],
            2,
            "auto: within is 2.0 s, which is too short for a finalist",
        ),
        (
            [*TWO, "{small}", "--max-adapter-size", "1KB"],
            3,
            "auto: no method fits the limits; lora comes closest, but its adapter size",
        ),
    ],
)
def test_a_wrong_request_is_one_line_and_runs_nothing(
    arguments: list[str],
    code: int,
    complaint: str,
    tiny_backbone: Path,
    reviews: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "two.yaml").write_text(
        "backbones: [minilm]\ntasks: [digits, stdlib-docs]\nmethods: [full, lora]\n"
    )
    (tmp_path / "wrong.yaml").write_text(
        "backbones: [minilm]\ntasks: [digits]\nmethods: [full]\nauto: {max_trainble: 1%}\n"
    )
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    small = ["--task", str(reviews), "--backbone", str(tiny_backbone), "--device", "cpu"]
    given = [
        word for argument in arguments
        for word in (small if argument == "{small}" else [argument.format(data=tmp_path)])
    ]  # fmt: skip
    ended, _, err = run(*given, capsys=capsys, monkeypatch=monkeypatch)
    assert complaint in err
    assert ended == code
    assert "Traceback" not in err
    told = [line for line in err.strip().splitlines() if line.startswith("whichpeft: ")]
    assert len(told) == 1
    assert "{small}" in arguments or len(err.strip().splitlines()) == 1  # data are read and shown before
    assert sorted(tmp_path.iterdir()) == before


def test_options_override_those_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "backbones: [minilm]\ntasks: [stdlib-docs]\nmethods: [full, lora]\n"
        "auto: {trials: 60, max_trainable: 5%, margin: 1}\n"
    )
    asked = []

    def auto_dry_run(study: object, **rest: object) -> None:
        asked.append(study)
        raise SystemExit(0)

    monkeypatch.setattr("whichpeft.api.auto_dry_run", auto_dry_run)
    monkeypatch.chdir(tmp_path)
    for options in ([], ["--within", "10m", "--max-trainable", "1%", "--candidates", "2"]):
        run(str(path), "--dry-run", *options, capsys=capsys, monkeypatch=monkeypatch)
    run("--dry-run", *TWO, "--task", "digits", capsys=capsys, monkeypatch=monkeypatch)
    first, second, third = asked
    assert first.auto == AutoOptions(trials=60, margin=1, limits={"max_trainable": "5%"})
    assert second.auto == AutoOptions(within=600, margin=1, candidates=2, limits={"max_trainable": "1%"})
    assert (first.name, second.budget.tuning_trials) == ("mine", 2)
    assert third.name == "auto-digits-digits-vit"
    assert third.auto.within == 1800


def test_the_dry_run_says_what_a_bound_buys(
    tiny_backbone: Path,
    reviews: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ("--task", str(reviews), "--backbone", str(tiny_backbone), "--device", "cpu", "--jobs", "1")
    methods = [word for name in ("full", "lora", "head", "xlora") for word in ("--method", name)]
    asked = (*methods, *small, "--dry-run", "--max-trainable", "50%", "--trials", "100")
    code, out, err = run(*asked, capsys=capsys, monkeypatch=monkeypatch)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "auto-reviews-tiny-bert: what 100 whole trainings buys" in lines
    assert "3 methods with up to 8 candidates each" in lines
    assert "finals: 2 methods and the baseline, looks at 3, 5 and 8 seeds" in lines
    assert "over a limit: full, trainable parameters 100 % is over 50.0 %" in lines
    assert "refused: xlora, X-LoRA mixes LoRA adapters that are already trained" in out
    code, out, _ = run(*asked, "--format", "json", capsys=capsys, monkeypatch=monkeypatch)
    found = json.loads(out)
    assert code == 0
    assert (found["candidates"], found["finalists"], found["concurrency"]) == (8, 2, 1)
    assert found["seconds"] > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_race_answers_and_writes_what_to_take_away(
    tiny_backbone: Path,
    reviews: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    out, write = tmp_path / "run", tmp_path / "chosen"
    asked = (
        "--task", str(reviews), "--backbone", str(tiny_backbone), "--device", "cpu",
        "--method", "full", "--method", "lora:r=2", "--method", "head", "--candidates", "1",
        "--examples", "20000", "--margin", "20", "--out", str(out),
    )  # fmt: skip
    code, text, err = run(
        *asked, "--quiet", "--write", str(write), capsys=capsys, monkeypatch=monkeypatch
    )
    assert code == 0, err
    race = Store(out).race()
    assert race is not None
    assert race.ended is not None
    assert "\nUse " in text
    assert (out / "report.html").exists()
    assert {path.name for path in write.iterdir()} >= {"train.py", "predict.py", "adapter"}
    new = tmp_path / "new.csv"
    new.write_text("id,sentence\n1,the plot is dull and stale\n")
    predicted = ["whichpeft", "predict", str(write), str(new)]
    monkeypatch.setattr("sys.argv", predicted)
    with pytest.raises(SystemExit):
        cli.main()
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.split()[0] in ("bad", "good")
    assert line.endswith("the plot is dull and stale")
    code, _, err = run(*asked, "--write", str(write), capsys=capsys, monkeypatch=monkeypatch)
    assert (code, "was written before; add --overwrite" in err) == (2, True)
    kept = load_study(out / "study.yaml").auto
    assert kept is not None
    assert kept.examples == 20_000
    code, again, _ = run(*asked, "--format", "json", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    assert f"\nUse {json.loads(again)['method']}" in text
