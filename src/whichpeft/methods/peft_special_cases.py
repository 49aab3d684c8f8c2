"""Methods of HF PEFT that need more than a config: what they refuse, and how they are attached."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from whichpeft.errors import BackboneError, MethodError
from whichpeft.methods.forward_hooks import add_task_ids
from whichpeft.methods.method import MethodContext
from whichpeft.methods.peft_adapter import PeftAdapter
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.prompts import pools_last_token

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PretrainedConfig

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task


class AdaptionPromptAdapter(PeftAdapter):
    """Adaption prompts on a model."""

    def detach(self, *, restore_head: bool = True) -> torch.nn.Module:
        self.model.base_model.disable_adapter_layers()
        return super().detach(restore_head=restore_head)


@dataclass(frozen=True, kw_only=True)
class AdaptionPrompt(PeftMethod):
    """Adaption prompt (LLaMA-Adapter): gated prompts in the attention of the upper layers."""

    adapter_len: int = 10
    """Length of the prompt."""

    adapter_layers: int | None = None
    """Number of layers, from the top, that get a prompt; if None, all."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        from peft.tuners.adaption_prompt.config import TRANSFORMERS_MODEL_CONFIG as SUPPORTED

        if backbone.family not in SUPPORTED:
            return (
                f"adaption prompts support only the attention of {', '.join(SUPPORTED)}, "
                f"not that of {backbone.family}"
            )
        depth = backbone.architecture().get_text_config().num_hidden_layers
        layers = self.hyperparameters.get("adapter_layers") or 1
        if layers > depth:
            return f"adapter_layers is {layers}, but the model has {depth} layers"
        return super().refuses(backbone, task, budget)

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, object]:
        fields = super().config_fields(model, context)
        size: PretrainedConfig = model.config
        if fields["adapter_layers"] is None:
            fields["adapter_layers"] = size.get_text_config().num_hidden_layers
        return fields

    def adapter(self, model: PeftModel, separate_head: frozenset[str]) -> PeftAdapter:
        return AdaptionPromptAdapter(model, separate_head)


@dataclass(frozen=True, kw_only=True)
class TrainableTokens(PeftMethod):
    """The embeddings of chosen tokens train."""

    token_indices: tuple[int, ...] | None = None
    """Ids of the tokens; if None, those that the backbone's tokenizer adds to every text.

    Without a tokenizer, they are the first and last token of a text by the backbone's config.
    """

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type is None:
            return "trainable tokens need a task whose inputs are tokens"
        tokens = self.hyperparameters.get("token_indices") or _usual_tokens(backbone)
        if not tokens:
            return (
                f"{backbone.name} adds no token to every text; choose some, for example "
                f"{self.name}:token_indices=[101,102]"
            )
        size = getattr(backbone.architecture().get_text_config(), "vocab_size", None)
        if size is None:  # CANINE hashes characters
            return f"{backbone.family} has no vocabulary whose tokens could be trained"
        outside = [token for token in tokens if not 0 <= token < size]
        if outside:
            return f"token {outside[0]} is not in the vocabulary of {backbone.family}: 0 to {size - 1}"
        return super().refuses(backbone, task, budget)

    def resolved_for(self, backbone: Backbone) -> Self:
        resolved = super().resolved_for(backbone)
        if self.from_file is not None or self.token_indices:
            return resolved
        return dataclasses.replace(resolved, token_indices=tuple(_usual_tokens(backbone)) or None)

    def attach(
        self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True
    ) -> PeftModel:
        # PEFT's model for tags fails unless a config has modules_to_save.
        if context.task_type == "TOKEN_CLS":
            context = dataclasses.replace(context, task_type=None)
        return super().attach(model, context, keeps_head=keeps_head)

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, object]:
        fields = super().config_fields(model, context)
        config: PretrainedConfig = model.config
        fields["token_indices"] = fields["token_indices"] or _ends(config.get_text_config())
        return fields


def _usual_tokens(backbone: Backbone) -> list[int]:
    """Return the tokens that are in every text according to the tokenizer, or else the config."""
    from whichpeft.tasks.text_encoding import load_tokenizer

    if backbone.folder is not None:
        with contextlib.suppress(BackboneError):
            return sorted(set(load_tokenizer(backbone)("")["input_ids"]))
    return _ends(backbone.architecture().get_text_config())


def _ends(config: PretrainedConfig) -> list[int]:
    ends = (getattr(config, "bos_token_id", None), getattr(config, "eos_token_id", None))
    return sorted({token for token in ends if isinstance(token, int)})


# Families with adapted linear layers whose inputs are not of shape (batch, positions, width).
_NOT_BY_POSITION = frozenset({"convnext", "convnextv2", "fnet", "squeezebert"})


@dataclass(frozen=True, kw_only=True)
class Frod(PeftMethod):
    """FRoD: layers share one basis, so they have to be equally wide."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if "depths" in backbone.config:
            return f"FRoD needs layers of equal width, but those of {backbone.family} differ"
        return super().refuses(backbone, task, budget)


@dataclass(frozen=True, kw_only=True)
class Poly(PeftMethod):
    """Polytropon with one task: it learns one mixture of its skills."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if backbone.family in _NOT_BY_POSITION:
            return f"Polytropon needs inputs by position, and {backbone.family} has layers without them"
        return super().refuses(backbone, task, budget)

    def attach(
        self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True
    ) -> PeftModel:
        adapted = super().attach(model, context, keeps_head=keeps_head)
        _add_task_ids_to_layers(adapted)
        return adapted

    def load(self, model: torch.nn.Module, folder: Path) -> PeftModel:
        loaded = super().load(model, folder)
        _add_task_ids_to_layers(loaded)
        return loaded


def _add_task_ids_to_layers(model: torch.nn.Module) -> None:
    """Give every Polytropon layer its task ids: for some tasks, PEFT bypasses the tuner's forward."""
    from peft.tuners.poly.layer import PolyLayer

    for module in model.modules():
        if isinstance(module, PolyLayer):
            add_task_ids(module)


@dataclass(frozen=True, kw_only=True)
class NormTuning(PeftMethod):
    """The weights and biases of the layer norms train, and of others that read single examples."""

    target_modules: tuple[str, ...] | str | None = None
    """The norms, by name; if None, all of the backbone."""

    def reads_quantised(self, quantise: str) -> bool:
        return True  # norms are not quantised

    def choose_targets(self, model: torch.nn.Module, context: MethodContext) -> list[str] | str | None:
        if self.target_modules is not None:
            return super().choose_targets(model, context)
        found = [name for name, module in model.named_modules() if self.adapts(module)]
        if not found:
            raise MethodError(self.found_none)
        return found

    found_none: ClassVar[str] = (
        "it trains layer norms, and this backbone has none; bn trains batch normalisation"
    )

    def adapts(self, module: torch.nn.Module) -> bool:
        """Whether a module is one of the norms that train."""
        named = "norm" in type(module).__name__.lower() and hasattr(module, "weight")
        return named and not _is_batch_norm(module)


@dataclass(frozen=True, kw_only=True)
class BatchNormTuning(NormTuning):
    """The weights and biases of batch normalisation train, and its statistics follow the new data."""

    found_none: ClassVar[str] = (
        "it trains batch normalisation, and this backbone has none; ln-tuning trains layer norms"
    )

    def adapts(self, module: torch.nn.Module) -> bool:
        return _is_batch_norm(module) and module.weight is not None


def _is_batch_norm(module: torch.nn.Module) -> bool:
    from torch.nn.modules.batchnorm import _BatchNorm

    return isinstance(module, _BatchNorm)


@dataclass(frozen=True, kw_only=True)
class Shadow(PeftMethod):
    """ShadowPEFT: a small network next to a decoder's layers corrects their inputs."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if not pools_last_token(backbone):
            return f"ShadowPEFT needs a decoder, and {backbone.family} is not one"
        if backbone.family == "openai-gpt":
            return "ShadowPEFT corrects what a layer returns, and those of openai-gpt return a list"
        return super().refuses(backbone, task, budget)


@dataclass(frozen=True, kw_only=True)
class Lily(PeftMethod):
    """Lily: a router shares the factors of all layers."""

    def refuses_options(self, study: Study) -> str | None:
        if study.conditions.packing:
            return "its router averages over all positions of a batch, and packing changes these"
        return super().refuses_options(study)


@dataclass(frozen=True, kw_only=True)
class XLora(PeftMethod):
    """X-LoRA: mixes adapters that are already trained, which a comparison does not have."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        return (
            "X-LoRA mixes LoRA adapters that are already trained, but whichpeft starts every method "
            "from the backbone"
        )
