"""Several methods on one model: ``lora+bitfit``.

PEFT refuses to mix most tuner types in one model, so this module stacks the parts: each is attached
as PEFT attaches it alone, the later ones around the layers of the earlier ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.errors import StudyError
from whichpeft.methods.info import MethodInfo
from whichpeft.methods.method import Method, MethodContext
from whichpeft.methods.peft_adapter import PeftAdapter, set_state
from whichpeft.methods.peft_method import RECIPE, PeftMethod
from whichpeft.methods.prompts import VirtualTokens
from whichpeft.methods.shared_weights import check_not_shared

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task


class StackedAdapter:
    """The parts of a composition on one model; each saves itself in its own folder.

    The last part saves the task's head.
    """

    trains = True

    def __init__(self, plain: torch.nn.Module) -> None:
        self._plain = plain
        self._parts: list[_Part] = []

    def add(self, name: str, adapter: PeftAdapter) -> None:
        """Add a part that was just put on the model, around the earlier ones."""
        trained = [p for p in adapter.model.parameters() if p.requires_grad]
        before = {_unwrapped(key) for part in self._parts for key in part.keys}
        weightless = any(parameter.is_meta for parameter in trained)  # nothing to save
        state = {} if weightless else _state(adapter.model)
        keys = [key for key in state if _unwrapped(key) not in before]
        self._parts.append(_Part(name, adapter, keys, trained))
        _forget_peft_configs(self._plain)
        for part in self._parts:  # PEFT freezes all parts except the newest
            for parameter in part.trained:
                parameter.requires_grad_(True)

    @property
    def model(self) -> torch.nn.Module:
        """The last part's model if it changes the input, otherwise the model with all parts."""
        last = self._parts[-1].adapter.model
        return last if last.active_peft_config.is_prompt_learning else self._plain

    @property
    def adapters(self) -> dict[str, PeftAdapter]:
        """The parts by name, the innermost first."""
        return {part.name: part.adapter for part in self._parts}

    @property
    def needs_own_step(self) -> bool:
        return any(part.adapter.needs_own_step for part in self._parts)

    def penalty(self) -> torch.Tensor | None:
        found = [p for part in self._parts if (p := part.adapter.penalty()) is not None]
        return sum(found[1:], start=found[0]) if found else None

    def after_step(self, step: int) -> None:
        for part in self._parts:
            part.adapter.after_step(step)

    def state(self) -> dict[str, torch.Tensor]:
        return {
            f"{part.name}/{name}": tensor
            for part in self._parts
            for name, tensor in part.adapter.state().items()
        }

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        for part in self._parts:
            own = f"{part.name}/"
            part.adapter.restore({n.removeprefix(own): t for n, t in state.items() if n.startswith(own)})

    def save(self, folder: Path) -> None:
        for part in self._parts:
            part.save(folder / part.name)

    def merge(self) -> torch.nn.Module:
        for part in self._parts:
            tuner = part.adapter.model.base_model
            if not hasattr(tuner, "merge_adapter"):
                raise ValueError(f"{part.name} does not change weights, so it cannot be merged")
            try:
                tuner._check_merge_allowed()
            except NotImplementedError as error:
                raise ValueError(str(error) or f"{part.name} cannot be merged") from None
        check_not_shared(self.model)
        with quiet_warnings():
            for part in self._parts:
                part.adapter.model.merge_adapter(safe_merge=True)
        return self._remove(restore_head=False)

    def detach(self) -> torch.nn.Module:
        return self._remove(restore_head=True)

    def _remove(self, *, restore_head: bool) -> torch.nn.Module:
        for part in reversed(self._parts):
            part.adapter.detach(restore_head=restore_head)
        return self._plain


@dataclass(slots=True)
class _Part:
    """One part on the model."""

    name: str
    """Name of the method."""

    adapter: PeftAdapter
    """The adapter."""

    keys: list[str]
    """Names of its weights when it is the only part of a model."""

    trained: list[torch.nn.Parameter]
    """The parameters that it trains."""

    def save(self, folder: Path) -> None:
        """Write what PEFT would write if this part were alone, so that PEFT can load it alone."""
        from safetensors.torch import save_file

        self.adapter.save(folder)
        # PEFT finds the weights of all parts, under names that depend on the other parts.
        state = {_unwrapped(key): tensor for key, tensor in _state(self.adapter.model).items()}
        own = {key: state[_unwrapped(key)].detach().clone().contiguous() for key in self.keys}
        save_file(own, folder / "adapter_model.safetensors")


@dataclass(frozen=True, kw_only=True)
class Composition(Method):
    """Several methods of PEFT on one model, in the order in which they are stacked.

    All parts share one learning rate: the one given to a part, otherwise the smallest usual one.
    """

    parts: tuple[PeftMethod, ...]
    """The parts, the innermost first."""

    def __post_init__(self) -> None:
        # Unlike other methods, each instance has its own `info`: the parts decide it.
        object.__setattr__(self, "info", _combined_info(self.parts))

    @property
    def hyperparameters(self) -> dict[str, Any]:
        recipe = {key: getattr(self, key) for key in sorted(RECIPE)}
        return recipe | {
            part.name: {k: v for k, v in part.hyperparameters.items() if k not in RECIPE}
            for part in self.parts
        }

    @property
    def identity(self) -> str:
        recipe = {key: getattr(self, key) for key in RECIPE}
        recipe = {key: value for key, value in recipe.items() if value != _DEFAULTS[key]}
        first = dataclasses.replace(self.parts[0], **recipe) if recipe else self.parts[0]
        return "+".join([first.identity, *(part.identity for part in self.parts[1:])])

    def resolved_for(self, backbone: Backbone) -> Self:
        parts = tuple(part.resolved_for(backbone) for part in self.parts)
        rate = self.learning_rate
        if rate is None:
            rate = min(part.learning_rate or 0.0 for part in parts)
        return dataclasses.replace(self, learning_rate=rate, parts=parts)

    def with_options(self, values: Mapping[str, Any]) -> Self:
        own = {key: value for key, value in values.items() if "." not in key}
        by_part: dict[str, dict[str, object]] = {}
        for key, value in values.items():
            if key not in own:
                name, _, option = key.partition(".")
                by_part.setdefault(name, {})[option] = value
        parts = tuple(part.with_options(by_part.get(part.name, {})) for part in self.parts)
        return dataclasses.replace(self, parts=parts, **own)

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        for part in self.parts:
            if part.hyperparameters.get("modules_to_save"):
                return (
                    f"{part.name}: modules_to_save cannot be combined with other methods; leave it out"
                )
        found = ((part.name, part.refuses(backbone, task, budget)) for part in self.parts)
        return next((f"{name}: {reason}" for name, reason in found if reason is not None), None)

    def notes(self, backbone: Backbone, task: Task) -> tuple[str, ...]:
        return tuple(note for part in self.parts for note in part.notes(backbone, task))

    def refuses_options(self, study: Study) -> str | None:
        found = ((part.name, part.refuses_options(study)) for part in self.parts)
        return next((f"{name}: {reason}" for name, reason in found if reason is not None), None)

    def apply(self, model: torch.nn.Module, context: MethodContext) -> StackedAdapter:
        adapter = StackedAdapter(model)
        *inner, last = self.parts
        for part in inner:
            attached = part.attach(model, context, keeps_head=False)
            adapter.add(part.name, part.adapter(attached, frozenset()))
        adapter.add(last.name, last.apply(model, context))
        return adapter

    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        *inner, last = self.parts
        for part in inner:
            part.load(model, folder / part.name)
            _forget_peft_configs(model)
        loaded = last.load(model, folder / last.name)
        return loaded if isinstance(last, VirtualTokens) else model

    def resume(self, model: torch.nn.Module, context: MethodContext, folder: Path) -> StackedAdapter:
        adapter = StackedAdapter(model)
        *inner, last = self.parts
        for part in inner:
            attached = part.attach(model, context, keeps_head=False)
            set_state(attached, folder / part.name)
            adapter.add(part.name, part.adapter(attached, frozenset()))
        adapter.add(last.name, last.resume(model, context, folder / last.name))
        return adapter


def _combined_info(parts: Sequence[PeftMethod]) -> MethodInfo:
    """Return the info of several methods on one model."""
    infos = [part.info for part in parts]
    return MethodInfo(
        name="+".join(info.name for info in infos),
        description="several methods on one model",
        learning_rate=min(info.learning_rate for info in infos),
        learning_rate_source="the smallest of its parts' usual rates",
        choices={
            f"{info.name}.{option}": values for info in infos for option, values in info.choices.items()
        },
        merges=all(info.merges for info in infos),
        several_adapters=True,
        layers_alike=all(info.layers_alike for info in infos),
    )


def compose(parts: Sequence[Method], text: str) -> Composition:
    """Combine methods, in the order in which they can be stacked.

    Parameters
    ----------
    parts
        The methods in any order.
    text
        The whole name as written by the user, for messages.

    Raises
    ------
    StudyError
        If two parts conflict, or one cannot be combined.
    """
    stackable: list[PeftMethod] = []
    for part in parts:
        if not isinstance(part, PeftMethod) or not part.peft.combines:
            raise StudyError(f"method {text!r}: {part.name} cannot be combined with other methods")
        stackable.append(part)
    owners: dict[str, str] = {}
    for part in stackable:
        for claim in (*part.peft.claims, part.peft.peft_type):
            if claim in owners:
                raise StudyError(
                    f"method {text!r}: {owners[claim]} and {part.name} conflict because both train the "
                    f"{claim if claim in part.peft.claims else 'same parts'}; keep one"
                )
            owners[claim] = part.name
    given = {key: _agreed(key, stackable, text) for key in sorted(RECIPE)}
    bare = [dataclasses.replace(part, **_DEFAULTS) for part in stackable]
    return Composition(parts=tuple(sorted(bare, key=_place)), **given)


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(Method)}


def _agreed(key: str, parts: Sequence[PeftMethod], text: str) -> Any:
    """Return the one value that the parts give, or the default if none gives one."""
    values = {getattr(part, key) for part in parts} - {_DEFAULTS[key]}
    if len(values) > 1:
        raise StudyError(f"method {text!r}: the parts train together; give {key} once")
    return values.pop() if values else _DEFAULTS[key]


def _place(part: PeftMethod) -> tuple[int, str]:
    return part.peft.stacking_order, part.name


def _forget_peft_configs(model: torch.nn.Module) -> None:
    """Remove PEFT's configs from a model; otherwise the next part would overwrite this one's."""
    model.__dict__.pop("peft_config", None)


def _unwrapped(key: str) -> str:
    """Return a weight's name without what the layers of other parts add to it."""
    return key.replace(".base_layer", "").replace(".self_attn.model.", ".self_attn.")


def _state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    import peft

    with quiet_warnings():
        state: dict[str, torch.Tensor] = peft.get_peft_model_state_dict(model)
    return state
