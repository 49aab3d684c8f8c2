"""The examples: each is read, and would run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from whichpeft.methods import resolve_method
from whichpeft.study import Budget, load_study

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_the_example_study_reads_as_it_says() -> None:
    study = load_study(EXAMPLES / "study.yaml")
    assert study.name == "example"
    assert study.budget == Budget(epochs=2, max_train=400)
    assert len({resolve_method(text).identity for text in study.methods}) == len(study.methods)


@pytest.mark.slow
def test_the_example_study_would_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "whichpeft", "run", str(EXAMPLES / "study.yaml"), "--dry-run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "18 trials to run" in done.stdout
