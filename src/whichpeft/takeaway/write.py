"""Writes what a user takes away from a choice into a folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.methods import Adapter, Method
from whichpeft.methods.composition import Composition, StackedAdapter
from whichpeft.methods.peft_adapter import PeftAdapter
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.planning.meta_model import build_meta_model
from whichpeft.records import Record, Store
from whichpeft.report.choices import sentence
from whichpeft.report.figures.render import slugs
from whichpeft.storage.atomic import write_whole
from whichpeft.takeaway.cards import CARD, card
from whichpeft.takeaway.data import ScriptData, script_data
from whichpeft.takeaway.script import training_script, writing_script
from whichpeft.takeaway.settled import Settled, settle
from whichpeft.takeaway.templates import template
from whichpeft.tasks import GenerativeTask, ImageTask

if TYPE_CHECKING:
    from whichpeft.analysis.choice.candidates import Candidate
    from whichpeft.analysis.choice.choice import Answer
    from whichpeft.analysis.comparable_groups import MethodRecords
    from whichpeft.report import Report
    from whichpeft.report.choices import Choices

CONFIG = "adapter_config.json"


def write_takeaway(report: Report, choices: Choices, *, folder: Path, out: Path) -> list[Path]:
    """Write what each answer's method needs, and return the folders.

    folder: of the run, which may have kept adapters. out: takes the files of the one answer, or a
    sub-folder for each; an answer over several tasks needs none beside theirs. Writes
    ``hyperparameters.json``, ``train.py``, ``README.md``, the ``adapter_config.json`` of a PEFT method
    (one a part of a composition, in a folder each), and ``adapter/`` where the run kept it.

    Raises RequestError where the backbone, the data or a method's file is not there any more.
    """
    found = []
    for comparison, answer in zip(report.comparisons, choices.answers, strict=False):
        chosen = answer.chosen
        if chosen is not None:
            kept = next(
                kept
                for kept, row in zip(comparison.records, comparison.rows, strict=True)
                if (row["method"], row["variant"]) == (chosen.method, chosen.variant)
            )
            assert kept.trial is not None  # it has a score
            found.append((answer, chosen, kept, settle(kept.trial, report.study), comparison))
    names = slugs([f"{answer.backbone}-{' '.join(answer.tasks)}" for answer, *_ in found])
    written = []
    for name, (answer, chosen, kept, settled, comparison) in zip(names, found, strict=True):
        target = out if len(found) == 1 else out / name
        best = _write(answer, chosen, kept, settled, Store(folder), target)
        if best is not None:
            row = comparison.rows[comparison.records.index(kept)]
            text = card(report, comparison, row, kept, best, target / "adapter")
            write_whole(target / "adapter" / CARD, text.encode())
        written.append(target)
    return written


def _write(
    answer: Answer,
    chosen: Candidate,
    kept: MethodRecords,
    settled: Settled,
    store: Store,
    target: Path,
) -> Record | None:
    """Write one answer's folder; return the record of the adapter in it, where the run kept one."""
    trial, method = settled.trial, settled.method
    adapter = build_meta_model(
        method,
        settled.backbone,
        settled.task,
        same_targets=trial.conditions.same_targets,
        steps=trial.budget.steps(settled.task.counts["train"]),
    ).adapter
    configs = _configs(adapter, method, settled.backbone_source)
    best = _best_kept(kept, store)
    facts = _facts(chosen, kept, settled)
    facts["trained"] = _trained(adapter)
    for name, config in configs.items():
        _write_json(target / name / CONFIG, config)
    _write_json(target / "hyperparameters.json", facts)
    if isinstance(settled.task, GenerativeTask):
        data, script = ScriptData(), writing_script(settled, adapter)
    else:
        data = script_data(settled.source)
        script = training_script(settled, adapter, data, metric=answer.metric)
    write_whole(target / "train.py", script.encode())
    if best is not None:
        shutil.rmtree(target / "adapter", ignore_errors=True)
        shutil.copytree(store.adapter_folder(best.trial.fingerprint), target / "adapter")
    write_whole(target / "README.md", _readme(answer, chosen, settled, data, configs, best).encode())
    return best


def _configs(adapter: Adapter, method: Method, backbone: str) -> dict[str, dict[str, Any]]:
    """Return PEFT's configs by the sub-folder that `Adapter.save` puts them in."""
    if isinstance(adapter, StackedAdapter) and isinstance(method, Composition):
        parts = {part.name: part for part in method.parts}
        return {name: _config(own, parts[name], backbone) for name, own in adapter.adapters.items()}
    if isinstance(adapter, PeftAdapter) and isinstance(method, PeftMethod):
        return {"": _config(adapter, method, backbone)}
    return {}


def _config(adapter: PeftAdapter, method: PeftMethod, backbone: str) -> dict[str, Any]:
    config = adapter.model.peft_config["default"]
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    given = usual | method.hyperparameters | dict(method.peft.fixed)
    for (
        key
    ) in method.peft.fixed_weightless:  # what stood in for it where there were no weights to look at
        setattr(config, key, given[key])
    written: dict[str, Any] = config.to_dict()
    written |= {"base_model_name_or_path": backbone, "inference_mode": False}
    if written.get("tokenizer_name_or_path") == "":  # unknown without the backbone's files
        written["tokenizer_name_or_path"] = backbone
    return {key: _as_json(value) for key, value in sorted(written.items())}


def _as_json(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    return getattr(value, "value", value)


def _trained(adapter: Adapter) -> list[str] | None:
    """Return the names of what trains where a method adds no parts; None where all of it does."""
    if isinstance(adapter, (PeftAdapter, StackedAdapter)):
        return None
    parameters = dict(adapter.model.named_parameters())
    names = [name for name, parameter in parameters.items() if parameter.requires_grad]
    return None if len(names) == len(parameters) else names


def _facts(chosen: Candidate, kept: MethodRecords, settled: Settled) -> dict[str, Any]:
    """Return what a training needs to know beside the adapter's config."""
    trial, method, budget = settled.trial, settled.method, settled.trial.budget
    return {
        "method": trial.method,
        "method_id": trial.method_id,
        "variant": chosen.variant,
        "backbone": trial.backbone,
        "backbone_source": settled.backbone_source,
        "task": trial.task,
        "hyperparameters": dict(trial.hyperparameters),
        "learning_rate": method.learning_rate,
        "weight_decay": method.weight_decay,
        "warmup_ratio": method.warmup_ratio,
        "epochs": budget.epochs,
        "batch_size": budget.batch_size,
        "max_train": budget.max_train,
        "early_stopping": budget.early_stopping,
        "max_length": settled.backbone.input_positions,
        "precision": kept.completed[0].setting.precision or trial.conditions.precision,
        "seeds": [record.trial.seed for record in kept.completed],
        "score_mean": chosen.score.mean,
        "score_low": chosen.score.low,
        "score_high": chosen.score.high,
    }


def _best_kept(kept: MethodRecords, store: Store) -> Record | None:
    """Return the final trial with the best validation score of those whose adapter was kept."""
    there = [
        record for record in kept.completed if store.adapter_folder(record.trial.fingerprint).is_dir()
    ]
    return max(
        there, key=lambda record: record.value("validation_score", "validate") or 0.0, default=None
    )


def _write_json(path: Path, value: Any) -> None:
    write_whole(path, (json.dumps(value, indent=2) + "\n").encode())


def _readme(
    answer: Answer,
    chosen: Candidate,
    settled: Settled,
    data: ScriptData,
    configs: Mapping[str, Any],
    best: Record | None,
) -> str:
    from whichpeft.analysis.choice.what_if import caveats

    return str(
        template("README.md.j2").render(
            method=chosen.method,
            backbone=answer.backbone,
            task=answer.tasks[0],
            sentence=sentence(answer),
            caveats=caveats(answer),
            configs=[str(Path(name) / CONFIG) for name in configs],
            best_seed=None if best is None else best.trial.seed,
            images=isinstance(settled.task, ImageTask),
            writes=isinstance(settled.task, GenerativeTask),
            again=bool(data.study),
            budget=settled.trial.budget,
        )
    )
