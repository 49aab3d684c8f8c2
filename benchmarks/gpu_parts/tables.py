"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as a Markdown table."""

    def cell(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)

    keys = list(dict.fromkeys(key for row in rows for key in row))
    keys = [key for key in keys if any(row.get(key) is not None for row in rows)]
    sides = ["--:" if any(isinstance(row.get(k), (int, float)) for row in rows) else "---" for k in keys]
    lines = [keys, sides, *([cell(row.get(key)).replace("|", "/") for key in keys] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
