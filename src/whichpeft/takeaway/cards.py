"""A model card for each adapter that a run kept, in the format of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.metrics.per_example import F1_OF
from whichpeft.records import Record, Store
from whichpeft.report.figures.render import slugs
from whichpeft.report.text import named, plain, with_bounds
from whichpeft.report.verdict_text import verdict
from whichpeft.storage.atomic import write_whole
from whichpeft.study import Budget, TaskSource
from whichpeft.takeaway.from_record import (
    backbone_source,
    find_backbone_code,
    loading_options,
    source_of,
)
from whichpeft.takeaway.loading import MODEL_CONFIG, config_paths, how_to_load, read_json
from whichpeft.takeaway.templates import template
from whichpeft.tasks import TASKS
from whichpeft.units import (
    counted,
    points,
    show_bytes,
    show_count,
    show_milliseconds,
    show_percent,
    show_seconds,
)

if TYPE_CHECKING:
    from whichpeft.report import Report

CARD = "README.md"
# The hub's names for metrics that have a different name here.
_METRICS = {
    "matthews": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
    "macro_f1": "f1",
    "entity_f1": "f1",
    "token_accuracy": "accuracy",
    "micro_f1": "f1",
    "label_f1": "f1",
    "label_auroc": "roc_auc",
}
_TAGGING = ("entity_f1", "token_accuracy")
_OF_EMBEDDINGS = ("mrr", "auroc")  # scores of tasks that compare embeddings, if there is no head


def write_cards(report: Report, folder: Path) -> list[Path]:
    """Write a card into each adapter folder of a run, replacing the card that PEFT writes."""
    store, written = Store(folder), []
    for comparison in report.comparisons:
        for result in comparison.results:
            for record in result.records.completed:
                target = store.adapter_folder(record.trial.fingerprint)
                # A method that trains nothing leaves an empty folder.
                filled = target.is_dir() and any(path.name != CARD for path in target.iterdir())
                if filled and target / CARD not in written:
                    text = card(report, comparison, result, record, target)
                    write_whole(target / CARD, text.encode())
                    written.append(target / CARD)
    return written


def card(
    report: Report, comparison: Comparison, result: MethodResult, record: Record, adapter: Path
) -> str:
    """Return the model card of one trial's adapter.

    It has metadata for the hub, the score, code to load the adapter, and how it was trained. The
    licence is left to the user.

    Parameters
    ----------
    report
        The report of the run.
    comparison, result
        The trial's comparison, and the method's result in it.
    record
        The trial's record.
    adapter
        The folder with the adapter.
    """
    from huggingface_hub import EvalResult, ModelCardData

    trial, study = record.trial, report.study
    base = backbone_source(trial.backbone, study)
    source = source_of(trial.task, study)
    measured = record.measurement("score", "test")
    assert measured is not None  # the trial is completed
    metric = "f1" if measured.source.startswith(F1_OF) else measured.source
    metric = _METRICS.get(metric, metric)
    configs = [read_json(path) for path in config_paths(adapter)]
    tags = ["whichpeft", "parameter-efficient-fine-tuning"]
    tags += sorted({str(config.get("peft_type", "")).lower() for config in configs} - {""})
    name = slugs([f"{trial.backbone}-{trial.task}-{trial.method}"])[0]
    task_type = "text-generation" if _writes(record) else "text-classification"
    task_type = "image-classification" if _reads_images(result) else task_type
    task_type = "token-classification" if measured.source in _TAGGING else task_type
    task_type = "feature-extraction" if _encodes(record) else task_type
    data = ModelCardData(
        base_model=None if Path(base).is_dir() else base,
        datasets=_hub_data(source),
        library_name="peft" if configs else "transformers",
        metrics=[metric],
        model_name=name,
        tags=tags,
        eval_results=[
            EvalResult(
                task_type=task_type,
                dataset_type=_hub_data(source) or slugs([trial.task])[0],
                dataset_name=plain(trial.task),
                dataset_split="test",
                metric_type=metric,
                metric_value=measured.value,
            )
        ],
    )
    return f"---\n{data.to_yaml().strip()}\n---\n\n{_text(report, comparison, result, record, adapter)}"


def _text(
    report: Report, comparison: Comparison, result: MethodResult, record: Record, adapter: Path
) -> str:
    trial, setting = record.trial, record.setting
    how = how_to_load(adapter, trial.method)
    config = read_json(adapter / MODEL_CONFIG) if (adapter / MODEL_CONFIG).is_file() else {}
    writes, outputs = _writes(record), _outputs(comparison, record)
    encodes = _encodes(record)
    kind = "CausalLM" if writes else "SequenceClassification"
    kind = "ImageClassification" if _reads_images(result) else kind
    kind = "TokenClassification" if result.metric in _TAGGING else kind
    mean = with_bounds(result.score) if result.score_low is not None else ""
    score = record.value("score", "test") or 0.0
    budget = {key: value for key, value in _budget(trial.budget).items() if value is not None}
    return str(
        template("card.md.j2").render(
            name=plain(named(result)),
            method_id=trial.method_id,
            backbone=plain(trial.backbone),
            task=plain(trial.task),
            seed=trial.seed,
            study=plain(report.study.name),
            metric=plain(result.metric or "score").replace("|", r"\|"),
            score=f"{points(score):.1f}",
            mean=f"{mean} points, 95 % interval" if mean else "",
            seeds=counted(len(result.seeds), "seed"),
            verdict="" if result.verdict in (None, "baseline") else verdict(result),
            baseline=plain(comparison.baseline),
            costs=_costs(result),
            loads_with=how.by,
            peft_type=how.peft_type,
            head=how.head,
            base=find_backbone_code(backbone_source(trial.backbone, report.study)),
            method=how.spelled("PATH") or trial.method_id,
            named=bool(config),
            classes=bool(config)
            and not writes
            and not encodes
            and config.get("problem_type") != "regression",
            writes=writes,
            encodes=encodes,
            several=config.get("problem_type") == "multi_label_classification",
            options=loading_options(trial.backbone, report.study),
            auto_class="AutoModel" if encodes else f"AutoModelFor{kind}",
            labels=None if writes or encodes else outputs,
            budget=budget.items(),
            hyperparameters=plain(json.dumps(dict(trial.hyperparameters), default=str)),
            versions=plain(", ".join(f"{name} {v}" for name, v in setting.versions.items())),
            hardware=plain(
                ", ".join(
                    str(value)
                    for key, value in setting.hardware.items()
                    if key in ("processor", "accelerator") and value
                )
            ),
        )
    )


def _budget(budget: Budget) -> dict[str, int | None]:
    return {
        "epochs": budget.epochs,
        "maximum training examples": budget.max_train,
        "batch size": budget.batch_size,
        "early stopping": budget.early_stopping,
        "tuning trials of the method": budget.tuning_trials or None,
    }


def _costs(result: MethodResult) -> list[tuple[str, str]]:
    """Return what was measured of a method's costs, in words and numbers."""
    costs: tuple[tuple[str, float | None, Callable[[float], str]], ...] = (
        ("trainable parameters", result.trainable_parameters, show_count),
        ("share of all parameters", result.trainable_percent, show_percent),
        ("training time", result.train_seconds, show_seconds),
        ("peak training memory", result.peak_memory_bytes, show_bytes),
        ("size on disk", result.adapter_bytes, show_bytes),
        ("inference time per example", result.inference_milliseconds, show_milliseconds),
    )
    return [(what, show(value)) for what, value, show in costs if value is not None]


def _reads_images(result: MethodResult) -> bool:
    cost = result.records.cost
    units = ("tokens_per_second", "residues_per_second")
    return cost is not None and all(cost.value(unit) is None for unit in units)


def _writes(record: Record) -> bool:
    """Whether the task is for language models: there is no new head, and no embeddings are compared."""
    return record.value("head_parameters") == 0 and not _encodes(record)


def _encodes(record: Record) -> bool:
    """Whether the task compares embeddings, which need no head."""
    score = record.measurement("score", "test")
    return record.value("head_parameters") == 0 and score is not None and score.source in _OF_EMBEDDINGS


def _outputs(comparison: Comparison, record: Record) -> int | None:
    """Return the number of outputs of the head; None if no predictions were kept."""
    arrays = comparison.scores.arrays(record)
    if arrays is None or "outputs" not in arrays:
        return None
    shape = arrays["outputs"].shape
    return int(shape[1]) if len(shape) == 2 else 1


def _hub_data(source: TaskSource) -> str | None:
    """Return the id of a hub data set; None for data from elsewhere."""
    if source.name.startswith("glue/"):
        return "nyu-mll/glue"
    if source.name in TASKS or Path(source.name).exists() or source.name.count("/") != 1:
        return None
    return source.name.partition(":")[0]
