"""Does `whichpeft auto --within` keep its time, also when it is killed and started again?

    python benchmarks/race_clock.py 90s 90s 2m 3m --killed 2
    python benchmarks/race_clock.py 3m --task stdlib-docs --backbone minilm

Each race runs in a folder of its own and is timed from outside: the whole command, from its start to its
exit, all parts of a killed race together. The first `--killed` races get SIGKILL after 40 % and after
70 % of their time. Prints a table: the time allowed, how often it was killed, the seconds from outside,
their share of the time, and how the race ended. A race that has proved its choice may end early; no race
may take more than 105 %, which is exit code 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from whichpeft.records import Store
from whichpeft.units import parse_duration

MOST = 1.05
KILLED_AT = (0.4, 0.7)


def outside_seconds(command: Sequence[str], kill_after: Sequence[float]) -> float:
    """Run a command, kill and repeat it after these seconds; return the seconds of all its parts."""
    spent = 0.0
    for limit in (*kill_after, None):
        began = time.monotonic()
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            code = process.wait(None if limit is None else limit - spent)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            spent += time.monotonic() - began
            continue
        spent += time.monotonic() - began
        if code != 0:
            raise SystemExit(f"{' '.join(command)} ended with code {code}")
        break
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("within", nargs="+", help="times of the races, such as 90s 2m")
    parser.add_argument("--killed", type=int, default=0, help="how many of them are killed twice")
    parser.add_argument("--task", default="digits")
    parser.add_argument("--backbone", default="digits-vit")
    given = parser.parse_args()
    worst = 0.0
    print("| within | killed | seconds | of the time | ended |\n| --- | --: | --: | --: | --- |")
    for index, within in enumerate(given.within):
        allowed = parse_duration(within)
        kills = [share * allowed for share in KILLED_AT] if index < given.killed else []
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "race")
            command = [sys.executable, "-m", "whichpeft", "auto", "--quiet", "--out", str(folder)]
            command += ["--task", given.task, "--backbone", given.backbone, "--within", within]
            seconds = outside_seconds(command, kills)
            race = Store(folder).race()
            ended = "unfinished" if race is None or race.ended is None else race.ended
        share = seconds / allowed
        worst = max(worst, share)
        print(f"| {within} | {len(kills)} | {seconds:.0f} | {100 * share:.0f} % | {ended} |", flush=True)
    sys.exit(worst > MOST)


if __name__ == "__main__":
    main()
