"""How much faster a whichpeft study is than the notebook's own protocol, at the same work.

Both sides train the notebook's eight rows on the same examples for the same epochs. Each side is one
process, one after the other, alone on the machine. See README.md next to this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
METHODS = (
    "full",
    "lora:r=8",
    "lora:r=16",
    "lora:r=32",
    "prefix",
    "p-tuning",
    "bitfit",
    "adalora",
)
SCRIPTS = {"notebook": "trainer_side.py", "whichpeft": "whichpeft_side.py"}
BATCH = 16
BUSY = 0.05

# One repeat of one side: the seconds of the whole process, the share of the processors' time that
# went to other programs, and the output of the process.
Run = dict[str, Any]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=HERE.parent.parent / "shared" / "data" / "sst2",
        help="folder with train.tsv, dev.tsv and test.tsv: sentence, tab, label, no header",
    )
    parser.add_argument("--train", type=int, default=512, help="training examples (default 512)")
    parser.add_argument("--validation", type=int, default=128, help="validation examples (default 128)")
    parser.add_argument("--epochs", type=int, default=2, help="passes over the examples (default 2)")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each side; medians are printed")
    parser.add_argument("--side", choices=("notebook", "whichpeft", "both"), default="both")
    parser.add_argument("--only", action="append", choices=METHODS, help="this method alone; repeatable")
    parser.add_argument("--verbose", action="store_true", help="show what the two sides print")
    return parser.parse_args()


def write_subsets(source: Path, target: Path, sizes: Mapping[str, int]) -> None:
    """Draw fixed subsets of a data set's splits; both sides read the same files."""
    for split, size in sizes.items():
        path = source / f"{split}.tsv"
        if not path.is_file():
            sys.exit(
                f"{path}: no such file; name a folder with train.tsv, dev.tsv and test.tsv by --data"
            )
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) < size:
            sys.exit(f"{path}: has {len(lines)} examples, and {size} are asked for")
        chosen = random.Random(0).sample(lines, size)
        (target / path.name).write_text("\n".join(chosen) + "\n", encoding="utf-8")


def run_side(side: str, data: Path, given: argparse.Namespace, methods: Iterable[str]) -> Run:
    """Run one side, from the start of its process to its end."""
    with tempfile.TemporaryDirectory(prefix=f"{side}-") as folder:
        command = [sys.executable, str(HERE / SCRIPTS[side]), "--data", str(data), "--out", folder]
        command += ["--epochs", str(given.epochs), "--batch-size", str(BATCH)]
        for name in methods:
            command += ["--method", name]
        busy, began = busy_elsewhere(), time.perf_counter()
        done = subprocess.run(
            command,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            stdout=None if given.verbose else subprocess.PIPE,
            stderr=None if given.verbose else subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            sys.exit(f"{done.stdout or ''}\nthe {side} side ended with exit code {done.returncode}")
        elsewhere = (busy_elsewhere() - busy) / seconds / (os.cpu_count() or 1)
        written = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
        return {"seconds": seconds, "elsewhere": max(0.0, elsewhere), **written}


def busy_elsewhere() -> float:
    """Return the processor seconds spent so far by all programs except the processes started here."""
    machine, own = psutil.cpu_times(), os.times()
    busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
    return busy - own.children_user - own.children_system


def rate(runs: list[Run], name: str, key: str, examples: int) -> float | None:
    """Return the median of examples per second; trials side by side share the machine."""
    rates = []
    for run in runs:
        row = run["methods"].get(name, {})
        if row.get(key):
            rates.append(examples / row[key] * row.get("side_by_side", 1))
    return statistics.median(rates) if rates else None


def trial_seconds(run: Run) -> float:
    """Return the seconds of training and validating every method, without start-up."""
    total = 0.0
    for row in run["methods"].values():
        if "train_seconds" in row:
            total += row["train_seconds"]
        else:
            total += (row["fit_seconds"] + row["validate_seconds"]) / row["side_by_side"]
    return total


def shown(value: float | None, digits: int = 1, unit: str = "") -> str:
    return "" if value is None else f"{value:.{digits}f}{unit}"


def over(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours / theirs


def table(runs: Mapping[str, list[Run]], methods: Iterable[str], examples: int) -> str:
    """Format both sides as a Markdown table, by method and for the whole study."""
    notebook, whichpeft = runs.get("notebook", []), runs.get("whichpeft", [])
    lines = [
        "| method | notebook, as it counts | notebook, optimisation only | whichpeft | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in methods:
        counted = rate(notebook, name, "train_seconds", examples)
        theirs = rate(notebook, name, "optimisation_seconds", examples)
        ours = rate(whichpeft, name, "fit_seconds", examples)
        ratio = shown(over(ours, theirs), 1, "x")
        lines.append(f"| `{name}` | {shown(counted)} | {shown(theirs)} | {shown(ours)} | {ratio} |")
    for title, seconds in (
        ("all methods, training and validation", trial_seconds),
        ("the whole study", lambda run: run["seconds"]),
    ):
        theirs, ours = (
            statistics.median(map(seconds, side)) if side else None for side in (notebook, whichpeft)
        )
        ratio = shown(over(theirs, ours), 1, "x")
        lines.append(f"| {title} | {shown(theirs, 1, ' s')} | | {shown(ours, 1, ' s')} | {ratio} |")
    return "\n".join(lines)


def machine() -> str:
    """Name the processor, its cores and the versions that affect a rate."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            ln.split(":", 1)[1].strip() for ln in cpuinfo.read_text().splitlines() if "model name" in ln
        ]
        model = names[0] if names else model
    packages = ("torch", "transformers", "peft", "accelerate")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"


def main() -> None:
    given = arguments()
    methods = [name for name in METHODS if not given.only or name in given.only]
    sides = list(SCRIPTS) if given.side == "both" else [given.side]

    runs: dict[str, list[Run]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory(prefix="sst2-") as folder:
        data = Path(folder)
        sizes = {"train": given.train, "dev": given.validation, "test": given.validation}
        write_subsets(given.data, data, sizes)
        # Sides alternate, so a machine that slows down slows both.
        for repeat in range(given.repeats):
            for side in sides:
                run = run_side(side, data, given, methods)
                runs[side].append(run)
                # Unknown for whichpeft's side: no process waits for the fork server's children.
                known = f"; {run['elsewhere']:.0%} of the processors' time went elsewhere"
                print(
                    f"{side} {repeat + 1}/{given.repeats}: {run['seconds']:.1f} s"
                    f"{known if side == 'notebook' else ''}",
                    flush=True,
                )

    if any(run["elsewhere"] > BUSY for run in runs.get("notebook", [])):
        print(
            "\nOther programs ran at the same time: these rates are too low. Repeat on a quiet machine."
        )
    print(f"\n{machine()}")
    for side in sides:
        print(f"{side}: {runs[side][0]['note']}")
    print(
        f"{given.train} training and {given.validation} validation examples of {given.data.name}, "
        f"{given.epochs} epoch(s), batch {BATCH}; medians of {given.repeats}\n"
        "Training examples per second; the study in seconds from process start to process end.\n"
    )
    print(table(runs, methods, given.train * given.epochs))


if __name__ == "__main__":
    main()
