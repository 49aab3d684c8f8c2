"""What a run shows while it runs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

import whichpeft as wp
from whichpeft.running.live_display import LiveDisplay


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_shows_its_trials_and_the_time_left(
    terminal: bool, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100)
    asked = wp.Study(
        backbone=str(tiny_backbone),
        task=str(reviews),
        methods=["full:learning_rate=1e30", "head"],
        seeds=1,
        budget=wp.Budget(epochs=2),
    )
    with LiveDisplay(console) as observer:
        wp.run(asked, out=tmp_path, device="cpu", observer=observer)
    said = written.getvalue()
    assert "measuring costs, one method at a time: 0 of 3 trials" in said
    assert "training and testing: 0 of 3 trials" in said
    assert "left" in said
    assert "failed in " in said
    assert "not finite" in said
    if terminal:
        assert "\x1b[" in said  # redrawn in place
    else:
        assert "[3/3]" in said
        assert "head on reviews, tiny-bert, seed 0: accuracy" in said
        assert "\x1b[" not in said
