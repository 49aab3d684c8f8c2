"""The modules that all methods target, so that methods differ in how they adapt and not in what."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from whichpeft.errors import MethodError, suggestion

if TYPE_CHECKING:
    import torch

# Modules that compute queries, keys and values, by their names in the model families.
ATTENTION_PROJECTIONS = frozenset(
    {
        "query", "key", "value",  # BERT, RoBERTa, ELECTRA, ViT
        "q_proj", "k_proj", "v_proj", "qkv_proj",  # LLaMA, Mistral, OPT, BART, Phi-3
        "q_lin", "k_lin", "v_lin",  # DistilBERT, XLM
        "query_proj", "key_proj", "value_proj",  # DeBERTa-v2
        "query_key_value",  # GPT-NeoX, BLOOM, Falcon
        "c_attn",  # GPT-2
        "Wqkv",  # ModernBERT, MPT
        "qkv",  # timm, Swin
        "q", "k", "v",  # T5
    }
)  # fmt: skip
_ALL_LINEAR = "all-linear"
_Module = TypeVar("_Module")


def shared_targets(model: torch.nn.Module, head: frozenset[str]) -> list[str]:
    """Return the leaf names of the modules that compute queries, keys and values.

    If the architecture's names are unknown, return all linear layers outside the head, and the
    convolutions outside it if there are no linear layers.
    """
    linear = _in_body(linear_modules(model), head)
    leaves = {name.rpartition(".")[2] for name in linear}
    attention = sorted(leaves & ATTENTION_PROJECTIONS)
    return attention or sorted(linear) or sorted(shared_convolutions(model, head))


def shared_convolutions(model: torch.nn.Module, head: frozenset[str]) -> dict[str, torch.nn.Conv2d]:
    """Return the convolutions that all methods target in a network without linear layers, by name.

    It is empty if the body has linear layers. Raises MethodError if it has no convolutions either.
    """
    if _in_body(linear_modules(model), head):
        return {}
    found = _in_body(convolutions(model), head)
    if not found:
        raise MethodError(
            "this backbone has neither linear layers nor dense convolutions outside the head to target"
        )
    return found


def check_targets(model: torch.nn.Module, targets: Iterable[str]) -> None:
    """Check that every target names a module, since PEFT checks only that one of them does.

    Raises MethodError, which names the module with the most similar name.
    """
    names = [name for name, _ in model.named_modules() if name]
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in names):
            leaves = sorted({name.rpartition(".")[2] for name in names})
            known = [leaf for leaf in leaves if not leaf.isdigit()]
            hint = suggestion(target, known, fix=f"it has {', '.join(known)}")
            raise MethodError(f"this backbone has no module {target!r} to target{hint}")


def named_targets(given: object, model: torch.nn.Module, head: frozenset[str]) -> list[str] | None:
    """Return the linear modules if ``all-linear`` is given, else None; head and output are none of them.

    PEFT leaves out the last layer of a head, but not those before it, and finds no layer that another
    method has wrapped. In a convolutional network it would find the new head alone.

    Raises MethodError if there are no linear modules.
    """
    if not isinstance(given, str) or given.lower() != _ALL_LINEAR:
        return None
    find_output = getattr(model, "get_output_embeddings", None)
    output = find_output() if find_output else None
    linear = _in_body(linear_modules(model), head)
    if not linear:
        raise MethodError(
            "all-linear finds no linear layers outside the head of this backbone; leave target_modules "
            "out, and its convolutions are targeted"
        )
    return sorted(name for name, module in linear.items() if module is not output)


def new_modules(head: frozenset[str]) -> list[str]:
    """Return the names of the modules that hold the head's parameters."""
    return sorted({name.rpartition(".")[0] for name in head})


def fit(
    rules: Mapping[str, tuple[str, int]],
    model: torch.nn.Module,
    targets: Sequence[str] | str | None,
    head: frozenset[str],
) -> dict[str, int]:
    """Choose one size per option that fits the modules a method targets; the head is none of them.

    A rule is a kind and a limit:

    - ``divisor``: the largest common divisor of all widths that is not above the limit;
    - ``share``: the largest common divisor that is not above the greatest one divided by the limit;
    - ``rank``: the limit, or the smallest width if that is less;
    - ``entries``: the limit, or the smallest number of weights if that is less;
    - ``half``: the limit, or the largest rank whose factors have no more entries than the weights.
    """
    pairs = _widths(model, targets, head)
    common = math.gcd(*(width for pair in pairs for width in pair))
    chosen = {}
    for option, (kind, limit) in rules.items():
        if kind in ("divisor", "share"):
            most = limit if kind == "divisor" else common // limit
            chosen[option] = max(d for d in range(1, max(most, 1) + 1) if common % d == 0)
        else:
            bounds = {
                "rank": lambda n, m: min(n, m),
                "entries": lambda n, m: n * m,
                "half": lambda n, m: n * m // (n + m),
            }
            chosen[option] = min(limit, *(bounds[kind](*pair) for pair in pairs))
    return chosen


def _in_body(modules: Mapping[str, _Module], head: frozenset[str]) -> dict[str, _Module]:
    """Return the modules outside the head."""
    outside = new_modules(head)
    return {
        name: module
        for name, module in modules.items()
        if not any(name == new or name.startswith(f"{new}.") for new in outside)
    }


def _widths(
    model: torch.nn.Module, targets: Sequence[str] | str | None, head: frozenset[str]
) -> list[tuple[int, int]]:
    """Return output and input widths of the targeted modules, or of all if none is given."""
    linear = _in_body(linear_modules(model), head)
    body: dict[str, torch.nn.Module] = linear | _in_body(convolutions(model), head)
    if isinstance(targets, str):
        chosen = [module for name, module in body.items() if re.fullmatch(targets, name)]
    else:
        listed = tuple(targets or ATTENTION_PROJECTIONS)
        chosen = [
            module
            for name, module in body.items()
            if any(name == target or name.endswith(f".{target}") for target in listed)
        ]
    return [_width(module) for module in chosen or (linear or body).values()] or [(1, 1)]


def _width(module: torch.nn.Module) -> tuple[int, int]:
    """Return the rows and columns of a weight; a convolution's column is one value of its window."""
    if hasattr(module, "in_features"):  # quantised weights are stored in another shape
        return int(module.out_features), int(module.in_features)
    return int(module.weight.shape[0]), int(module.weight[0].numel())


def linear_modules(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Return the linear modules by name; a module wrapped by an adapter has the adapter's name."""
    import torch
    from transformers.pytorch_utils import Conv1D

    return {
        name: inner for name, inner in _leaves(model) if isinstance(inner, (torch.nn.Linear, Conv1D))
    }


def convolutions(model: torch.nn.Module) -> dict[str, torch.nn.Conv2d]:
    """Return the convolutions of images that methods can adapt, by name like `linear_modules`.

    Left out are grouped ones, such as depthwise ones, since low-rank factors would mix the channels that
    they keep apart; dilated ones, since PEFT's factors are not; and those that compute in another way
    than torch's, since merging would be wrong.
    """
    import torch

    return {
        name: inner
        for name, inner in _leaves(model)
        if type(inner) is torch.nn.Conv2d and inner.groups == 1 and set(inner.dilation) == {1}
    }


def show_convolutions(model: torch.nn.Module) -> torch.nn.Module:
    """Give adapters' layers around convolutions their sizes, which some models read to pad images.

    Those are MobileNets with the padding of TensorFlow.
    """
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in model.modules():
        inner = module.get_base_layer() if isinstance(module, BaseTunerLayer) else None
        if isinstance(inner, torch.nn.Conv2d):
            for name in ("kernel_size", "stride", "padding", "dilation", "groups"):
                if not hasattr(module, name):
                    setattr(module, name, getattr(inner, name))
    return model


def _leaves(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """Yield the modules by name; of one that an adapter wraps, yield the inner one by the outer name."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    wrapped: list[str] = []
    for name, module in model.named_modules():
        if any(name.startswith(f"{outer}.") for outer in wrapped):
            continue
        if isinstance(module, BaseTunerLayer):
            wrapped.append(name)
            yield name, module.get_base_layer()
        else:
            yield name, module
