"""Messages about values that do not exist: one builder, and every kind of caller."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from whichpeft.analysis.statistics.gap import paired_gap
from whichpeft.cli.output import check_format
from whichpeft.errors import WhichpeftError, suggestion, unknown
from whichpeft.methods import resolve_method
from whichpeft.reference import canonical
from whichpeft.study import Study, TaskSource

PRECISIONS = ("auto", "float32", "bfloat16")


def test_an_unknown_value_is_followed_by_the_choices() -> None:
    assert unknown("precision", "zzz", PRECISIONS) == (
        "unknown precision 'zzz'; choose auto, float32 or bfloat16"
    )


def test_a_mistyped_value_is_followed_by_the_nearest_and_the_choices() -> None:
    assert unknown("precision", "float3", PRECISIONS) == (
        "unknown precision 'float3'; did you mean 'float32'? Choose auto, float32 or bfloat16"
    )


def test_another_fix_replaces_the_choices() -> None:
    assert unknown("method", "zzz", ["lora"], fix="`list` lists them") == (
        "unknown method 'zzz'; `list` lists them"
    )
    assert suggestion("loar", ["lora"], fix="") == "; did you mean 'lora'?"
    assert suggestion("zzz", ["lora"], fix="") == ""
    assert suggestion("zzz", ["lora"]) == "; choose lora"


def study(**changed: object) -> Study:
    return Study(backbone="minilm", task="t", methods=["full"], **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: study(precision="zzz"), "unknown precision 'zzz'; choose auto, float32 or bfloat16"),
        (lambda: study(quantise="4bits"), "'4bits'; did you mean '4bit'? Choose 8bit or 4bit"),
        (lambda: study(track=["zzz"]), "unknown tracker 'zzz'; choose tensorboard, mlflow or trackio"),
        (
            lambda: TaskSource(name="t", problem="regresion"),
            "did you mean 'regression'? Choose classification, regression or generation",
        ),
        (lambda: check_format("zzz", ["table", "json"]), "unknown format 'zzz'; choose table or json"),
        (
            lambda: resolve_method("lorra"),
            "unknown method 'lorra'; did you mean 'lora'? `whichpeft methods` lists them",
        ),
        (
            lambda: resolve_method("lora:zzz=1"),
            "lora has no option 'zzz'; `whichpeft methods lora` lists its options",
        ),
        (lambda: canonical("zzz"), "no published results named 'zzz'; choose "),
        (
            lambda: paired_gap(
                [[0, 1]], [[1, 1]], labels=[0, 1], metric="mathews", rng=np.random.default_rng(0)
            ),
            "unknown metric 'mathews'; did you mean 'matthews'? Choose ",
        ),
    ],
)  # fmt: skip
def test_every_caller_punctuates_its_message(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(WhichpeftError) as caught:
        ask()
    assert message in str(caught.value)


def test_an_unknown_key_of_a_study_file_is_followed_by_the_keys(tmp_path: Path) -> None:
    from whichpeft.study import load_study

    path = tmp_path / "study.yaml"
    path.write_text("backbones: [minilm]\nmethods: [full]\nxyzzy: 1\n")
    with pytest.raises(WhichpeftError, match=r"unknown key 'xyzzy'; the keys are name, backbones, "):
        load_study(path)


FAILING = """
import logging, sys
from whichpeft.cli import app
from whichpeft.planning import probing

def broken(*arguments, **keywords):
    raise ZeroDivisionError("a bug, with hf_" + 20 * "x")

probing.build_meta_model = broken
sys.argv = ["whichpeft", "plan", "--backbone", "minilm", "--method", "lora", "--length", "8"]
app.main()
"""


@pytest.mark.parametrize("debug", ["0", "1"])
def test_handled_errors_are_shown_for_debugging_only(debug: str) -> None:
    environment = os.environ | {"WHICHPEFT_DEBUG": debug}
    command = [sys.executable, "-c", FAILING]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "lora is refused: a bug, with" in done.stdout
    shown = "ZeroDivisionError: a bug, with [secret]" in done.stderr
    assert shown == ("whichpeft.planning.probing: " in done.stderr) == (debug == "1")
    assert ("Traceback" in done.stderr) == (debug == "1")
    assert "hf_x" not in done.stderr
