"""Jobs for an executor, put together as a run does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whichpeft.engine import FinalWork, Job
from whichpeft.executors import Executor
from whichpeft.study import Budget, Study, TaskSource


def make_jobs(
    executor: Executor,
    backbone: Path,
    data: Path,
    scratch: Path,
    methods: list[str],
    **budget: Any,
) -> list[Job]:
    """Begin the executor and return the first final trial of each method."""
    from whichpeft.running.request import check_request
    from whichpeft.running.setup import make_job, set_up

    study = Study(
        backbone=str(backbone),
        task=TaskSource(name=str(data)),
        methods=methods,
        seeds=1,
        budget=Budget(**{"epochs": 1, **budget}),
    )
    setup = set_up(check_request(study, scratch / "out"), scratch, executor)
    return [make_job(cell.finals[0], cell, setup, FinalWork()) for cell in setup.plan.accepted]
