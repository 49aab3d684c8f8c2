"""Baselines for PEFT methods: full and partial fine-tuning, the head alone, and no training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.methods.adapter import AdapterBase
from whichpeft.methods.info import MethodInfo
from whichpeft.methods.layers import bare_model, layer_lists
from whichpeft.methods.method import Method, MethodContext
from whichpeft.methods.peft_adapter import running_statistics

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Examples, Task

WEIGHTS = "model.safetensors"
"""File of the trained parameters in a saved adapter's folder."""


class PlainAdapter(AdapterBase):
    """A model without added parts; the parameters that train are saved as safetensors.

    Parameters
    ----------
    model
        The model that the task built.
    trained
        Whether the parameter with a given name trains.
    head
        Names of the head's parameters.
    """

    def __init__(
        self, model: torch.nn.Module, trained: Callable[[str], bool], head: Collection[str]
    ) -> None:
        self.model = model
        self._changes_backbone = any(
            trained(name) for name, _ in model.named_parameters() if name not in head
        )
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(trained(name))

    @property
    def trains(self) -> bool:
        return any(parameter.requires_grad for parameter in self.model.parameters())

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        kept: dict[str, Any] = {
            name: parameter.detach().contiguous()
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad
        }
        if kept:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(kept | running_statistics(self.model), folder / WEIGHTS)

    def merge(self) -> torch.nn.Module:
        return self.model

    def detach(self) -> torch.nn.Module:
        if self._changes_backbone:
            raise ValueError("it trains the backbone's own weights, so there is no adapter to remove")
        return self.model


class PlainMethod(Method):
    """A method that adds no parts to the model."""

    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        from safetensors.torch import load_file

        path = folder / WEIGHTS
        if path.exists():
            unexpected = model.load_state_dict(load_file(path), strict=False).unexpected_keys
            if unexpected:
                raise ValueError(f"{path}: contains {unexpected[0]}, which this model does not have")
        return model


def _refuses_quantised(study: Study) -> str | None:
    quantise = study.conditions.quantise
    if quantise is None:
        return None
    precision = quantise.replace("bit", "-bit")
    return f"it updates the backbone's weights, which cannot be trained in {precision} precision"


@dataclass(frozen=True, kw_only=True)
class Full(PlainMethod):
    """Full fine-tuning: every parameter trains."""

    info = MethodInfo(
        name="full",
        description="trains every parameter; the usual baseline",
        paper="Devlin et al. 2019, arXiv 1810.04805",
        paper_title="BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
        learning_rate=2e-4,
        learning_rate_source="docs/defaults.md: a sweep with minilm on stdlib-docs",
        scales_with_width=True,
    )
    weight_decay: float = 0.01

    def refuses_options(self, study: Study) -> str | None:
        return _refuses_quantised(study)

    def apply(self, model: torch.nn.Module, context: MethodContext) -> PlainAdapter:
        return PlainAdapter(model, lambda name: True, context.head)


@dataclass(frozen=True, kw_only=True)
class TopLayers(PlainMethod):
    """Partial fine-tuning: the last k layers and the head train, the rest is frozen.

    In an encoder-decoder, these are the decoder's layers, which feed the head.
    """

    info = MethodInfo(
        name="top-layers",
        description="trains the last k layers and the head; the rest is frozen",
        paper="Lee et al. 2019, arXiv 1911.03090",
        paper_title="What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning",
        learning_rate=5e-4,
        learning_rate_source="docs/defaults.md: a sweep with minilm on stdlib-docs",
        scales_with_width=True,
        choices={"k": (1, 2, 4)},
        layers_alike=False,
    )
    weight_decay: float = 0.01
    k: int = 2
    """Number of layers that train."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        lists = layer_lists(bare_model(backbone))
        if not lists:
            return f"whichpeft cannot find the layers of {backbone.family}"
        count = len(lists[-1][1])
        if self.k > count:
            return (
                f"k is {self.k}, but {backbone.family} has {count} {'layer' if count == 1 else 'layers'}"
            )
        return None

    def refuses_options(self, study: Study) -> str | None:
        return _refuses_quantised(study)

    def apply(self, model: torch.nn.Module, context: MethodContext) -> PlainAdapter:
        name, layers = layer_lists(model)[-1]
        top = tuple(f"{name}.{index}." for index in range(len(layers) - self.k, len(layers)))

        def trains(name: str) -> bool:
            return name in context.head or name.startswith(top)

        return PlainAdapter(model, trains, context.head)


@dataclass(frozen=True, kw_only=True)
class Head(PlainMethod):
    """Linear probing: the new head trains on a frozen backbone."""

    info = MethodInfo(
        name="head",
        description="trains only the new head, on a frozen backbone",
        paper="Alain and Bengio 2016, arXiv 1610.01644",
        paper_title="Understanding intermediate layers using linear classifier probes",
        learning_rate=4e-2,
        learning_rate_source="docs/defaults.md: a sweep with minilm on stdlib-docs",
        scales_with_width=True,
    )

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type == "CAUSAL_LM":
            return "it trains only a new head, and a language model gets none"
        if task.task_type == "FEATURE_EXTRACTION" and task.problem != "none":
            return "it trains only a new head, and embeddings are compared without one"
        return None

    def apply(self, model: torch.nn.Module, context: MethodContext) -> PlainAdapter:
        return PlainAdapter(model, lambda name: name in context.head, context.head)


@dataclass(frozen=True, kw_only=True)
class ZeroShot(PlainMethod):
    """No training: the pretrained model answers.

    A new head knows nothing, so a task with a head gets the constant prediction instead.
    """

    info = MethodInfo(
        name="zero-shot",
        description="no training: the pretrained language model, or the constant prediction",
        learning_rate=0.0,
        learning_rate_source="none: nothing trains",
    )
    warmup_ratio: float = 0.0

    def apply(self, model: torch.nn.Module, context: MethodContext) -> PlainAdapter:
        return PlainAdapter(model, lambda name: False, context.head)


@dataclass(frozen=True, kw_only=True)
class FewShot(ZeroShot):
    """No training: a few training examples with their answers precede each prompt."""

    info = dataclasses.replace(
        ZeroShot.info,
        name="few-shot",
        description="no training: a few examples with answers precede each prompt",
        paper="Brown et al. 2020, arXiv 2005.14165",
        paper_title="Language Models are Few-Shot Learners",
        supports="causal language models",
    )

    shots: int = 4
    """Number of examples, the same for every prompt and seed, spread over the training set.

    There are fewer if they would not fit before a prompt.
    """

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.problem != "generation":
            return "it needs a language model that answers in words, and this task has a head"
        return None

    def examples(self, splits: Mapping[str, Examples]) -> Mapping[str, Examples]:
        prompted: Any = splits
        shown = prompted["train"].shots(self.shots)
        read = {name: prompted[name].with_shots(shown) for name in ("validation", "test")}
        return {**splits, **read}
