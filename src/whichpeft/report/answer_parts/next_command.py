"""The command to run next, ready to paste."""

from __future__ import annotations

import shlex
from pathlib import Path

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.analysis.choice.what_if import seeds_that_prove
from whichpeft.records import Store
from whichpeft.report.text import plain
from whichpeft.units import points

_MOST_SEEDS = 12
"""More seeds than this are not suggested."""

_FEW_SEEDS = 3
_LIMITS = {
    "memory": "--max-memory",
    "trainable": "--max-trainable",
    "adapter-size": "--max-adapter-size",
    "latency": "--max-latency",
    "time": "--max-train-time",
}


def next_command(answer: Answer, folder: Path | None) -> str | None:
    """Return the command to run next; None if there is none to name.

    If something is missing, that is the run that adds it: trials that are not finished, or seeds that
    are likely to prove the choice. Otherwise it takes the method away, or predicts if that was done.

    Parameters
    ----------
    answer
        The answer.
    folder
        The run folder; None if the records are in none.
    """
    if folder is None or plain(str(folder)) != str(folder):
        return None
    place = shlex.quote(str(folder))
    again = _again("auto" if answer.of_race else "run", folder)
    if _can_continue(answer):
        return again
    if answer.chosen is None:
        return None
    seeds = None if answer.of_race else _seeds(answer)
    if seeds is not None:
        return f"{again} --seeds {seeds}"
    taken = _taken(answer, folder)
    if taken is not None:
        return use_command(taken)
    return f"whichpeft choose {place}{_options(answer.constraints)} --write chosen"


def use_command(taken: Path) -> str | None:
    """Return the command that uses what ``--write`` wrote; None if nothing predicts with it."""
    if (taken / "adapter").is_dir():
        return f"whichpeft predict {shlex.quote(str(taken))} FILE"
    if (taken / "predict.py").is_file():
        script, adapter = (shlex.quote(str(taken / name)) for name in ("train.py", "adapter"))
        return f"python {script} --out {adapter}"
    return None


def _taken(answer: Answer, folder: Path) -> Path | None:
    """Return the folder that the chosen method was written to, as short as it can be written."""
    chosen = answer.chosen
    assert chosen is not None
    about = answer.backbone, *answer.tasks, chosen.method, chosen.variant
    for one in reversed(Store(folder).taken()):
        if (one.backbone, one.task, one.method, one.variant) == about:
            place, here = Path(one.folder), Path.cwd()
            found = place.relative_to(here) if place.is_relative_to(here) else place
            return found if plain(str(found)) == str(found) else None
    return None


def continue_race(folder: Path | None) -> str | None:
    """Return the command that continues a race; None if its records are in no folder."""
    return None if folder is None else _again("auto", folder)


def _again(command: str, folder: Path) -> str:
    study, place = shlex.quote(str(folder / "study.yaml")), shlex.quote(str(folder))
    return f"whichpeft {command} {study} --out {place}"


def _can_continue(answer: Answer) -> bool:
    """Return whether the same run again may add what is missing; failed trials fail again."""
    return any(candidate.still_open and not candidate.failed for candidate in answer.candidates)


def _seeds(answer: Answer) -> int | None:
    """Return how many seeds are worth running; None if more are not needed, or too many would be."""
    evidence = answer.evidence
    if evidence is None or answer.within_margin:
        return None
    if evidence.fewest_seeds < _FEW_SEEDS:
        return _FEW_SEEDS
    needed = seeds_that_prove(answer) if isinstance(evidence, TrialEvidence) else None
    return needed if needed is not None and needed <= _MOST_SEEDS else None


def _options(constraints: Constraints) -> str:
    """Return the options of `choose` that give these constraints."""
    default = Constraints()
    found = [f"{_LIMITS[name]} {_written(name, limit)}" for name, limit in constraints.limits.items()]
    if constraints.by != default.by:
        found.append(f"--by {constraints.by}")
    if constraints.margin != default.margin:
        found.append(f"--margin {points(constraints.margin):.6g}")
    return "".join(f" {option}" for option in found)


def _written(name: str, limit: float) -> str:
    """Write a limit as the options are written: ``2MB``, ``1%``, ``20ms``, ``600s``."""
    if name in ("memory", "adapter-size"):
        return f"{limit / 1e6:.12g}MB"
    if name == "trainable":
        return f"{limit:.12g}%"
    return f"{limit:.12g}ms" if name == "latency" else f"{limit:.12g}s"
