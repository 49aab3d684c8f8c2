"""The rules on imports: one direction only, and no torch for reading records."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "peft", "datasets")


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_point_one_way():
    call = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = run_python("-c", call, "--no-cache", "--no-logo")
    assert done.returncode == 0, f"\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(
    "module",
    [
        "whichpeft",
        "whichpeft.study",
        "whichpeft.records",
        "whichpeft.analysis",
        "whichpeft.reference",
        "whichpeft.report",
    ],
)
def test_import_loads_no_framework(module: str):
    """It runs in its own process, because this one has already imported everything."""
    show = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = run_python("-c", show)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"import {module} loads {done.stdout.strip()}"


@pytest.mark.parametrize("module", ["whichpeft", "whichpeft.cli.app"])
def test_help_comes_before_anything_slow_is_imported(module: str):
    """`whichpeft --help` takes 0.2 s: it imports no pydantic, numpy or YAML (benchmarks/startup.py)."""
    slow = ["pydantic", "numpy", "pandas", "yaml", "scipy", "optuna"]
    done = run_python("-c", f"import sys, {module}; print(*(n for n in {slow!r} if n in sys.modules))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
