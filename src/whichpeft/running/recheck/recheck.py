"""Reads the data, backbones and methods of an old run folder again.

An earlier version may have read a file wrongly, without a word. Its records are then of other data,
another model or another method than their names say. Only files on this machine are read, never the hub.
"""

from __future__ import annotations

from whichpeft.analysis.check.findings import Finding
from whichpeft.analysis.comparable_groups import same_method
from whichpeft.backbones import Backbone
from whichpeft.methods import Method
from whichpeft.records import Record, Store
from whichpeft.running.recheck.backbones import layer_finding, resolve_again, revision_findings
from whichpeft.running.recheck.data import data_findings, load_again, unread_metric_findings
from whichpeft.running.recheck.methods import cell_findings, method_findings, resolve_method_again
from whichpeft.tasks import Task


def recheck(store: Store) -> list[Finding]:
    """Return what this version reads otherwise than the records of a folder were made with.

    Parameters
    ----------
    store
        A run folder whose records are from a version that did not keep what it read.
    """
    study = store.study()
    records = [record for record in store.each() if isinstance(record, Record)]
    findings: list[Finding] = []
    tasks: list[Task] = []
    for source in study.tasks:
        task = load_again(source)
        if isinstance(task, Finding):
            own = [record for record in records if record.trial.task == task.task]
            findings += [task, *unread_metric_findings(source, own)]
        else:
            tasks.append(task)
            own = [record for record in records if record.trial.task == task.name]
            findings += data_findings(task, source, study, own)
    backbones: list[Backbone] = []
    for name in study.backbones:
        backbone = resolve_again(name)
        if isinstance(backbone, Finding):
            findings.append(backbone)
        elif backbone is not None:
            own = [record for record in records if record.trial.backbone == backbone.name]
            findings += revision_findings(backbone, own)
            layers = layer_finding(backbone, tasks)
            findings += [layers] if layers is not None else []
            if layers is None or layers.severity == "note":
                backbones.append(backbone)
    methods: dict[str, Method] = {}
    for text in study.methods:
        own = [record for record in records if same_method(text, record.trial)]
        method = resolve_method_again(text)
        if isinstance(method, Finding):
            findings += [method] if own else []
        else:
            methods[text] = method
            findings += method_findings(text, own)
    findings += cell_findings(study, backbones, tasks, methods, records)
    return list(dict.fromkeys(findings))
