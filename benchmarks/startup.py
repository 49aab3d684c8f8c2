"""Times `whichpeft --help` and `import whichpeft`.

    python benchmarks/startup.py

Medians of several processes, next to a Python that does nothing.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import whichpeft": ["-c", "import whichpeft"],
    "whichpeft --help": ["-m", "whichpeft", "--help"],
    "whichpeft methods": ["-m", "whichpeft", "methods"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=11)
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(asked.repeats):  # in turn, so a busy moment affects all of them
        for name, arguments in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - began)
    print("| | median s | quartiles |\n| --- | --: | --- |")
    for name, found in seconds.items():
        low, middle, high = statistics.quantiles(found, n=4)
        print(f"| `{name}` | {middle:.2f} | {low:.2f} to {high:.2f} |")


if __name__ == "__main__":
    main()
