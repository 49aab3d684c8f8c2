"""The dry run of a race in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from whichpeft.units import counted, join_words, points, show_seconds, show_seconds_between

if TYPE_CHECKING:
    from whichpeft.running.race.dry_run import RaceDryRun
    from whichpeft.study import AutoOptions, Study


def lines_of(planned: RaceDryRun, study: Study) -> Iterator[str]:
    """Yield the lines that say what the bound of a race buys."""
    raced = [entrant for entrant in planned.entrants if entrant.arms]
    most = max(len(entrant.arms[: planned.candidates]) for entrant in raced)
    yield f"{study.name}: what {_bound(study.auto)} buys"
    yield f"{counted(len(raced), 'method')} with up to {counted(most, 'candidate')} each"
    yield (
        f"whole training: {planned.train:,} of {planned.of:,} training examples, "
        f"{counted(planned.epochs, 'epoch')}, {planned.rungs[-1]:,} steps, "
        f"{planned.validation:,} validation examples"
    )
    screens = zip(planned.screened, planned.rungs, strict=False)
    shown = [f"{arms:,} to step {step:,}" for arms, step in screens]
    yield f"screen: candidates {join_words(shown)}"
    looks = join_words(map(str, planned.looks))
    yield f"finals: {counted(planned.finalists, 'method')} and the baseline, looks at {looks} seeds"
    if not planned.fits:
        yield "this is not enough to try every method: the screen ends before, defaults first"
    beside = f", with {planned.concurrency} trials in parallel" if planned.concurrency > 1 else ""
    time = show_seconds_between(planned.seconds_low, planned.seconds_high)
    yield f"about {time}{beside}. Folder: {planned.folder}"
    yield _proof(planned)
    for out in ("over a limit", "refused"):
        for entrant in planned.entrants:
            if entrant.out == out:
                yield f"{out}: {entrant.method}, {entrant.reason}"


def _bound(auto: AutoOptions | None) -> str:
    if auto is not None and auto.within is not None:
        return show_seconds(auto.within)
    if auto is not None and auto.examples is not None:
        return counted(auto.examples, "training example")
    if auto is not None and auto.trials is not None:
        return counted(auto.trials, "whole training")
    return "no bound"


def _proof(planned: RaceDryRun) -> str:
    asked, able = f"{points(planned.margin):.1f}", planned.margin_to_prove
    if able > planned.margin:
        needed = f"{math.ceil(10 * points(able)) / 10:.1f}"
        return (
            f"a proof within {asked} points is unlikely with so few test examples: give more, or "
            f"--margin {needed}"
        )
    return f"a proof within {asked} points is likely in {show_seconds(planned.seconds_to_prove)} or more"
