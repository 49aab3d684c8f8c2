"""Prints the memory that `whichpeft plan` estimates next to the measured peak, on minilm.

Each measurement is a process of its own. Run it from the checkout: python benchmarks/plan_memory.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

METHODS = ("full", "lora:r=8", "bitfit", "prefix", "series-adapter")


def main() -> None:
    from tests.costs import test_memory as checks

    print("precision  method     batch  length  estimate MB  measured MB    off")
    with checks.measuring() as measured:
        for precision in ("float32", "bfloat16"):
            for method in sys.argv[1:] or METHODS:
                for size, length in checks.CASES:
                    found = checks.estimated(method, size, length, precision) / 1e6
                    real = measured(method, precision, size, length) / 1e6
                    print(
                        f"{precision:9}  {method:9}  {size:5}  {length:6}  {found:11.1f}  {real:11.1f}  "
                        f"{found / real - 1:+6.1%}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
