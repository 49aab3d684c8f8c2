"""Methods that train virtual tokens: prefix tuning, prompt tuning and P-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.methods.method import Situation
from whichpeft.methods.peft_method import PeftAdapter, PeftMethod

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget
    from whichpeft.tasks import Task

# Model families whose attention takes no keys and values from outside (checked in the tests).
_NO_PREFIX = frozenset({"albert", "deberta", "deberta-v2", "distilbert", "modernbert"})


@dataclass(frozen=True, kw_only=True)
class VirtualTokens(PeftMethod):
    """What prefix, prompt and P-tuning share: virtual tokens, whose number is limited."""

    num_virtual_tokens: int = 20

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type is None:
            return "virtual tokens need a task whose inputs are tokens"
        free = backbone.free_positions
        if free is not None and self.num_virtual_tokens > free:
            return (
                f"{self.num_virtual_tokens} virtual tokens overflow the position embeddings: "
                f"{free} of {backbone.positions} positions are kept free for them"
            )
        return None


@dataclass(frozen=True, kw_only=True)
class Prefix(VirtualTokens):
    """Prefix tuning: trained keys and values before each layer's own."""

    name = "prefix"
    description = "trained keys and values before every layer's own"
    paper = "Li and Liang 2021, arXiv 2101.00190"
    usual_learning_rate = 2e-2
    learning_rate_source = "docs/defaults.md: a sweep with minilm on stdlib-docs"
    config = "PrefixTuningConfig"

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        family = backbone.family
        if family in _NO_PREFIX:
            return f"prefix tuning prepends keys and values, and {family}'s attention takes none"
        return super().refuses(backbone, task, budget)


@dataclass(frozen=True, kw_only=True)
class _InputTokens(VirtualTokens):
    """Virtual tokens among the input embeddings."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type == "SEQ_CLS" and _reads_last_token(backbone):
            return (
                "virtual tokens replace the input ids, without which this decoder's classifier "
                "cannot find the last real token and reads padding"
            )
        return super().refuses(backbone, task, budget)

    def config_fields(self, model: torch.nn.Module, situation: Situation) -> dict[str, Any]:
        # PEFT reads these under the names that most families use, which is not all of them.
        size: Any = model.config
        return super().config_fields(model, situation) | {
            "token_dim": size.hidden_size,
            "num_layers": size.num_hidden_layers,
            "num_attention_heads": size.num_attention_heads,
        }

    def apply(self, model: torch.nn.Module, situation: Situation) -> PeftAdapter:
        adapter = super().apply(model, situation)
        _keep_first_token_first(adapter.model, self.num_virtual_tokens)
        return adapter

    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        loaded = super().load(model, folder)
        _keep_first_token_first(loaded, self.num_virtual_tokens)
        return loaded


@dataclass(frozen=True, kw_only=True)
class Prompt(_InputTokens):
    """Prompt tuning: trained embeddings among the input."""

    name = "prompt"
    description = "trained embeddings among the input's"
    paper = "Lester et al. 2021, arXiv 2104.08691"
    usual_learning_rate = 5e-2
    learning_rate_source = "docs/defaults.md: a sweep with minilm on stdlib-docs"
    config = "PromptTuningConfig"


@dataclass(frozen=True, kw_only=True)
class PTuning(_InputTokens):
    """P-tuning: trained embeddings among the input, made by a small network."""

    name = "p-tuning"
    description = "trained embeddings among the input's, made by a small network"
    paper = "Liu et al. 2021, arXiv 2103.10385"
    usual_learning_rate = 1e-2
    learning_rate_source = "docs/defaults.md: a sweep with minilm on stdlib-docs"
    config = "PromptEncoderConfig"

    encoder_hidden_size: int = 128


def _reads_last_token(backbone: Backbone) -> bool:
    """Whether the classifier of this architecture pools the last token, as decoders do."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    return (
        backbone.family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and backbone.family not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )


def _keep_first_token_first(model: Any, count: int) -> None:
    """Put the virtual tokens after the first token instead of before it.

    PEFT prepends them; an encoder's head, which pools the first position, would then read a
    virtual token instead of [CLS], and [CLS] would lose the position it was pretrained at.
    """
    import torch

    def reorder(
        module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        embeddings = kwargs.get("inputs_embeds")
        if embeddings is not None:
            virtual, first, rest = embeddings.split([count, 1, embeddings.shape[1] - count - 1], dim=1)
            # Mask and token types agree for the first token and the virtual ones: all ones, all 0.
            kwargs["inputs_embeds"] = torch.cat([first, virtual, rest], dim=1)
        return args, kwargs

    model.base_model.register_forward_pre_hook(reorder, with_kwargs=True)
