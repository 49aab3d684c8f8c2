"""Methods that train virtual tokens: prefix tuning and its kin, prompt tuning and its kin."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from whichpeft.methods.method import MethodContext
from whichpeft.methods.peft_adapter import PeftAdapter, load_head, set_state
from whichpeft.methods.peft_method import PeftMethod

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task

# Model families whose attention takes no keys and values from outside (checked in the tests).
_NO_PREFIX = frozenset({"albert", "deberta", "deberta-v2", "distilbert", "modernbert"})


@dataclass(frozen=True, kw_only=True)
class VirtualTokens(PeftMethod):
    """What prefix, prompt and P-tuning share: virtual tokens, whose number is limited."""

    num_virtual_tokens: int = 20

    @property
    def virtual_tokens(self) -> int:
        """How many virtual tokens there are, wherever that is said."""
        return int(self.hyperparameters.get("num_virtual_tokens") or 0)

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type is None:
            return "virtual tokens need a task whose inputs are tokens"
        if self.virtual_tokens < 1:
            return "its file does not say num_virtual_tokens"
        free = backbone.free_positions
        if free is not None and self.virtual_tokens > free:
            return (
                f"{self.virtual_tokens} virtual tokens overflow the position embeddings: "
                f"{free} of {backbone.positions} positions are kept free for them"
            )
        return None

    def refuses_options(self, study: Study) -> str | None:
        if study.conditions.packing:
            return "its virtual tokens stand before a row, which packed examples share"
        return super().refuses_options(study)

    def attach(self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True) -> Any:
        adapted = super().attach(model, context, keeps_head=keeps_head)
        if context.task_type == "CAUSAL_LM":
            _skip_padding(adapted)
        return adapted

    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        loaded: Any = super().load(model, folder)
        if loaded.active_peft_config.task_type == "CAUSAL_LM":
            _skip_padding(loaded)
        return loaded

    def resume(self, model: torch.nn.Module, context: MethodContext, folder: Path) -> PeftAdapter:
        adapter = self.apply(model, context)
        if any(p.requires_grad for p in _network(adapter.model)):
            raise ValueError(
                f"{self.name} saves the virtual tokens that its network made and not the network, so "
                "that training cannot go on from what was saved"
            )
        load_head(adapter.model.get_base_model(), folder)
        set_state(adapter.model, folder)
        return adapter


def _network(model: Any) -> list[torch.nn.Parameter]:
    """Return what a prompt encoder trains beside the tokens themselves."""
    encoder = model.prompt_encoder["default"]
    return [p for name, p in encoder.named_parameters() if name.startswith(("mlp", "lstm", "transform"))]


@dataclass(frozen=True, kw_only=True)
class Prefix(VirtualTokens):
    """Prefix tuning and its kin: trained keys and values before each layer's own."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type is not None and backbone.family in _NO_PREFIX:
            return f"{self.name} prepends keys and values, and {backbone.family}'s attention takes none"
        return super().refuses(backbone, task, budget)

    def refuses_options(self, study: Study) -> str | None:
        if study.conditions.gradient_checkpointing:
            return (
                "its keys and values are handed to the layers as past ones, which gradient "
                "checkpointing leaves out"
            )
        return super().refuses_options(study)


@dataclass(frozen=True, kw_only=True)
class InputTokens(VirtualTokens):
    """Prompt tuning, P-tuning and their kin: virtual tokens among the input embeddings."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type == "SEQ_CLS" and reads_last_token(backbone):
            return (
                "virtual tokens replace the input ids, without which this decoder's classifier "
                "cannot find the last real token and reads padding"
            )
        return super().refuses(backbone, task, budget)

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, Any]:
        # PEFT reads these under the names that most families use, which is not all of them.
        size: Any = model.config
        return super().config_fields(model, context) | {
            "token_dim": size.hidden_size,
            "num_layers": size.num_hidden_layers,
            "num_attention_heads": size.num_attention_heads,
        }

    def attach(self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True) -> Any:
        adapted = super().attach(model, context, keeps_head=keeps_head)
        if context.task_type != "CAUSAL_LM":  # a decoder reads from left to right, tokens first
            _keep_first_token_first(adapted, self.virtual_tokens)
        return adapted

    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        loaded: Any = super().load(model, folder)
        if loaded.active_peft_config.task_type != "CAUSAL_LM":
            _keep_first_token_first(loaded, self.virtual_tokens)
        return loaded


@dataclass(frozen=True, kw_only=True)
class PromptTuning(InputTokens):
    """Prompt tuning.

    init_text: a text whose tokens' embeddings the virtual tokens start from, as the backbone's tokenizer
    reads it: repeated, or cut, to as many as there are.
    """

    @property
    def further_options(self) -> frozenset[str]:
        return super().further_options | self.info.aliases.keys()

    @property
    def hyperparameters(self) -> dict[str, Any]:
        own = super().hyperparameters
        return own | {"prompt_tuning_init": "TEXT"} if own.get("prompt_tuning_init_text") else own

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, Any]:
        fields = super().config_fields(model, context)
        if fields.get("prompt_tuning_init_text"):
            config: Any = model.config
            fields.setdefault("tokenizer_name_or_path", config.name_or_path)
        return fields


@dataclass(frozen=True, kw_only=True)
class MultitaskPrompt(InputTokens):
    """Multitask prompt tuning with one task: the shared prompt times that task's low-rank one."""

    def attach(self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True) -> Any:
        adapted: Any = super().attach(model, context, keeps_head=keeps_head)
        name_the_task(adapted)
        return adapted

    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        loaded = super().load(model, folder)
        name_the_task(loaded)
        return loaded


@dataclass(frozen=True, kw_only=True)
class ContextPrompt(InputTokens):
    """Context-aware prompt tuning: the embeddings of context tokens train, near where they started.

    init_text: the context, such as a few examples with their answers. cpt_token_ids: its tokens; eight
    spread over the vocabulary where neither is given.

    The loss is the task's. PEFT's own, which can weigh the context's labels too, needs a mask that says
    of each token of the context and of the examples what it is.
    """

    num_virtual_tokens: int = 8
    cpt_token_ids: tuple[int, ...] | None = None
    init_text: str | None = None

    @property
    def further_options(self) -> frozenset[str]:
        return super().further_options | {"init_text"}

    @property
    def hyperparameters(self) -> dict[str, Any]:
        own = super().hyperparameters
        return own if self.init_text else {key: own[key] for key in own if key != "init_text"}

    def resolved_for(self, backbone: Backbone) -> Self:
        resolved = super().resolved_for(backbone)
        if self.init_text is None or backbone.folder is None:
            return resolved
        from whichpeft.tasks.text_encoding import load_tokenizer

        tokens = load_tokenizer(backbone)(self.init_text)["input_ids"]
        return dataclasses.replace(resolved, cpt_token_ids=tuple(tokens))

    @property
    def virtual_tokens(self) -> int:
        ids = self.hyperparameters.get("cpt_token_ids")
        return len(ids) if ids else super().virtual_tokens

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type != "CAUSAL_LM":
            return "context-aware prompt tuning trains the context of a causal language model"
        return super().refuses(backbone, task, budget)

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, Any]:
        fields = super().config_fields(model, context)
        fields.pop("init_text", None)
        size: Any = model.config
        count = self.virtual_tokens
        fields["cpt_token_ids"] = fields.get("cpt_token_ids") or [
            (2 * i + 1) * size.vocab_size // (2 * count) for i in range(count)
        ]
        fields.setdefault("cpt_mask", [1] * count)
        fields.setdefault("cpt_tokens_type_mask", [1] * count)
        del fields["num_virtual_tokens"]  # PEFT counts the tokens itself
        return fields | {"task_type": "CAUSAL_LM"}  # which PEFT wants to hear at once


def reads_last_token(backbone: Backbone) -> bool:
    """Whether the classifier of this architecture pools the last token, as decoders do."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    return (
        backbone.family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and backbone.family not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )


def name_the_task(model: torch.nn.Module) -> None:
    """Tell what routes by task, each time that it is called, that there is one task."""
    import torch

    def add(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if kwargs.get("task_ids") is None:
            first = next(v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor))
            kwargs["task_ids"] = torch.zeros(len(first), dtype=torch.long, device=first.device)
        return args, kwargs

    model.register_forward_pre_hook(add, with_kwargs=True)


def _skip_padding(model: Any) -> None:
    """Count positions over what is no padding.

    PEFT leaves them out, and the model then counts the padding between virtual tokens and a prompt that
    is padded on the left: what it writes would depend on who shares the batch.
    """
    base = model.get_base_model()
    if "position_ids" not in inspect.signature(base.forward).parameters:
        return  # it knows no positions, or finds them by the mask

    def count(
        module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        mask = kwargs.get("attention_mask")
        read = kwargs.get("inputs_embeds")
        read = kwargs.get("input_ids") if read is None else read
        if (
            kwargs.get("position_ids") is None
            and read is not None
            and mask is not None
            and mask.dim() == 2
        ):
            places = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
            kwargs["position_ids"] = places[:, -read.shape[1] :]
        return args, kwargs

    base.register_forward_pre_hook(count, with_kwargs=True)


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
