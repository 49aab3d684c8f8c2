"""Generation is not sharded, because processes would wait for each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from whichpeft.backbones import Backbone
from whichpeft.engine import FinalWork, Job, Placement
from whichpeft.engine.compute import choose_compute
from whichpeft.engine.model_setup import prepare
from whichpeft.engine.process_group import ALONE
from whichpeft.errors import TrialFailed
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.study import Study
from whichpeft.tasks import Prompted, generative_task
from whichpeft.tasks.encoded_data import write_data


def test_a_sharded_trial_of_a_language_task_is_refused(tiny_writer: Backbone, tmp_path: Path) -> None:
    asked = generative_task(
        "sums", train=[Prompted(prompt=f"{i} and 1 is", completion=str(i + 1)) for i in range(20)]
    )
    study = Study(backbone="tiny-writer", task="sums", methods=["lora:r=2"], seeds=1)
    (cell,) = make_plan(study, [tiny_writer], [asked], {"lora:r=2": resolve_method("lora:r=2")}).cells
    data, _ = write_data(asked, tiny_writer, study.budget, tmp_path)
    job = Job(
        trial=cell.finals[0],
        backbone=tiny_writer,
        method=cell.method,
        data=data,
        placement=Placement(device="cpu"),
        work=FinalWork(),
    )
    compute = choose_compute("cpu", "float32")
    assert prepare(job, compute).examples
    with pytest.raises(TrialFailed, match="answers in one process"):
        prepare(job, compute, replace(ALONE, size=2))
