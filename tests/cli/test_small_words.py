"""Small words: what a slip, a version, an interruption or a narrow terminal says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import whichpeft as wp
from whichpeft.cli.app import app
from whichpeft.errors import FolderError, StudyError
from whichpeft.methods import resolve_method
from whichpeft.records import Store
from whichpeft.running.resume import extend_study
from whichpeft.study import Study
from whichpeft.tasks.tables.encodings import read_text

from .. import builders


@pytest.mark.parametrize(
    ("method", "meant"),
    [
        ("lora:rank=8", "r"),
        ("loreft:r=4", "rank"),
        ("lora:lr=0.1", "learning_rate"),
        ("prefix:tokens=5", "num_virtual_tokens"),
    ],
)
def test_an_option_by_another_name_is_offered(method, meant):
    with pytest.raises(StudyError, match=f"has no option .*; did you mean '{meant}'\\?"):
        resolve_method(method)


def test_the_version_is_printed():
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"whichpeft {wp.__version__}\n")


def test_dir_shows_what_there_is():
    assert dir(wp) == sorted(wp.__all__)
    assert "Returns" in wp.run.__doc__
    assert "folder\n" in wp.Report.read.__doc__


@pytest.mark.parametrize("method", ["lora:r", "loraa", "lora:rank=8", "lora:r=x", "lora:[r=8"])
def test_a_slip_in_a_method_ends_before_heavy_imports(method):
    code = (
        "import sys\n"
        "from whichpeft.cli.app import app\n"
        f"sys.argv = ['whichpeft', 'run', '--method', {method!r}]\n"
        "try:\n    app()\n"
        "except Exception as error:\n"
        "    print(error, '|', *(name for name in ('torch', 'pandas', 'peft') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    message, _, loaded = done.stdout.partition("|")
    assert method.partition(":")[0] in message
    assert loaded.strip() == ""


def kept(tmp_path: Path, study: Study) -> Store:
    store = Store(tmp_path)
    store.keep_study(study)
    return store


def test_another_study_of_a_folder_differs_by_values(tmp_path):
    store = kept(tmp_path, builders.study(["full"], budget=wp.Budget(epochs=3, max_train=2000)))
    other = builders.study(["full"], budget=wp.Budget(epochs=2), precision="bfloat16")
    with pytest.raises(FolderError) as raised:
        extend_study(store, other)
    assert str(raised.value) == (
        f"{tmp_path}: belongs to another study (epochs: 3 there, 2 now; "
        "max_train: 2000 there, none now; precision: auto there, bfloat16 now); "
        "choose another folder with --out"
    )


def test_other_columns_differ_by_their_names(tmp_path):
    def study(columns):
        return builders.study(["full"], task=wp.TaskSource(name="data.csv", text_columns=columns))

    with pytest.raises(FolderError, match=r"text_columns of data: title, body there, none now\)"):
        extend_study(kept(tmp_path, study(("title", "body"))), study(()))


@pytest.mark.parametrize(
    ("encoding", "note"), [("utf-16", "was read as UTF-16"), ("cp1252", "was read as Windows-1252")]
)
def test_what_excel_writes_is_read_with_a_note(tmp_path, encoding, note):
    path = tmp_path / "tickets.csv"
    path.write_bytes("Text;Art\r\nDie Gebühr für Größe\r\n".encode(encoding))
    read = read_text(path)
    assert "Gebühr" in read.text
    assert any(note in line for line in read.notes)


def test_a_narrow_terminal_shows_the_columns_of_limits(tmp_path, monkeypatch):
    records = [
        *builders.whole("full", [0.80, 0.82, 0.84], adapter=builders.BASE, seconds=60),
        *builders.whole("lora:r=8", [0.79, 0.83, 0.81]),
        *builders.whole("bitfit", [0.78, 0.82, 0.80]),
    ]
    store = kept(tmp_path, builders.study(["full", "lora:r=8", "bitfit"]))
    for record in records:
        store.add(record)
    monkeypatch.setenv("COLUMNS", "80")
    limits = ["--max-adapter-size", "5MB", "--max-memory", "2GB", "--max-trainable", "50%"]
    done = CliRunner().invoke(app, ["choose", str(tmp_path), *limits])
    assert done.exit_code == 0
    heading = next(line for line in done.stdout.splitlines() if line.startswith("method"))
    assert re.search(r"train time +.*peak memory +.*trainable", heading)
    assert "adapter" in heading
    assert len(heading) <= 80


@pytest.mark.slow
def test_an_interrupted_run_answers_at_once(tmp_path):
    command = [
        sys.executable,
        "-m",
        "whichpeft",
        "run",
        "--method",
        "head",
        "--out",
        str(tmp_path / "i"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        line = ""
        while "measuring costs" not in line:  # the first stage has begun
            line = process.stderr.readline()
            assert line
        os.kill(process.pid, signal.SIGINT)
        asked = time.monotonic()
        rest = iter(process.stderr.readline, "")
        assert any("Stopping" in line for line in rest)
        assert time.monotonic() - asked < 2
        assert any("The same command resumes the run" in line for line in rest)
        assert process.wait(60) == 130
