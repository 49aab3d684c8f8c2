"""Writes the files that a user needs to reuse a chosen method."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.methods import Adapter, Method
from whichpeft.methods.composition import Composition, StackedAdapter
from whichpeft.methods.peft_adapter import PeftAdapter
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.planning.meta_model import build_meta_model
from whichpeft.records import Record, Store, Taken
from whichpeft.report.choices import sentence
from whichpeft.report.figures.render import slugs
from whichpeft.storage.atomic import write_whole
from whichpeft.takeaway.cards import CARD, card
from whichpeft.takeaway.data import ScriptData, script_data
from whichpeft.takeaway.from_record import RestoredTrial, restore
from whichpeft.takeaway.inputs import INPUTS, inputs_of
from whichpeft.takeaway.loading import ADAPTER, CONFIG, MODEL_CONFIG, SETTINGS
from whichpeft.takeaway.place import check_place, replaced
from whichpeft.takeaway.script import predicting_script, reading_script, training_script
from whichpeft.takeaway.templates import template
from whichpeft.tasks import GenerativeTask, ImageTask, TextTask
from whichpeft.tasks.named_outputs import with_named_outputs
from whichpeft.tasks.retrieval import RetrievalTask
from whichpeft.tasks.retrieval.match import MatchTask
from whichpeft.tasks.several_labels import SeveralLabelsTask
from whichpeft.tasks.tagging import TaggingTask
from whichpeft.tasks.text_encoding import pad_id
from whichpeft.units import counted

if TYPE_CHECKING:
    from whichpeft.analysis.choice.answer import Answer
    from whichpeft.analysis.choice.candidates import Candidate
    from whichpeft.analysis.comparable_groups import MethodRecords
    from whichpeft.report import Report
    from whichpeft.report.choices import Choices


# What the training script reads and scores takes more than a few lines, so it leaves both to whichpeft.
_READ_BY_WHICHPEFT = (GenerativeTask, TaggingTask, SeveralLabelsTask, RetrievalTask, MatchTask)


def write_takeaway(
    report: Report, choices: Choices, *, folder: Path, out: Path, overwrite: bool = False
) -> list[Path]:
    """Write the files of each answer's method: configuration, scripts and the best adapter.

    The files are ``hyperparameters.json``, ``predict.py``, ``train.py``, ``README.md``, the
    ``adapter_config.json`` of a PEFT method (for a composition one per part, each in its own folder),
    and ``adapter/`` if the run kept adapters. An answer over several tasks has no files of its own.

    Parameters
    ----------
    report
        The report of the run.
    choices
        The answers to write.
    folder
        The run's folder, which may contain adapters.
    out
        The folder to write: one answer directly into it, several into a sub-folder each.
    overwrite
        Whether to replace what was written there before.

    Returns
    -------
    list of Path
        The folders that were written.

    Raises
    ------
    RequestError
        If the backbone, the data or a method's file no longer exists, or `out` holds other files.
    """
    check_place(out, overwrite=overwrite)
    found = []
    for comparison, answer in zip(report.comparisons, choices.answers, strict=False):
        chosen = answer.chosen
        if chosen is not None:
            result = next(
                result
                for result in comparison.results
                if (result.method, result.variant) == (chosen.method, chosen.variant)
            )
            trial = result.records.trial
            assert trial is not None  # it has a score
            found.append((answer, chosen, result, restore(trial, report.study), comparison))
    names = slugs([f"{answer.backbone}-{' '.join(answer.tasks)}" for answer, *_ in found])
    store = Store(folder)
    written, taken = [], []
    with replaced(out) as new:
        for name, (answer, chosen, result, restored, comparison) in zip(names, found, strict=True):
            inside = Path() if len(found) == 1 else Path(name)
            place = new / inside
            best = _write(answer, chosen, result.records, restored, store, place)
            if best is not None:
                text = card(report, comparison, result, best, place / ADAPTER)
                write_whole(place / ADAPTER / CARD, text.encode())
            written.append(out / inside)
            taken.append(
                Taken(
                    backbone=answer.backbone,
                    task=answer.tasks[0],
                    method=chosen.method,
                    variant=chosen.variant,
                    folder=str((out / inside).resolve()),
                )
            )
    store.keep_taken(taken)
    return written


def _write(
    answer: Answer,
    chosen: Candidate,
    kept: MethodRecords,
    restored: RestoredTrial,
    store: Store,
    target: Path,
) -> Record | None:
    """Write one answer's folder; return the record of the adapter in it, or None if none was kept."""
    trial, method = restored.trial, restored.method
    adapter = build_meta_model(
        method,
        restored.backbone,
        restored.task,
        same_targets=trial.conditions.same_targets,
        steps=trial.budget.steps(restored.task.counts["train"]),
    ).adapter
    configs = _configs(adapter, method, restored.backbone_source)
    best = _best_kept(kept, store)
    facts = _facts(chosen, kept, restored)
    facts["parts"] = [name for name in configs if name]
    facts["trained"], facts["trains"] = _trained(adapter), adapter.trains
    inputs = inputs_of(restored)
    facts["max_length"] = None if inputs is None else inputs.max_length
    facts["inputs"] = (
        None if inputs is None else (INPUTS.dump_python(inputs, mode="json", exclude_defaults=True))
    )
    facts["adapter_seed"] = None if best is None else best.trial.seed
    facts["adapter_score"] = None if best is None else best.value("score", "test")
    for name, config in configs.items():
        _write_json(target / name / CONFIG, config)
    _write_json(target / SETTINGS, facts)
    if isinstance(restored.task, _READ_BY_WHICHPEFT):
        data, script = ScriptData(), reading_script(restored, adapter)
    else:
        data = script_data(restored.source)
        script = training_script(restored, adapter, data, metric=answer.metric)
    write_whole(target / "train.py", script.encode())
    predicts = inputs is not None and adapter.trains
    if inputs is not None and predicts:
        text = predicting_script(restored, adapter, inputs)
        write_whole(target / "predict.py", text.encode())
    if best is not None:
        shutil.copytree(store.adapter_folder(best.trial.fingerprint), target / ADAPTER)
        _name_outputs(restored, target / ADAPTER)
    readme = _readme(answer, chosen, restored, data, configs, best, predicts=predicts)
    write_whole(target / "README.md", readme.encode())
    return best


def _name_outputs(restored: RestoredTrial, adapter: Path) -> None:
    """Write the model's configuration next to an adapter that an earlier version kept without it."""
    if not (adapter / MODEL_CONFIG).is_file() and any(adapter.iterdir()):
        config = with_named_outputs(restored.backbone.architecture(), restored.task)
        if isinstance(restored.task, TextTask):
            config.get_text_config().pad_token_id = pad_id(restored.backbone)
        config.save_pretrained(adapter)


def _configs(adapter: Adapter, method: Method, backbone: str) -> dict[str, dict[str, object]]:
    """Return the PEFT configs by the sub-folder into which `Adapter.save` writes them."""
    if isinstance(adapter, StackedAdapter) and isinstance(method, Composition):
        parts = {part.name: part for part in method.parts}
        return {name: _config(own, parts[name], backbone) for name, own in adapter.adapters.items()}
    if isinstance(adapter, PeftAdapter) and isinstance(method, PeftMethod):
        return {"": _config(adapter, method, backbone)}
    return {}


def _config(adapter: PeftAdapter, method: PeftMethod, backbone: str) -> dict[str, object]:
    config = adapter.model.peft_config["default"]
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    given = usual | method.hyperparameters | dict(method.peft.fixed)
    for key in method.peft.fixed_weightless:  # replaced on the model without weights, which these need
        setattr(config, key, given[key])
    written: dict[str, object] = config.to_dict()
    written |= {"base_model_name_or_path": backbone, "inference_mode": False}
    if written.get("tokenizer_name_or_path") == "":  # unknown without the backbone's files
        written["tokenizer_name_or_path"] = backbone
    return {key: _as_json(value) for key, value in sorted(written.items())}


def _as_json(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    return getattr(value, "value", value)


def _trained(adapter: Adapter) -> list[str] | None:
    """Return the names of the parameters that train if a method adds none; None if all of them train."""
    if isinstance(adapter, (PeftAdapter, StackedAdapter)):
        return None
    parameters = dict(adapter.model.named_parameters())
    names = [name for name, parameter in parameters.items() if parameter.requires_grad]
    return None if len(names) == len(parameters) else names


def _facts(chosen: Candidate, kept: MethodRecords, restored: RestoredTrial) -> dict[str, object]:
    """Return what training needs in addition to the adapter's config."""
    trial, method, budget = restored.trial, restored.method, restored.trial.budget
    return {
        "method": trial.method,
        "method_id": trial.method_id,
        "variant": chosen.variant,
        "backbone": trial.backbone,
        "backbone_source": restored.backbone_source,
        "task": trial.task,
        "hyperparameters": dict(trial.hyperparameters),
        "learning_rate": method.learning_rate,
        "weight_decay": method.weight_decay,
        "warmup_ratio": method.warmup_ratio,
        "epochs": budget.epochs,
        "batch_size": budget.batch_size,
        "max_train": budget.max_train,
        "early_stopping": budget.early_stopping,
        "conditions": {key: getattr(trial.conditions, key) for key in ("quantise", "attention")},
        "precision": _precision(kept.completed[0], trial.conditions.precision),
        "seeds": [record.trial.seed for record in kept.completed],
        "score_mean": chosen.score.mean,
        "score_low": chosen.score.low,
        "score_high": chosen.score.high,
    }


def _precision(record: Record, asked: str) -> str:
    found = record.setting.precision or asked
    return "float32" if found == "auto" else found


def _best_kept(kept: MethodRecords, store: Store) -> Record | None:
    """Return the final trial with the best validation score among those whose adapter was kept."""
    there = [
        record for record in kept.completed if store.adapter_folder(record.trial.fingerprint).is_dir()
    ]
    return max(
        there, key=lambda record: record.value("validation_score", "validate") or 0.0, default=None
    )


def _write_json(path: Path, value: object) -> None:
    write_whole(path, (json.dumps(value, indent=2) + "\n").encode())


def _readme(
    answer: Answer,
    chosen: Candidate,
    restored: RestoredTrial,
    data: ScriptData,
    configs: Mapping[str, object],
    best: Record | None,
    *,
    predicts: bool,
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
            images=isinstance(restored.task, ImageTask),
            writes=isinstance(restored.task, GenerativeTask),
            tags=isinstance(restored.task, TaggingTask),
            ours=isinstance(restored.task, _READ_BY_WHICHPEFT),
            predicts=predicts,
            again=bool(data.study),
            budget=restored.trial.budget,
            patience=counted(restored.trial.budget.early_stopping or 0, "epoch"),
        )
    )
