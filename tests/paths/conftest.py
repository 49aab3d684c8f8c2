"""A user in a new folder: the commands of the documentation, without a network."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class User:
    """Somebody who types commands in a folder."""

    folder: Path
    """Where they work."""

    env: dict[str, str] = field(default_factory=dict)
    """Environment variables in addition to the usual ones."""

    def types(self, command: str, *, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command as it is written, and return what it printed; it has to exit with `code`."""
        words = shlex.split(command)
        assert words[0] == "whichpeft"
        done = subprocess.run(
            [*_without_network(), sys.executable, "-m", "whichpeft", *words[1:]],
            cwd=self.folder,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "120"} | self.env,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def user(tmp_path: Path) -> User:
    """A user in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return User(folder)


@cache
def _without_network() -> tuple[str, ...]:
    """Return the command that starts another one without a network; nothing if this machine has none."""
    hidden = ("unshare", "--map-root-user", "--net")
    try:
        known = subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        known = False
    return hidden if known else ()


def readme_commands(heading: str) -> list[str]:
    """Return the commands that the README gives under a heading, without their comments."""
    part = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    lines = [line.partition("  #")[0].strip() for line in part.partition("\n## ")[0].splitlines()]
    return [line for line in lines if line.startswith("whichpeft ")]
