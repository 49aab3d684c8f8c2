"""The training script of a chosen method."""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from whichpeft.methods import Adapter
from whichpeft.methods.composition import StackedAdapter
from whichpeft.methods.peft_adapter import PeftAdapter, running_statistics
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.metrics.per_example import F1_OF
from whichpeft.metrics.tagging import OUTSIDE
from whichpeft.planning.batch_norm import frozen_norms
from whichpeft.takeaway.data import ScriptData
from whichpeft.takeaway.from_record import (
    RestoredTrial,
    as_code,
    find_backbone_code,
    has_head,
    without_adapter,
)
from whichpeft.takeaway.inputs import Inputs, size_of_images
from whichpeft.takeaway.loading import how_made
from whichpeft.takeaway.templates import template
from whichpeft.tasks import DecodedTask, GenerativeTask, Task
from whichpeft.tasks.images.task import ImageTask
from whichpeft.tasks.labelled import LabelledTask
from whichpeft.tasks.labels import class_name, number
from whichpeft.tasks.residues.encoding import residue_reader
from whichpeft.tasks.tagging.words import WORD
from whichpeft.tasks.text_encoding import load_tokenizer

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_CLASSES = "found.argmax(1)"
_VALUES = "found[:, 0]"
# How the script computes each metric: an import if one is needed, and an expression.
_METRICS = {
    "accuracy": ("", f"({_CLASSES} == truth).mean()"),
    "macro_f1": (
        "from sklearn.metrics import f1_score",
        f'f1_score(truth, {_CLASSES}, labels=np.unique(truth), average="macro", zero_division=0)',
    ),
    "f1": ("from sklearn.metrics import f1_score", f"f1_score(truth, {_CLASSES})"),
    "matthews": (
        "from sklearn.metrics import matthews_corrcoef",
        f"matthews_corrcoef(truth, {_CLASSES})",
    ),
    "pearson": ("", f"np.corrcoef({_VALUES}, truth)[0, 1]"),
    "spearman": ("from scipy.stats import spearmanr", f"spearmanr({_VALUES}, truth).statistic"),
    "neg_rmse": ("", f"-spread * np.sqrt(np.mean(({_VALUES} - truth) ** 2))"),
}


def training_script(
    restored: RestoredTrial, adapter: Adapter, data: ScriptData, *, metric: str | None
) -> str:
    """Return a script that trains a restored method with the transformers Trainer.

    The script applies the method with PEFT alone if that does everything the method needs, and with
    whichpeft otherwise.

    Parameters
    ----------
    restored
        The chosen trial.
    adapter
        The method on the task's model, without weights.
    data
        The study's data, on which the script trains by default.
    metric
        The metric that the script reports; the problem's usual one if the script has no code for it.
    """
    classification = restored.task.problem == "classification"
    usual = "accuracy" if classification else "pearson"
    if metric is None or not (metric in _METRICS or metric.startswith(F1_OF)):
        metric = usual
    needed, code = _METRICS[metric] if metric in _METRICS else _f1_of(metric.removeprefix(F1_OF))
    images = isinstance(restored.task, ImageTask)
    residues = ""
    if isinstance(restored.task, LabelledTask) and restored.task.residues:
        residues = residue_reader(load_tokenizer(restored.backbone), restored.backbone).spelling
    inputs, label = data.columns or (("image" if images else "text",), "label")
    return str(
        _template("train.py.j2").render(
            **_common(restored, adapter),
            writes=False,
            base=find_backbone_code(restored.backbone_source),
            images=images,
            sides=_sides(size_of_images(restored.task, restored.backbone)),
            still=bool(frozen_norms(adapter.model)),
            no_adapter=without_adapter(restored.backbone),
            old_head=has_head(restored.backbone),
            auto_class=f"AutoModelFor{'Image' if images else 'Sequence'}Classification",
            classification=classification,
            study={key: as_code(value) for key, value in data.study.items()},
            formats={as_code(file): as_code(how) for file, how in data.formats.items()},
            inputs=as_code(list(inputs)),
            image=as_code(inputs[0]),
            label=as_code(label),
            metric=as_code(metric),
            spellings=_spellings(data, restored.task),
            **_of_residues(residues),
            metric_import=needed,
            metric_code=code,
        )
    )


def _sides(size: int | None) -> str:
    """Return the code for the size of images, as image processors have it; empty if it is their own."""
    return as_code({"height": size, "width": size}) if size else ""


def _of_residues(spelling: str) -> dict[str, str]:
    """Return how a script spells proteins, and the option of a tokenizer that wants lists."""
    return {
        "spelt": {
            "": "",
            "joined": "residues",
            "spaced": '" ".join(residues.translate(str.maketrans("BOUZ", "XXXX")))',
            "listed": "list(residues)",
        }[spelling],
        "as_words": ", is_split_into_words=True" if spelling == "listed" else "",
    }


def _f1_of(name: str) -> tuple[str, str]:
    """Return the code for F1 of one class, which the script finds by its name."""
    place = f"number[{as_code(name)}]"
    return (
        "from sklearn.metrics import f1_score",
        f"f1_score(truth == {place}, {_CLASSES} == {place}, zero_division=0)",
    )


def _spellings(data: ScriptData, task: Task) -> dict[str, str]:
    """Return the labels of the data that the study reads as another class, or as none."""
    if not isinstance(task, LabelledTask):
        return {}
    read: dict[object, str | None] = {}
    for label in data.labels:
        name = class_name(label)
        if task.classes:
            read[label] = name if name in task.classes else None
        elif number(label) is None:
            read[label] = None
    return {as_code(label): as_code(name) for label, name in read.items() if name != label}


def reading_script(restored: RestoredTrial, adapter: Adapter) -> str:
    """Return a script that trains a restored method, and reads the data and scores with whichpeft.

    Extracting the answer from a text, or the entities from tags, takes more than a line.
    """
    source = dataclasses.asdict(restored.source)
    return str(
        _template("write.py.j2").render(
            **_common(restored, adapter),
            writes=isinstance(restored.task, GenerativeTask),
            decoded=isinstance(restored.task, DecodedTask),
            problem=restored.task.problem,
            source={key: as_code(value) for key, value in source.items() if value},
            metric=restored.task.metrics[0].name,
        )
    )


def predicting_script(restored: RestoredTrial, adapter: Adapter, inputs: Inputs) -> str:
    """Return a script that predicts with transformers and PEFT, and with whichpeft if they need it."""
    slow = inputs.kind == "words" and (
        bool(inputs.residues) or not load_tokenizer(restored.backbone).is_fast
    )
    if slow or (inputs.kind == "prompts" and inputs.evaluation == "choices"):
        return str(template("predict_file.py.j2").render(**_names(restored), inputs=inputs))
    how = how_made(restored.method, adapter)
    read = {"images": "Image", "words": "Token"}.get(inputs.kind, "Sequence")
    head = "CausalLM" if inputs.kind == "prompts" else f"{read}Classification"
    backbone = restored.backbone
    return str(
        template("predict.py.j2").render(
            **_names(restored),
            inputs=inputs,
            sides=_sides(inputs.image_size),
            what="protein" if inputs.residues else "text",
            **_of_residues(inputs.residues),
            pair=inputs.kind == "texts" and len(inputs.columns) > 1,
            classes=inputs.problem == "classification",
            several=inputs.problem == "multilabel",
            word=WORD,
            outside=OUTSIDE if OUTSIDE in inputs.classes else "",
            auto_class=f"AutoModelFor{head}",
            by=how.by,
            peft_type=how.peft_type,
            head=how.head,
            configs=how.spelled(),
            base=find_backbone_code(restored.backbone_source),
            options=without_adapter(backbone)
            + (", ignore_mismatched_sizes=True" if has_head(backbone) else ""),
            padding="left" if backbone.family == "xlnet" else "right",
        )
    )


def _names(restored: RestoredTrial) -> dict[str, object]:
    trial = restored.trial
    return {"method": trial.method, "backbone": trial.backbone, "task": trial.task}


def _common(restored: RestoredTrial, adapter: Adapter) -> dict[str, object]:
    """Return the template variables that both kinds of script share."""
    reason = _beyond_peft(restored, adapter)
    config = getattr(restored.method, "config_class", None)
    return {
        **_names(restored),
        "kind": "whichpeft" if reason else "peft" if _is_peft(adapter) else "plain",
        "reason": reason,
        "ours": config is not None and config().__module__.startswith("whichpeft."),
        "peft_type": restored.method.peft.peft_type if isinstance(restored.method, PeftMethod) else "",
        "configs": repr(_config_paths(adapter)),
        "task_type": repr(restored.task.task_type),
        "same_targets": restored.trial.conditions.same_targets,
        "statistics": reason is None and _is_peft(adapter) and running_statistics(adapter.model),
        "trained": None if all(p.requires_grad for p in adapter.model.parameters()) else "some",
    }


def _is_peft(adapter: Adapter) -> bool:
    return isinstance(adapter, (PeftAdapter, StackedAdapter))


def _beyond_peft(restored: RestoredTrial, adapter: Adapter) -> str | None:
    """Return what a method needs beyond `peft.get_peft_model`, or None."""
    method = restored.method
    if isinstance(adapter, StackedAdapter):
        return "PEFT does not stack several methods on one model"
    if not isinstance(adapter, PeftAdapter) or not isinstance(method, PeftMethod):
        return None
    if type(adapter).after_step is not PeftAdapter.after_step:
        return f"{method.name} acts after every step"
    if adapter.has_separate_head:
        return f"PEFT does not train the head with {method.name}"
    if type(method).attach is not PeftMethod.attach:
        return f"PEFT alone does not apply {method.name} to the model in the same way"
    return None


def _config_paths(adapter: Adapter) -> str:
    """Return the method defined by the config files next to the script, in whichpeft's notation."""
    if isinstance(adapter, StackedAdapter):
        return "+".join(f"{name}/adapter_config.json" for name in adapter.adapters)
    return "adapter_config.json"


def _template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def read(name: str) -> str:
        return files("whichpeft.takeaway").joinpath(name).read_text("utf-8")

    return Environment(
        loader=FunctionLoader(read), undefined=StrictUndefined, keep_trailing_newline=True
    )
