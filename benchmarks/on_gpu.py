"""Measures whichpeft on one GPU, in one command of less than ten minutes, and writes tables.

    python benchmarks/on_gpu.py
    python benchmarks/on_gpu.py --device cpu --narrow        # tries the script itself, without a GPU

It needs no data, no weights and no network: models have real shapes and random weights, and texts are
random words. Each part is a process of its own. If one fails or takes too long, the next one starts, and
the rows that it had are kept. The tables are printed, and written to report.md in the folder given by
--out, next to each part's log. Up to 26 GB are written to --scratch and deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
LIMIT = 580  # seconds in all
_LEAST = 10  # a part is not begun with less
_NARROW_SECONDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu", "mps"])
    parser.add_argument("--narrow", action="store_true", help="narrow models and little work")
    parser.add_argument("--only", nargs="+", metavar="PART", help="run these parts")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds in all")
    parser.add_argument("--out", type=Path, default=Path("whichpeft-runs", "on-gpu"))
    parser.add_argument("--scratch", type=Path, help="folder for models; the system's by default")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # how the script starts itself
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help="print the names of the parts")
    asked = parser.parse_args()
    if asked.part:
        run_here(asked)
        return
    from gpu_parts.parts import PARTS

    if asked.list:
        print(*(part.name for part in PARTS), sep="\n")
        return
    names = [part.name for part in PARTS]
    unknown = set(asked.only or ()) - set(names)
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    began = time.monotonic()
    asked.out.mkdir(parents=True, exist_ok=True)
    report = [f"# whichpeft on {asked.device}{', narrow models' if asked.narrow else ''}"]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="whichpeft-", dir=asked.scratch) as scratch:
        for part in PARTS:
            if asked.only and part.name not in asked.only:
                continue
            left = asked.limit - (time.monotonic() - began)
            most = min(left, _NARROW_SECONDS if asked.narrow else part.seconds)
            text, fine = run_apart(asked, part.name, Path(scratch), most) if left > _LEAST else (
                f"{part.name}: **left out**, the time is used up", True
            )  # fmt: skip
            failed += not fine
            print(text, flush=True)
            report.append(text)
            (asked.out / "report.md").write_text("\n\n".join(report) + "\n", encoding="utf-8")
    print(f"\n{time.monotonic() - began:.0f} s. Report: {asked.out / 'report.md'}")
    sys.exit(1 if failed else 0)


def run_apart(asked: argparse.Namespace, name: str, scratch: Path, most: float) -> tuple[str, bool]:
    """Run a part as a process, end it if it takes too long; return its tables and whether it is fine."""
    rows, log = scratch / f"{name}.jsonl", asked.out / f"{name}.log"
    rows.touch()
    began = time.monotonic()
    command = [
        sys.executable, __file__, "--part", name, "--device", asked.device, "--scratch", str(scratch),
        "--until", str(time.time() + most - 3), *(["--narrow"] if asked.narrow else []),
    ]  # fmt: skip
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            code = process.wait(most)
            ended = "" if code == 0 else f"**FAILED** with exit code {code}"
        except subprocess.TimeoutExpired:
            ended = "**ENDED**: it took too long"
        finally:
            end_with_children(process)
    tables: dict[str, list[dict[str, object]]] = {}
    notes = []
    for line in rows.read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        if "note" in found:
            notes.append(f"- {found['note']}")
        else:
            tables.setdefault(found["table"], []).append(found["row"])
    from gpu_parts.tables import table

    parts = [f"## {title}\n\n{table(own)}" for title, own in tables.items()]
    parts += ["\n".join(notes)] if notes else []
    if ended:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        end = "\n".join(lines[-12:])
        parts.append(f"{name}: {ended}. The end of {log}:\n\n```text\n{end}\n```")
    parts.append(f"({name}: {time.monotonic() - began:.0f} s)")
    return "\n\n".join(parts), not ended


def end_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that is still running, and all that it started, so that the device is free."""
    if process.poll() is not None:
        return
    own = psutil.Process(process.pid)
    for each in [*own.children(recursive=True), own]:
        each.kill()
    process.wait()


def run_here(asked: argparse.Namespace) -> None:
    """Run one part in this process."""
    from gpu_parts.bench import Bench
    from gpu_parts.parts import run_part

    bench = Bench(
        device=asked.device,
        narrow=asked.narrow,
        folder=asked.scratch,
        rows=asked.scratch / f"{asked.part}.jsonl",
        until=asked.until,
    )
    run_part(asked.part, bench)


if __name__ == "__main__":
    main()
