"""Reads the data, backbones and methods of an old run folder again.

An earlier version may have read a file wrongly, without a word. Its records are then of other data,
another model or another method than their names say. Only files on this machine are read, never the hub.
"""

from __future__ import annotations

from whichpeft.analysis.check.findings import Finding
from whichpeft.analysis.check.reading import reading_findings
from whichpeft.analysis.comparable_groups import same_method
from whichpeft.backbones import Backbone
from whichpeft.methods import Method
from whichpeft.records import Reading, Record, Store
from whichpeft.running.reading import read_of_task
from whichpeft.running.recheck.backbones import read_again, resolve_again, revision_findings
from whichpeft.running.recheck.data import data_findings, load_again, same_data, unread_metric_findings
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
    comparable: list[Record] = []
    for source in study.tasks:
        task = load_again(source)
        if isinstance(task, Finding):
            own = [record for record in records if record.trial.task == task.task]
            findings += [task, *unread_metric_findings(source, own)]
            continue
        tasks.append(task)
        own = [record for record in records if record.trial.task == task.name]
        same = same_data(task, source)
        alike = [record for record in own if record.trial.data in same]
        comparable += alike
        findings += data_findings(task, study, own, alike, store.predictions)
        if alike:
            findings += reading_findings(Reading(tasks=(read_of_task(task),)))
    backbones: list[Backbone] = []
    for name in study.backbones:
        backbone = resolve_again(name)
        if isinstance(backbone, Finding):
            findings.append(backbone)
        elif backbone is not None:
            own = [record for record in records if record.trial.backbone == backbone.name]
            findings += revision_findings(backbone, own)
            read = read_again(backbone, tasks)
            if isinstance(read, Finding):
                findings.append(read)
            else:
                backbones.append(backbone)
                findings += reading_findings(Reading(backbones=(read,)))
    methods: dict[str, Method] = {}
    for text in study.methods:
        own = [record for record in records if same_method(text, record.trial)]
        method = resolve_method_again(text)
        if isinstance(method, Finding):
            findings += [method] if own else []
        else:
            found = list(method_findings(text, own))
            findings += found
            if not any(one.severity == "problem" for one in found):
                methods[text] = method
    findings += cell_findings(study, backbones, tasks, methods, comparable)
    return list(dict.fromkeys(findings))
