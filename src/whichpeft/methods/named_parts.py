"""What a config names in a model: names that match nothing are errors, since PEFT passes over them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from whichpeft.errors import MethodError, suggestion
from whichpeft.methods.file_fields import is_head_of_some_task
from whichpeft.methods.targets import check_targets

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel

# Options that map names of target modules to a value of their own.
_PATTERNS = (
    "rank_pattern",
    "alpha_pattern",
    "lambda_pattern",
    "n_frequency_pattern",
    "block_size_pattern",
)

_NUMBER = re.compile(r"(?:^|(?<=\.))\d+(?=\.)")  # of a layer, in the name of a module


def check_names(config: PeftConfig, model: torch.nn.Module) -> None:
    """Check that everything that a config names is in a model. Raises MethodError, with the name."""
    targets = getattr(config, "target_modules", None)
    if targets is not None and not isinstance(targets, str):
        check_targets(model, targets)
    _check_excluded(getattr(config, "exclude_modules", None), model)
    parameters = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    for name in getattr(config, "target_parameters", None) or ():
        if not _matches(name, parameters):
            hint = suggestion(name, _leaves(parameters), fix="name parameters, such as mlp.weight")
            raise MethodError(f"this backbone has no parameter {name!r} for target_parameters{hint}")
    for name in _as_list(getattr(config, "modules_to_save", None)):
        _check_saved(name, model)
    _check_tokens(getattr(config, "trainable_token_indices", None), model)


def modules_to_keep(
    given: Sequence[str] | str | None, model: torch.nn.Module, head: frozenset[str]
) -> list[str]:
    """Return the modules to save that a model has, without those of the head, which trains anyway."""
    kept = []
    for name in _as_list(given):
        inside = {
            f"{module}.{parameter}"
            for module in _saved(name, model)
            for parameter, _ in model.get_submodule(module).named_parameters()
        }
        if inside - head:
            kept.append(name)
    return kept


def with_excluded(given: Collection[str] | str | None, names: Sequence[str]) -> list[str] | str:
    """Return what a config excludes together with modules that it must not change."""
    if not isinstance(given, str):
        return [*(given or ()), *names]
    whole = "|".join(rf"(.*\.)?{re.escape(name)}" for name in names)
    return f"({given})|{whole}"


def check_matches(config: PeftConfig, model: PeftModel) -> None:
    """Check that layers and patterns of a config match its target modules. Raises MethodError."""
    targeted: Sequence[str] = getattr(model.base_model, "targeted_module_names", ())
    if not targeted:
        return
    _check_layers(config, targeted, model)
    for option in _PATTERNS:
        for pattern in getattr(config, option, None) or {}:
            if not any(re.match(rf"(.*\.)?({pattern})$", name) for name in targeted):
                known = sorted(_leaves(targeted))
                hint = suggestion(pattern, known, fix=f"they are {', '.join(known)}")
                raise MethodError(
                    f"{option} names {pattern!r}, which is none of its target modules{hint}"
                )


def _check_layers(config: PeftConfig, targeted: Sequence[str], model: torch.nn.Module) -> None:
    """Check that the target modules are in the layers that a config numbers, and in no others."""
    given = getattr(config, "layers_to_transform", None)
    pattern = getattr(config, "layers_pattern", None)
    layers = [given] if isinstance(given, int) else list(given or ())
    if not layers:
        if pattern:
            raise MethodError("layers_pattern has no effect without layers_to_transform; set both")
        return
    found = [[int(number) for number in _NUMBER.findall(name)] for name in targeted]
    if not pattern:  # PEFT takes the first number of a name for its layer
        found = [numbers[:1] for numbers in found]
    there = {number for numbers in found for number in numbers}
    absent = [layer for layer in layers if layer not in there]
    if absent:
        every = [int(n[0]) for name in _modules(model) if (n := _NUMBER.findall(name))]
        depth = f"; its layers are 0 to {max(every)}" if every else ""
        raise MethodError(f"layer {absent[0]} of layers_to_transform has no target module{depth}")
    if not all(set(numbers) & set(layers) for numbers in found):
        raise MethodError(
            "layers_to_transform has no effect if target_modules is a pattern; give a list of names"
        )


def _check_excluded(excluded: Collection[str] | str | None, model: torch.nn.Module) -> None:
    names = _modules(model)
    if isinstance(excluded, str):
        if excluded and not any(re.fullmatch(excluded, name) for name in names):
            raise MethodError(
                f"exclude_modules is {excluded!r}, which matches no module of this backbone"
            )
        return
    for name in excluded or ():
        if not _matches(name, names):
            raise MethodError(_absent("module", name, "exclude_modules", model))


def _check_saved(name: str, model: torch.nn.Module) -> None:
    """Check a module to save: it is there, and PEFT would not save it and a part of it apart."""
    found = _saved(name, model)
    if not found and not is_head_of_some_task(name):
        raise MethodError(_absent("module", name, "modules_to_save", model))
    for outer in found:
        inner = next((key for key in found if key.startswith(f"{outer}.")), None)
        if inner is not None:
            raise MethodError(
                f"modules_to_save names {name!r}, which is {outer} and also {inner} inside it; PEFT "
                f"cannot load such an adapter, so name {outer}"
            )


def _check_tokens(given: Any, model: torch.nn.Module) -> None:
    """Check the tokens to train, in a list or by the name of an embedding."""
    if not given:
        return
    embedding = model.get_input_embeddings()
    for name, tokens in given.items() if isinstance(given, dict) else [("", given)]:
        found = [module for key, module in model.named_modules() if name and key.endswith(name)]
        if name and not found:
            raise MethodError(_absent("module", name, "trainable_token_indices", model))
        weight = getattr((found or [embedding])[0], "weight", None)
        if weight is None or weight.dim() != 2:
            raise MethodError("trainable_token_indices needs an embedding of tokens, which is not there")
        size = weight.shape[0]
        for token in tokens:
            if not 0 <= token < size:
                raise MethodError(
                    f"trainable_token_indices names token {token}, but the embedding has {size} rows"
                )


def _absent(kind: str, name: str, option: str, model: torch.nn.Module) -> str:
    known = [leaf for leaf in sorted(_leaves(_modules(model))) if not leaf.isdigit()]
    hint = suggestion(name, known, fix=f"it has {', '.join(known)}")
    return f"this backbone has no {kind} {name!r} for {option}{hint}"


def _saved(name: str, model: torch.nn.Module) -> list[str]:
    """Return the modules that PEFT takes for a module to save: it compares the ends of names."""
    return [key for key in _modules(model) if key.endswith(name)]


def _matches(name: str, known: Iterable[str]) -> bool:
    return any(key == name or key.endswith(f".{name}") for key in known)


def _leaves(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[2] for name in names}


def _modules(model: torch.nn.Module) -> list[str]:
    return [name for name, _ in model.named_modules(remove_duplicate=False) if name]


def _as_list(given: Collection[str] | str | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())
