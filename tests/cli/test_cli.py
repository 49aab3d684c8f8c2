"""The command line: bad input gives one line with the fix and exit code 2, and runs nothing."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import peft
import pytest

from whichpeft.cli import app as cli
from whichpeft.records import Store

from .. import builders


def run(
    *arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, output and messages."""
    monkeypatch.setattr("sys.argv", ["whichpeft", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), said.out, said.err


@pytest.fixture
def data(shapes: Path, tmp_path: Path) -> Path:
    """Files with one fault each, and a folder of images without faults."""
    shutil.copytree(shapes, tmp_path / "pictures")
    rows = [f"a film as good as number {i}\tgood" for i in range(20)]
    rows += [f"a film as bad as number {i}\tbad" for i in range(20)]
    files = {
        "one_class.tsv": [row for row in rows if row.endswith("good")],
        "empty.tsv": [],
        "fine.tsv": rows,
        "strange.tsv": [*rows, "a film of some other kind\tugly"],
    }
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(["text\tlabel", *lines]) + "\n")
    (tmp_path / "study.yaml").write_text(
        "backbones: [minilm]\ntasks: [stdlib-docs]\nmethods: [full]\nbudget: {epoch: 3}\n"
    )
    (tmp_path / "mistyped.yaml").write_text("bakbones: [minilm]\nmethods: [full]\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--method", "lorra"], "unknown method 'lorra'; did you mean 'lora'"),
        (["--method", "lora:rank=8"], "has no option 'rank'"),
        (["--method", "lora:r=none"], "r is none"),
        (["--method", "lora:learning_rate=nan"], "learning_rate is nan"),
        (["--task", "glue/ss2"], "did you mean 'glue/sst2'"),
        (["--task", "stdlib-doc"], "did you mean 'stdlib-docs'"),
        (["--task", "digit"], "did you mean 'digits'"),
        (["--task", "digits", "--label-column", "digit"], "digits"),
        (["--task", "digits", "--backbone", "minilm"], "a bert model does not classify images"),
        (["--task", "{data}/pictures"], "--backbone, such as google/vit-base-patch16-224-in21k"),
        (["--task", "{data}/picturs"], "did you mean 'pictures'"),
        (["--task", "{data}/nowhere"], "nowhere"),
        (["--task", "{data}/one_class.tsv"], "every label is 'good'"),
        (["--task", "{data}/empty.tsv"], "empty.tsv"),
        (["--task", "{data}/fine.tsv", "--label-column", "mood"], "mood"),
        (["--task", "{data}/fine.tsv", "--problem", "ranking"], "unknown problem 'ranking'"),
        (["--task", "{data}/fine.tsv", "--test", "{data}/strange.tsv"], "ugly"),
        (["--task", "someone/some-data-set"], "someone/some-data-set"),
        (["--backbone", "minilmm"], "did you mean 'minilm'"),
        (["--backbone", "someone/some-model"], "hub cannot be reached"),
        (["--backbone", "{data}"], "config.json"),
        (["--seeds", "0"], "--seeds is 0"),
        (["--epochs", "0"], "epochs is 0"),
        (["--jobs", "0"], "--jobs is 0"),
        (["--batch-trials", "1"], "--batch-trials is '1'"),
        (["--dry-run", "--batch-trials", "some"], "--batch-trials is 'some'"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--text-column", "text", "--task", "stdlib-docs"], "stdlib-docs"),
        (["{data}/study.yaml"], "unknown key 'epoch'; did you mean 'epochs'"),
        (["{data}/mistyped.yaml"], "unknown key 'bakbones'; did you mean 'backbones'"),
        (["{data}/nowhere.yaml"], "no such study file"),
        (["--out", "{data}/fine.tsv"], "is a file"),
    ],
)
def test_a_wrong_request_is_one_line_and_runs_nothing(
    arguments: list[str],
    complaint: str,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(data)
    before = sorted(data.iterdir())
    given = [argument.format(data=data) for argument in arguments]
    code, out, err = run("run", *given, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2
    assert complaint in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert not out
    assert sorted(data.iterdir()) == before


@pytest.mark.parametrize("listing", ["methods", "tasks", "backbones"])
def test_listings_show_known_names(
    listing: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {"methods": "adalora", "tasks": "glue/sst2", "backbones": "minilm"}[listing]
    assert expected in run(listing, capsys=capsys, monkeypatch=monkeypatch)[1]
    as_json = run(listing, "--format", "json", capsys=capsys, monkeypatch=monkeypatch)[1]
    assert any(expected in row.values() for row in json.loads(as_json))


def test_a_method_says_which_options_only_a_file_can_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run("methods", "lora", "--format", "json", capsys=capsys, monkeypatch=monkeypatch)[1]
    (facts,) = json.loads(said)
    typed = {*facts["options"], *facts["further options"]}
    in_files = set(facts["only in a config file"])
    assert {"rank_pattern", "alpha_pattern", "layer_replication", "loftq_config"} <= in_files
    assert {"trainable_token_indices", "modules_to_save", "exclude_modules"} <= typed
    assert not typed & in_files
    decided = {"megatron_config", "megatron_core", "runtime_config"}
    own = {field.name for field in dataclasses.fields(peft.LoraConfig)}
    assert (
        own - {field.name for field in dataclasses.fields(peft.PeftConfig)} == typed | in_files | decided
    )
    said = run("methods", "lorra", capsys=capsys, monkeypatch=monkeypatch)[2]
    assert "'lorra' is not listed; did you mean 'lora'? Leave the name out to list all" in said


def test_published_results_are_shown_with_their_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = run("reference", capsys=capsys, monkeypatch=monkeypatch)[1]
    assert "hf-metamathqa" in listed
    shown = run("reference", "domains", capsys=capsys, monkeypatch=monkeypatch)[1]
    assert "arXiv 2404.13506" in shown
    assert "Speech" in shown
    given = ["reference", "domains", "--format", "json", "--figures", str(tmp_path)]
    as_json = run(*given, capsys=capsys, monkeypatch=monkeypatch)[1]
    assert len(json.loads(as_json)) == 7
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg", ".pdf", ".md"}
    code, _, err = run("reference", "domain", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2
    assert "did you mean 'domains'" in err


def test_a_folder_that_is_not_a_run_folder_is_reported(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("report", str(data / "nowhere"), capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2
    assert "nowhere" in err


def test_an_unknown_format_is_reported(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("report", str(data), "--format", "jsn", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2
    assert "did you mean 'json'" in err


@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("--html", "file/page.html"),
        ("--html", ""),
        ("--parquet", "file/rows.parquet"),
        ("--figures", "file"),
    ],
)
def test_a_path_that_cannot_be_written_is_one_line(
    option: str,
    place: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, record = Store(tmp_path / "run"), builders.final("full", 0, 0.8)
    store.keep_study(builders.study(["full"]))
    store.add(record, predictions=builders.predictions([record])(record.trial.fingerprint))
    (tmp_path / "file").touch()
    given = ["report", str(store.folder), option, str(tmp_path / place)]
    code, _, err = run(*given, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 1
    assert err.startswith(f"whichpeft: {tmp_path}")
    assert "choose another path" in err
    assert len(err.strip().splitlines()) == 1
