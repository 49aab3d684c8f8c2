"""Messages about values that do not exist: one builder, and every kind of caller."""

from __future__ import annotations

import ast
import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichpeft.analysis.statistics.gap import paired_gap
from whichpeft.cli.output import check_format
from whichpeft.errors import WhichpeftError, nearest, suggestion, unknown
from whichpeft.methods import methods, resolve_method
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


KNOWN = {
    "method": list(methods()),
    "option": [field.name for field in dataclasses.fields(methods()["lora"])],
    "column": ["text", "label", "sentence", "premise", "hypothesis", "id"],
    "metric": ["accuracy", "macro_f1", "matthews", "pearson", "spearman", "rmse"],
    "key": ["name", "backbones", "tasks", "methods", "seeds", "budget", "baseline", "precision"],
    "backbone": ["minilm", "bert-base", "llama-7b", "llama-13b", "qwen2.5-7b", "mistral-7b"],
    "precision": list(PRECISIONS),
}


@pytest.mark.parametrize(
    ("kind", "typed", "meant"),
    [
        ("method", "lorra", "lora"), ("method", "loar", "lora"), ("method", "LoRA", "lora"),
        ("method", "bit-fit", "bitfit"), ("method", "IA-3", "ia3"), ("method", "(ia)3", "ia3"),
        ("method", "prefix-tuning", "prefix"), ("method", "prompt_tuning", "prompt"),
        ("method", "ptuning", "p-tuning"), ("method", "full-finetune", "full"),
        ("method", "few_shot", "few-shot"), ("method", "galore", None), ("method", "lisa", None),
        ("method", "badam", None), ("method", "ssf", None), ("method", "houlsby", None),
        ("method", "unsloth", None), ("method", "layernorm", None), ("method", "x", None),
        ("option", "lora_alhpa", "lora_alpha"), ("option", "rslora", "use_rslora"),
        ("option", "targetmodules", "target_modules"), ("option", "dropout", "lora_dropout"),
        ("option", "weight_dacay", "weight_decay"), ("option", "lora_r", "r"),
        ("option", "enable_lora", None), ("option", "merge_weights", None), ("option", "rank", None),
        ("option", "epochs", None), ("option", "seed", None), ("option", "lr", None),
        ("option", "rank_pattern", None), ("option", "num_layers", None), ("option", "fp16", None),
        ("column", "lable", "label"), ("column", "Sentence", "sentence"), ("column", "texts", "text"),
        ("column", "sentence1", "sentence"), ("column", "review", None), ("column", "idx", None),
        ("column", "class", None), ("column", "target", None),
        ("metric", "acuracy", "accuracy"), ("metric", "macro-f1", "macro_f1"),
        ("metric", "f1", "macro_f1"),
        ("metric", "bleu", None), ("metric", "auc", None),
        ("key", "method", "methods"), ("key", "backbone", "backbones"), ("key", "dataset", None),
        ("key", "model", None), ("key", "learning_rate", None),
        ("backbone", "llama7b", "llama-7b"), ("backbone", "llama-8b", None), ("backbone", "gpt2", None),
        ("backbone", "mistral", "mistral-7b"), ("backbone", "llama-3-7b", None),
        ("precision", "float3", "float32"), ("precision", "bf16", None), ("precision", "fp32", None),
    ],
)  # fmt: skip
def test_only_what_was_probably_meant_is_suggested(kind: str, typed: str, meant: str | None) -> None:
    assert nearest(typed, KNOWN[kind]) == meant


@given(
    value=st.text(max_size=12),
    known=st.lists(st.text("abcdef-_13", min_size=1, max_size=8), min_size=1, max_size=4, unique=True),
    fix=st.sampled_from([None, "", "leave it out", "`list` lists them"]),
)
def test_every_message_is_punctuated(value: str, known: list[str], fix: str | None) -> None:
    written = suggestion(value, known, fix=fix)
    close = nearest(value, known)
    assert close is None or close in known
    start = "" if close is None else f"; did you mean {close!r}?"
    assert written.startswith(start)
    rest = written[len(start) :]
    if fix == "":
        assert rest == ""
    else:
        lead, first, more = (" ", rest[1], rest[2:]) if start else ("; ", rest[2], rest[3:])
        assert rest == lead + first + more
        assert first.isupper() if start and fix != "`list` lists them" else first in "cl`"


def test_no_caller_writes_around_the_punctuation() -> None:
    """A fix begins with a small letter and ends without a stop, and nothing follows a suggestion."""
    calls = 0
    for path in (Path(__file__).parents[1] / "src").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                for at, part in enumerate(node.values):
                    if isinstance(part, ast.FormattedValue) and _asks_for_a_hint(part.value):
                        assert at == len(node.values) - 1, f"{path}:{node.lineno}"
            if _asks_for_a_hint(node):
                calls += 1
                fix = next((word.value for word in node.keywords if word.arg == "fix"), None)
                text = str(fix.value) if isinstance(fix, ast.Constant) else ""
                assert text[:1] == text[:1].lower(), f"{path}:{node.lineno}"
                assert not text.endswith((".", ";", ",", "?")), f"{path}:{node.lineno}"
    assert calls > 20


def _asks_for_a_hint(node: ast.AST) -> TypeGuard[ast.Call]:
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return named and node.func.id in ("suggestion", "unknown")


def study(**changed: object) -> Study:
    return Study(backbone="minilm", task="t", methods=["full"], **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: study(precision="zzz"), "unknown precision 'zzz'; choose auto, float32, bfloat16 or "),
        (lambda: study(quantise="4bits"), "'4bits'; did you mean '4bit'? Choose 8bit or 4bit"),
        (lambda: study(track=["zzz"]), "unknown tracker 'zzz'; choose tensorboard, mlflow or trackio"),
        (
            lambda: TaskSource(name="t", problem="regresion"),
            "did you mean 'regression'? Choose classification, regression, ",
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
