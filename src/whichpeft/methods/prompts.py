"""Methods that train virtual tokens: prefix tuning, prompt tuning and similar ones."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from whichpeft.methods.forward_hooks import add_task_ids, keep_first_token_first, skip_padding
from whichpeft.methods.method import MethodContext
from whichpeft.methods.peft_adapter import PeftAdapter, load_head, set_state
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.position_limits import too_many_tokens

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PretrainedConfig

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task

# Model families whose attention accepts no keys and values from outside (the tests check this).
_NO_PREFIX = frozenset(
    {"albert", "big_bird", "deberta", "deberta-v2", "distilbert", "esm", "longformer", "modernbert"}
    | {"roformer"}
)
# Families that read the ids as well as the embeddings, so that virtual tokens, which have none, fail.
_NEEDS_IDS = frozenset({"longformer"})


@dataclass(frozen=True, kw_only=True)
class VirtualTokens(PeftMethod):
    """What prefix, prompt and P-tuning share: virtual tokens, whose number is limited.

    PEFT puts the tokens before all others, so that an encoder's head would read one of them. Therefore
    only `load` can load a saved adapter, and not PEFT alone.
    """

    num_virtual_tokens: int = 20
    """Number of virtual tokens."""

    @property
    def virtual_tokens(self) -> int:
        """The number of virtual tokens, from the fields or the config file."""
        return int(self.hyperparameters.get("num_virtual_tokens") or 0)

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type is None:
            return "virtual tokens need a task whose inputs are tokens"
        if self.virtual_tokens < 1:
            return "its config file does not set num_virtual_tokens"
        return too_many_tokens(self.virtual_tokens, backbone, task)

    def refuses_options(self, study: Study) -> str | None:
        if study.conditions.packing:
            return "its virtual tokens precede a row, but packed examples share rows"
        return super().refuses_options(study)

    def attach(
        self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True
    ) -> PeftModel:
        adapted = super().attach(model, context, keeps_head=keeps_head)
        if context.task_type == "CAUSAL_LM":
            skip_padding(adapted)
        return adapted

    def load(self, model: torch.nn.Module, folder: Path) -> PeftModel:
        loaded = super().load(model, folder)
        if loaded.active_peft_config.task_type == "CAUSAL_LM":
            skip_padding(loaded)
        return loaded

    def resume(self, model: torch.nn.Module, context: MethodContext, folder: Path) -> PeftAdapter:
        adapter = self.apply(model, context)
        if any(p.requires_grad for p in _network(adapter.model)):
            raise ValueError(
                f"{self.name} saves the virtual tokens but not the network that makes them, so training "
                "cannot resume from the saved adapter"
            )
        load_head(adapter.model.get_base_model(), folder)
        set_state(adapter.model, folder)
        return adapter


def _network(model: PeftModel) -> list[torch.nn.Parameter]:
    """Return the parameters of a prompt encoder that train, other than the tokens themselves."""
    encoder = model.prompt_encoder["default"]
    return [p for name, p in encoder.named_parameters() if name.startswith(("mlp", "lstm", "transform"))]


@dataclass(frozen=True, kw_only=True)
class Prefix(VirtualTokens):
    """Prefix tuning and similar methods: trained keys and values before each layer's own."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type is not None and backbone.family in _NO_PREFIX:
            return f"{self.name} prepends keys and values; {backbone.family}'s attention accepts none"
        if task.task_type == "SEQ_CLS" and _pools_end(backbone):
            return (
                f"{self.name} prepends keys and values, which {backbone.family}'s classifier does not "
                "pass on to its encoder and decoder"
            )
        return super().refuses(backbone, task, budget)

    def refuses_options(self, study: Study) -> str | None:
        if study.conditions.gradient_checkpointing:
            return (
                "its keys and values reach the layers through the cache, which gradient checkpointing "
                "turns off"
            )
        return super().refuses_options(study)


@dataclass(frozen=True, kw_only=True)
class InputTokens(VirtualTokens):
    """Prompt tuning, P-tuning and similar methods: virtual tokens among the input embeddings."""

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if task.task_type == "SEQ_CLS" and pools_last_token(backbone):
            return (
                "virtual tokens replace the input ids, so this decoder's classifier cannot find the "
                "last real token and reads padding"
            )
        if task.task_type is not None and backbone.family in _NEEDS_IDS:
            return f"virtual tokens have embeddings only; {backbone.family} reads the ids, too"
        if task.task_type == "SEQ_CLS" and _pools_end(backbone):
            return (
                f"virtual tokens replace the input ids, and {backbone.family}'s classifier needs them "
                "to find the end of a text"
            )
        return super().refuses(backbone, task, budget)

    def trial_fields(
        self, fields: dict[str, Any], model: torch.nn.Module, context: MethodContext
    ) -> dict[str, object]:
        # PEFT reads these under names that most model families use, but not all.
        size: PretrainedConfig = model.config
        own = super().trial_fields(fields, model, context)
        if fields.get("prompt_tuning_init_text"):
            own["tokenizer_name_or_path"] = size.name_or_path
        return own | {
            "token_dim": size.hidden_size,
            "num_layers": size.num_hidden_layers,
            "num_attention_heads": size.num_attention_heads,
        }

    def attach(
        self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True
    ) -> PeftModel:
        adapted = super().attach(model, context, keeps_head=keeps_head)
        if context.task_type != "CAUSAL_LM":  # in a decoder, the virtual tokens come first
            keep_first_token_first(adapted, self.virtual_tokens)
        return adapted

    def load(self, model: torch.nn.Module, folder: Path) -> PeftModel:
        loaded = super().load(model, folder)
        if loaded.active_peft_config.task_type != "CAUSAL_LM":
            keep_first_token_first(loaded, self.virtual_tokens)
        return loaded


@dataclass(frozen=True, kw_only=True)
class PromptTuning(InputTokens):
    """Prompt tuning.

    ``init_text`` is a text. The backbone's tokenizer reads it, and the virtual tokens start from the
    embeddings of its tokens, repeated or cut to the number of virtual tokens.
    """

    @property
    def further_options(self) -> frozenset[str]:
        return super().further_options | self.info.aliases.keys()

    @property
    def hyperparameters(self) -> dict[str, Any]:
        own = super().hyperparameters
        if self.from_file is not None or not own.get("prompt_tuning_init_text"):
            return own
        return own | {"prompt_tuning_init": "TEXT"}

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        given = self.hyperparameters
        if given.get("prompt_tuning_init") == "TEXT" and not given.get("prompt_tuning_init_text"):
            return "prompt_tuning_init is TEXT, but there is no prompt_tuning_init_text; add one"
        return super().refuses(backbone, task, budget)

    def notes(self, backbone: Backbone, task: Task) -> tuple[str, ...]:
        start = self.hyperparameters.get("prompt_tuning_init") or "RANDOM"
        found = super().notes(backbone, task)
        if start == "TEXT" or not self.hyperparameters.get("prompt_tuning_init_text"):
            return found
        return *found, f"prompt_tuning_init_text is not used, because prompt_tuning_init is {start}"


@dataclass(frozen=True, kw_only=True)
class MultitaskPrompt(InputTokens):
    """Multitask prompt tuning with one task: the shared prompt times that task's low-rank one."""

    def attach(
        self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True
    ) -> PeftModel:
        adapted = super().attach(model, context, keeps_head=keeps_head)
        add_task_ids(adapted)
        return adapted

    def load(self, model: torch.nn.Module, folder: Path) -> PeftModel:
        loaded = super().load(model, folder)
        add_task_ids(loaded)
        return loaded


@dataclass(frozen=True, kw_only=True)
class ContextPrompt(InputTokens):
    """Context-aware prompt tuning: the embeddings of context tokens train, near where they started.

    The loss is the task's. PEFT's own loss can weigh the context's labels, too, but needs a mask with
    the kind of every token of the context and the examples.
    """

    num_virtual_tokens: int = 8
    """Number of context tokens if neither of the others is given."""

    cpt_token_ids: tuple[int, ...] | None = None
    """Tokens of the context; by default, tokens spread over the vocabulary."""

    init_text: str | None = None
    """The context as a text, such as a few examples with their answers."""

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
            return "context-aware prompt tuning needs a causal language model"
        from whichpeft.tasks.text_encoding import vocabulary_size

        beyond = max(self.hyperparameters.get("cpt_token_ids") or [0])
        size = vocabulary_size(backbone)
        if size is not None and beyond >= size:
            return f"its context has token {beyond}, but {backbone.name}'s vocabulary has {size} tokens"
        return super().refuses(backbone, task, budget)

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, object]:
        fields = super().config_fields(model, context)
        fields.pop("init_text", None)
        size: PretrainedConfig = model.config
        count = self.virtual_tokens
        fields["cpt_token_ids"] = fields.get("cpt_token_ids") or [
            (2 * i + 1) * size.vocab_size // (2 * count) for i in range(count)
        ]
        fields.setdefault("cpt_mask", [1] * count)
        fields.setdefault("cpt_tokens_type_mask", [1] * count)
        del fields["num_virtual_tokens"]  # PEFT counts the tokens itself
        return fields

    def trial_fields(
        self, fields: dict[str, Any], model: torch.nn.Module, context: MethodContext
    ) -> dict[str, object]:
        # PEFT needs the kind of task here.
        return super().trial_fields(fields, model, context) | {"task_type": "CAUSAL_LM"}


def pools_last_token(backbone: Backbone) -> bool:
    """Whether the classifier of this architecture pools the last token, as decoders do."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    return (
        backbone.family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and backbone.family not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )


def _pools_end(backbone: Backbone) -> bool:
    from whichpeft.tasks.end_pooling import pools_end

    return pools_end(backbone)
