"""Checks what a race needs beyond a run: one backbone, one task, methods to compare, enough time."""

from __future__ import annotations

import math
from pathlib import Path

from whichpeft.analysis.choice.constraints import read_constraints
from whichpeft.errors import StudyError
from whichpeft.methods import read_method
from whichpeft.running.race.size import Workload, least_bound
from whichpeft.running.request import Request, check_request
from whichpeft.study import AutoOptions, Study
from whichpeft.units import show_seconds

_SPARE = 1.2  # of the least time, since its estimate is not exact and the report is written afterwards


def check_race(study: Study, folder: Path, jobs: int | None = None) -> Request:
    """Check a request for a race, as `check_request` does that for a run.

    Raises RequestError, whose message names a fix.
    """
    options = study.auto or AutoOptions()
    read_constraints(**options.limits, by=options.by, margin=options.margin)
    for key, names in (("backbone", study.backbones), ("task", [task.name for task in study.tasks])):
        if len(names) != 1:
            raise StudyError(
                f"study {study.name!r}: a race needs one {key}, and there are {len(names)}; "
                f"keep one, and run `whichpeft auto` once for each"
            )
    trained = [text for text in study.methods if read_method(text).info.learning_rate]
    if len(trained) < 2:
        only = f"only {trained[0]} trains anything" if trained else "none trains anything"
        raise StudyError(
            f"study {study.name!r}: a race compares methods, and {only}; name two or more, leave out "
            "--method to try all, or measure one with `whichpeft run`"
        )
    request = check_request(study, folder, jobs)
    counts = request.tasks[0].counts
    for split in ("validation", "test"):
        if not counts.get(split):
            what = "methods are ranked" if split == "validation" else "finalists are tested"
            raise StudyError(
                f"task {request.tasks[0].name!r}: has no {split} examples, by which {what}; name a file "
                f"with --{split}"
            )
    return request


def check_bound(work: Workload, options: AutoOptions, spent: float = 0.0) -> None:
    """Check that a bound is enough for one finalist.

    Parameters
    ----------
    work
        What the race has to do; its pace in seconds if the bound is a time.
    options
        The options with the bound.
    spent
        Seconds that have passed.

    Raises
    ------
    StudyError
        If it is not; the message names the least that is.
    """
    least, looks = least_bound(work), work.rules.looks
    what = f"a finalist and the baseline on {looks[0]} seeds, each with {work.fewest} training examples"
    # A few timed steps may be off by half, and a race may end with a best bet. If other work slowed the
    # steps down, what they would take without it counts.
    sure = min(0.5, work.pace.shares[0])
    if options.within is not None and options.within < spent + sure * least:
        raise StudyError(
            f"auto: within is {show_seconds(options.within)}, which is too short for {what}; give "
            f"{show_seconds(_SPARE * (spent + least))} or more, a smaller model or shorter examples"
        )
    if options.examples is not None and options.examples < least:
        raise StudyError(
            f"auto: examples is {options.examples:,}, which is too few for {what}; give "
            f"{math.ceil(least):,} or more"
        )
    if options.trials is not None and options.trials < 2 + 2 * looks[0]:
        raise StudyError(
            f"auto: trials is {options.trials}, too few for a finalist and the baseline: both are "
            f"screened, and tested on {looks[0]} seeds; give {2 + 2 * looks[0]} or more"
        )
