"""The methods of the installed PEFT as classes, made from its configs and our table of facts.

A method that a new release of PEFT adds is available without a change here, under its own name and
with PEFT's defaults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from whichpeft.methods.adalora import AdaLora
from whichpeft.methods.lora import IA3, Lora, UnitLora
from whichpeft.methods.peft_facts import PeftFacts, peft_facts, unknown_facts
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.peft_source import ConfigSource, base_options, peft_configs
from whichpeft.methods.peft_special_cases import (
    AdaptionPrompt,
    BatchNormTuning,
    Frod,
    Lily,
    NormTuning,
    Poly,
    Shadow,
    TrainableTokens,
    XLora,
)
from whichpeft.methods.prompts import ContextPrompt, InputTokens, MultitaskPrompt, Prefix, PromptTuning

# Classes of methods with behaviour of their own, by method name or else by PEFT's type.
_BASES: Mapping[str, type[PeftMethod]] = {
    "rslora": UnitLora, "pissa": UnitLora, "olora": UnitLora, "mica": UnitLora,
    "bn": BatchNormTuning,
    "LORA": Lora, "ADALORA": AdaLora, "IA3": IA3, "ADAPTION_PROMPT": AdaptionPrompt,
    "TRAINABLE_TOKENS": TrainableTokens, "POLY": Poly, "LN_TUNING": NormTuning, "SHADOW": Shadow,
    "XLORA": XLora, "LILY": Lily, "CPT": ContextPrompt, "MULTITASK_PROMPT_TUNING": MultitaskPrompt,
    "PROMPT_TUNING": PromptTuning, "P_TUNING": InputTokens, "PREFIX_TUNING": Prefix,
    "CARTRIDGE": Prefix, "FROD": Frod,
}  # fmt: skip

# Fields that the task, the trial or the model's shape decides, so that users cannot set them.
_NOT_OPTIONS = frozenset(
    {
        "token_dim", "num_transformer_submodules", "num_attention_heads",
        "num_layers", "target_r", "total_step", "tinit", "tfinal", "deltaT", "megatron_config",
        "megatron_core", "runtime_config", "tokenizer_name_or_path", "opt_weighted_loss_type",
        "opt_loss_decay_factor",
    }
)  # fmt: skip


@cache
def peft_methods() -> Mapping[str, type[PeftMethod]]:
    """Return every method of the installed PEFT by name: those in the table, then any others."""
    sources = peft_configs()
    made = {
        name: _make(facts, sources[facts.peft.peft_type])
        for name, facts in peft_facts().items()
        if facts.peft.peft_type in sources
    }
    for peft_type in sorted(set(sources) - {facts.peft.peft_type for facts in peft_facts().values()}):
        name = peft_type.lower().replace("_", "-")
        made[name] = _make(unknown_facts(name, peft_type), sources[peft_type])
    return made


def _make(facts: PeftFacts, source: ConfigSource) -> type[PeftMethod]:
    """Make the class of one method; its fields are the options of its config that users can set."""
    name = facts.info.name
    base = _BASES.get(name) or _BASES.get(source.peft_type) or PeftMethod
    own = {field.name for field in dataclasses.fields(base)}
    decided = (base_options() | _NOT_OPTIONS) & source.options.keys()
    open_to_users = [o for o in source.options if o not in decided | own | facts.peft.fixed.keys()]
    offered = {
        option: source.options[option]
        for option in open_to_users
        if source.options[option].hint is not None  # None is a mapping, which only a file can express
    }
    curated = {**facts.options, **dict.fromkeys(facts.peft.fitted)}
    fields: list[tuple[str, Any, Any]] = []
    for option in sorted(offered, key=lambda option: (option not in curated, option)):
        hint, default = offered[option].hint, curated.get(option)
        kind = hint if option in facts.options else hint | None
        fields.append((option, kind, dataclasses.field(default=default)))
    info = dataclasses.replace(
        facts.info,
        may_be_zero=frozenset(key for key, o in offered.items() if _may_be_zero(key, o.default)),
    )
    peft = dataclasses.replace(
        facts.peft,
        config=source.name,
        targets_modules=facts.peft.targets_modules and "target_modules" in source.options,
        further_options=frozenset(offered) - curated.keys(),
        file_options=frozenset(open_to_users) - offered.keys(),
        decided=decided,
    )
    namespace: dict[str, object] = {
        "__doc__": f"{info.description}.",
        "__module__": __name__,
        "info": info,
        "peft": peft,
        "__reduce__": _reduce,
    }
    changed = {
        key: (field.type, facts.options[key])
        for field in dataclasses.fields(base)
        if (key := field.name) in facts.options and facts.options[key] != field.default
    }
    fields += [(key, kind, dataclasses.field(default=value)) for key, (kind, value) in changed.items()]
    made: type[PeftMethod] = dataclasses.make_dataclass(
        "".join(part.capitalize() for part in name.split("-")),
        fields,
        bases=(base,),
        namespace=namespace,
        frozen=True,
        kw_only=True,
    )
    return made


def _may_be_zero(option: str, default: object) -> bool:
    return "seed" in option or (isinstance(default, int) and default < 1)


def _reduce(self: PeftMethod) -> tuple[object, ...]:
    """Pickle by name and values, since a class made at run time cannot be imported."""
    values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
    return _remake, (self.name, values)


def _remake(name: str, values: dict[str, Any]) -> PeftMethod:
    return peft_methods()[name](**values)
