"""The run folder before the first trial: cleaned up, checked, with its study and its refusals."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.executors import RunObserver
from whichpeft.planning import Cell
from whichpeft.records import Claims, Outcome, Reading, Record, Store
from whichpeft.report.tables.reading import lines_on_reading
from whichpeft.running.more_seeds import note_on_seeds
from whichpeft.running.reading import add_example_texts, add_reading
from whichpeft.running.request import Request
from whichpeft.running.resume import check_same_data, keep_study
from whichpeft.running.setup import RunSetup


def prepare_folder(request: Request, setup: RunSetup, claims: Claims, observer: RunObserver) -> None:
    """Prepare the run folder, and tell what was read of the data and which methods are refused."""
    _clean(request, setup, claims, observer)
    for line in lines_on_reading(setup.reading):
        observer.notify(line)
    _keep_refusals(request, setup, observer)


def _clean(request: Request, setup: RunSetup, claims: Claims, observer: RunObserver) -> None:
    """Clean the run folder up, check that its records fit, and write its study."""
    with claims.lock():
        if claims.only_one():
            request.store.remove_partial_files()
            claims.remove_dead()
        for line in request.store.set_aside():
            observer.notify(line)
        check_same_data(request.store, setup.plan.cells)
        _tell_of_seeds(request, observer)
        keep_study(request.store, request.whole)
        add_reading(request.store, setup.reading)
        add_example_texts(request.store, request.tasks)


def _tell_of_seeds(request: Request, observer: RunObserver) -> None:
    """Say what other seeds than the folder's do to the error of its verdicts; keep it for the report."""
    store = request.store
    if not store.study_file.exists():
        return
    kept = store.study().seeds
    note, keep = note_on_seeds(store, kept, request.asked_seeds, request.whole.seeds)
    if note is not None:
        observer.notify(note)
    if note is not None and keep:
        add_reading(store, Reading(notes=(note,)))


def _keep_refusals(request: Request, setup: RunSetup, observer: RunObserver) -> None:
    """Keep each refusal as a record, so that every table shows it, and delete those that ended."""
    _forget_refusals(request.store, setup.plan.cells)
    for cell in setup.plan.refused:
        trial = cell.profile
        if not request.store.holds(trial.fingerprint):
            outcome = Outcome(status="refused", phase="plan", reason=cell.refusal)
            request.store.add(Record(trial=trial, setting=setup.executor.setting(), outcome=outcome))
        observer.notify(f"{cell.text} is left out: {cell.refusal}")


def _forget_refusals(store: Store, cells: Sequence[Cell]) -> None:
    """Delete refusals that no longer hold, such as that of a config file that has been mended."""
    reasons = {cell.profile.fingerprint: cell.refusal for cell in cells}
    planned = {(cell.backbone.name, cell.task.name, cell.text) for cell in cells}
    for record in list(store):
        trial, outcome = record.trial, record.outcome
        now = (trial.backbone, trial.task, trial.method) in planned
        if now and outcome.status == "refused" and reasons.get(trial.fingerprint) != outcome.reason:
            store.remove(trial.fingerprint)
