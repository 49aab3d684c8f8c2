"""The fields of a config file that belong to another base model or to another release of PEFT."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from whichpeft.study.spec import short_name

if TYPE_CHECKING:
    from whichpeft.backbones import Backbone

SIZES = frozenset({"token_dim", "num_layers", "num_attention_heads", "num_transformer_submodules"})
"""Fields with the sizes of the base model."""

TOKENIZER = frozenset({"tokenizer_name_or_path", "tokenizer_kwargs"})
"""Fields about the tokenizer of the base model."""

# Modules that are the head of one kind of task, by PEFT's name of that kind.
_HEADS = {
    "SEQ_CLS": ("classifier", "score", "classification_head"),
    "TOKEN_CLS": ("classifier", "score"),
    "CAUSAL_LM": ("lm_head", "embed_out", "output_layer"),
    "QUESTION_ANS": ("qa_outputs",),
}


def changes_nothing(value: object) -> bool:
    """Whether an option with this value is off: null, false or empty."""
    return value is None or value is False or value in ("", [], {})


def not_used(given: Mapping[str, Any], known: Collection[str], backbone: Backbone) -> dict[str, str]:
    """Return the fields that are not used with a backbone, each with the reason in a sentence.

    Parameters
    ----------
    given
        The fields of the file.
    known
        The fields of the config class.
    backbone
        The backbone.
    """
    found = {
        key: f"the installed peft has no option {key}; it is {_show(value)} and changes nothing"
        for key, value in given.items()
        if key not in known
    }
    for key, values in _sizes(backbone).items():
        value = given.get(key)
        if value is not None and values and value not in values:
            own = " or ".join(map(str, sorted(values)))
            found[key] = f"{key} is {own} as in {backbone.name}, not {value} as in the file"
    name = given.get("tokenizer_name_or_path")
    if name is not None and short_name(str(name)) != backbone.name:
        found["tokenizer_name_or_path"] = (
            f"the tokenizer is that of {backbone.name}, not of {name} as in the file"
        )
    if given.get("tokenizer_kwargs"):
        found["tokenizer_kwargs"] = (
            f"the tokenizer is that of {backbone.name}, so the file's tokenizer_kwargs are not used"
        )
    return found


def _sizes(backbone: Backbone) -> Mapping[str, set[int]]:
    """Return the values that agree with a backbone; with shared keys, its heads have two numbers."""
    size = backbone.architecture().get_text_config()
    width, heads = getattr(size, "hidden_size", None), getattr(size, "num_attention_heads", None)
    keys = getattr(size, "num_key_value_heads", None) or heads
    found = {"num_layers": {getattr(size, "num_hidden_layers", None)}}
    found["num_attention_heads"] = {heads, keys}
    head = getattr(size, "head_dim", None) or (width // heads if width and heads else None)
    found["token_dim"] = {width, head * keys if head and keys else None}
    sizes = {key: {value for value in values if isinstance(value, int)} for key, values in found.items()}
    stacks = {1, 2} if getattr(size, "is_encoder_decoder", False) else {1}
    return sizes | {"num_transformer_submodules": stacks}


def is_head_of_some_task(module: str) -> bool:
    """Whether a name is customary for the head of a task."""
    return any(module.rpartition(".")[2] in heads for heads in _HEADS.values())


def is_head_of_another_task(module: str, task_type: str | None) -> bool:
    """Whether a name is customary for the head of another kind of task than this."""
    own = _HEADS.get(task_type or "", ())
    return is_head_of_some_task(module) and module.rpartition(".")[2] not in own


def _show(value: object) -> str:
    return "null" if value is None else "false" if value is False else "empty"
