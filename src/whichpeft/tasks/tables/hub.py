"""Reads tables from the hub with the `datasets` library: GLUE by name, any data set by its id."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from whichpeft.backbones.retry import with_retries
from whichpeft.errors import DataError
from whichpeft.metrics.labelled import ACCURACY, F1, MATTHEWS, PEARSON, SPEARMAN
from whichpeft.metrics.metric import Metric
from whichpeft.study import TaskSource
from whichpeft.tasks.tables.from_datasets import table_of
from whichpeft.tasks.tables.local import role_of
from whichpeft.tasks.tables.table import Table, TaskTables
from whichpeft.tasks.tables.to_task import ROLES, task_from_tables

if TYPE_CHECKING:
    from datasets import DatasetDict

    from whichpeft.tasks.protocol import Task

GLUE_ID = "nyu-mll/glue"


@dataclass(frozen=True, slots=True)
class GlueTask:
    """One task of GLUE (Wang et al. 2018, arXiv:1804.07461).

    The labels of GLUE's test sets are not public, so the validation set becomes the test set.
    """

    description: str
    """The question that the task asks."""
    text: tuple[str, ...]
    """Names of the text columns."""
    metrics: tuple[Metric, ...] = (ACCURACY,)
    """Metrics to record, the score first."""
    problem: str = "classification"
    """``classification`` or ``regression``."""
    validation: str = "validation"
    """Name of the validation split."""


GLUE: Mapping[str, GlueTask] = {
    "cola": GlueTask("is a sentence grammatical?", ("sentence",), (MATTHEWS, ACCURACY)),
    "sst2": GlueTask("is a phrase of a film review positive?", ("sentence",)),
    "mrpc": GlueTask("do two sentences mean the same?", ("sentence1", "sentence2"), (F1, ACCURACY)),
    "qqp": GlueTask("do two questions ask the same?", ("question1", "question2"), (F1, ACCURACY)),
    "stsb": GlueTask(
        "how similar are two sentences, 0 to 5?",
        ("sentence1", "sentence2"),
        (PEARSON, SPEARMAN),
        problem="regression",
    ),
    "mnli": GlueTask(
        "does one sentence entail another, contradict it, or neither?",
        ("premise", "hypothesis"),
        validation="validation_matched",
    ),
    "qnli": GlueTask("does a sentence answer a question?", ("question", "sentence")),
    "rte": GlueTask("does one sentence entail another?", ("sentence1", "sentence2")),
    "wnli": GlueTask("does a sentence with its pronoun replaced follow?", ("sentence1", "sentence2")),
}


def load_glue(name: str) -> Task:
    """Load a task of GLUE by its short name (``sst2``)."""
    return task_from_tables(read_glue_tables(name))


def read_glue_tables(name: str) -> TaskTables:
    """Read the tables of a task of GLUE by its short name (``sst2``)."""
    preset = GLUE[name]
    tables = _tables(GLUE_ID, name)
    source = TaskSource(
        name=f"glue/{name}", text_columns=preset.text, label_column="label", problem=preset.problem
    )
    splits = {"train": "train", "validation": preset.validation}
    return _found(source, tables, splits, (GLUE_ID, name), metrics=preset.metrics)


def read_hub_tables(source: TaskSource) -> TaskTables:
    """Read the tables of ``owner/name`` or ``owner/name/config`` from the hub.

    `source.train`, `validation` and `test` name splits of the data set. Raises DataError if the data set
    does not exist or the hub cannot be reached.
    """
    owner, name, *config = source.name.split("/", 2)
    hub = f"{owner}/{name}", config[0] if config else None
    tables = _tables(*hub)
    given = [role for role in ("train", "validation", "test") if getattr(source, role) is not None]
    chosen: dict[str, str] = {}
    for role in given:
        split = getattr(source, role)
        if split not in tables:
            raise DataError(f"task {source.name!r}: no split {split!r}; choose {', '.join(tables)}")
        chosen[role] = split
    taken = {getattr(source, role) for role in given}
    for role in ROLES:
        if role in chosen:
            continue
        found = [role] if role in tables else [key for key in tables if role_of(key) == role]
        found = [key for key in found if key not in taken]
        if len(found) > 1:
            flag = "validation" if role == "dev" else role
            raise DataError(
                f"task {source.name!r}: splits {', '.join(found)} could each be the {role} set; "
                f"choose one with --{flag}"
            )
        if found:
            chosen[role] = found[0]
    if "train" not in chosen:
        if len(tables) > 1:
            raise DataError(
                f"task {source.name!r}: no split is named train, only {', '.join(tables)}; "
                "choose one with --train"
            )
        chosen = {"train": next(iter(tables))}
    return _found(source, tables, chosen, hub, given=tuple(given))


def _found(
    source: TaskSource,
    tables: Mapping[str, Table],
    splits: Mapping[str, str],
    hub: tuple[str, str | None],
    **others: Any,
) -> TaskTables:
    chosen = {role: tables[split] for role, split in splits.items()}
    origins = {role: (split,) for role, split in splits.items()}
    return TaskTables(source.name, source, chosen, origins, hub=hub, **others)


def _tables(hub_id: str, config: str | None) -> dict[str, Table]:
    splits = download(hub_id, config)
    return {split: table_of(data, f"{hub_id} [{split}]") for split, data in splits.items()}


def download(hub_id: str, config: str | None) -> DatasetDict:
    """Return a data set of the hub by split. Raises DataError if it is not available."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    shown = hub_id if config is None else f"{hub_id}/{config}"
    if not _in_cache(hub_id) and (fault := _unreachable()):
        raise _absent(shown, fault)
    try:
        return with_retries(lambda: load_dataset(hub_id, config))
    except DatasetNotFoundError:
        raise DataError(
            f"task {shown!r}: no such file or folder, and the data set does not exist on the hub or is "
            "gated; check the spelling, log in with `hf auth login`, or name a local folder"
        ) from None
    except Exception as error:  # the libraries raise many types of errors for missing data
        reason = " ".join(str(error).split())
        if isinstance(error, ValueError) and "config" in reason.casefold():
            raise DataError(f"task {shown!r}: {reason}; write it as {hub_id}/CONFIG") from None
        raise _absent(shown, reason[:200]) from None


def _absent(shown: str, reason: str) -> DataError:
    return DataError(
        f"task {shown!r}: no such file or folder, and the hub's data set is not available: {reason}; "
        "check the spelling, name a local folder, or set HF_HOME to a cache that contains it "
        "(`stdlib-docs` needs no network)"
    )


def _in_cache(hub_id: str) -> bool:
    from datasets import config
    from datasets.naming import camelcase_to_snakecase

    owner, name = hub_id.split("/")
    return (Path(config.HF_DATASETS_CACHE) / f"{owner}___{camelcase_to_snakecase(name)}").is_dir()


def _unreachable() -> str | None:
    """Return why the hub cannot be reached, without the half minute that its client would take."""
    from datasets import config

    if config.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    if getproxies():
        return None  # behind a proxy only the client can find out
    address = urlsplit(config.HF_ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), timeout=5).close()
    except OSError as error:
        return f"{address.hostname} cannot be reached ({error.strerror or error})"
    return None
