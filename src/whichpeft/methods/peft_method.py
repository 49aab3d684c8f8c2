"""Methods that HF PEFT carries out: from fields to a PEFT config and a PEFT model."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.errors import MethodError
from whichpeft.methods.file_fields import SIZES, TOKENIZER, is_head_of_another_task, not_used
from whichpeft.methods.info import PeftInfo
from whichpeft.methods.method import Method, MethodContext
from whichpeft.methods.named_parts import check_matches, check_names, modules_to_keep, with_excluded
from whichpeft.methods.peft_adapter import PeftAdapter, load_head, set_state, train_head
from whichpeft.methods.peft_source import convolution_types, quantised_types
from whichpeft.methods.targets import (
    fit,
    named_targets,
    new_modules,
    shared_convolutions,
    shared_targets,
    show_convolutions,
)
from whichpeft.methods.weightless import shapes_only
from whichpeft.study.names import format_part

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel

    from whichpeft.backbones import Backbone
    from whichpeft.study import Study
    from whichpeft.tasks import Task

RECIPE = frozenset({"learning_rate", "weight_decay", "warmup_ratio"})
"""Options of every method, which no PEFT config has."""


@dataclass(frozen=True, kw_only=True)
class PeftMethod(Method):
    """A method of HF PEFT. Its own fields are fields of the PEFT config class `peft.config`."""

    peft: ClassVar[PeftInfo]
    """How HF PEFT carries out the method."""

    from_file: str | None = None
    """The text of an ``adapter_config.json``, which is used as it is instead of the other fields."""

    @property
    def hyperparameters(self) -> dict[str, Any]:
        own = super().hyperparameters
        text = own.pop("from_file")
        if text is not None:
            given: dict[str, Any] = json.loads(text)
            return {key: own[key] for key in sorted(RECIPE)} | given
        unset = {key for key in self.peft.further_options if own.get(key) is None}
        return {key: value for key, value in own.items() if key not in unset}

    @property
    def further_options(self) -> frozenset[str]:
        return self.peft.further_options

    @property
    def identity(self) -> str:
        if self.from_file is None:
            return super().identity
        # Not the path, which differs between machines and does not depend on the content.
        name = f"{self.name}@{hashlib.sha256(self.from_file.encode()).hexdigest()[:12]}"
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        recipe = {key: getattr(self, key) for key in RECIPE if getattr(self, key) != usual[key]}
        return format_part(name, tuple(recipe.items()))

    def resolved_for(self, backbone: Backbone) -> Self:
        resolved = super().resolved_for(backbone)
        if self.from_file is None:
            return resolved
        given = json.loads(self.from_file)
        foreign = self.not_used(given, backbone)
        if not foreign.keys() & given.keys():
            return resolved
        kept = {key: value for key, value in given.items() if key not in foreign}
        return dataclasses.replace(resolved, from_file=json.dumps(kept, sort_keys=True))

    def not_used(self, given: dict[str, Any], backbone: Backbone) -> dict[str, str]:
        """Return the fields of the config file that do not fit the backbone, each with the reason."""
        return not_used(given, self._config_fields(), backbone)

    def notes(self, backbone: Backbone, task: Task) -> tuple[str, ...]:
        given = self.hyperparameters
        saved = given.get("modules_to_save") or ()
        heads = [name for name in saved if is_head_of_another_task(name, task.task_type)]
        own = [
            f"modules_to_save names {name}, the head of another kind of task, so it is not used"
            for name in heads
        ]
        if self.from_file is not None:
            own += self.not_used(json.loads(self.from_file), backbone).values()
        return tuple(own)

    def _config_fields(self) -> set[str]:
        return {field.name for field in dataclasses.fields(self.config_class())}

    def refuses_options(self, study: Study) -> str | None:
        quantise = study.conditions.quantise
        if quantise is None or self.reads_quantised(quantise):
            return None
        return f"PEFT has no {self.name} layer for {quantise.replace('bit', '-bit')} weights"

    def reads_quantised(self, quantise: str) -> bool:
        """Whether it works with quantised weights: it changes none, or PEFT has a layer for it."""
        return not self.peft.targets_modules or self.peft.peft_type in quantised_types(quantise)

    def config_class(self) -> type[PeftConfig]:
        """Return the PEFT config class. Imports torch."""
        import peft

        found: type[PeftConfig] = getattr(peft, self.peft.config)
        return found

    def config_fields(self, model: torch.nn.Module, context: MethodContext) -> dict[str, object]:
        """Return the fields of the PEFT config other than task type and target modules."""
        fields = {f.name for f in dataclasses.fields(self)} - RECIPE - {"target_modules"}
        given = {name: _as_peft(v) for name, v in self.hyperparameters.items() if name in fields}
        if _is_name(given.get("exclude_modules")):
            given["exclude_modules"] = [given["exclude_modules"]]
        fixed = {**self.peft.fixed, **(self.peft.fixed_weightless if context.weightless else {})}
        return given | fixed

    def trial_fields(
        self, fields: dict[str, Any], model: torch.nn.Module, context: MethodContext
    ) -> dict[str, object]:
        """Return the fields that the model or the trial decides, whatever options and file say."""
        return {}

    def choose_targets(self, model: torch.nn.Module, context: MethodContext) -> list[str] | str | None:
        """Return the modules to target, or None for those that PEFT targets in this model family."""
        given: tuple[str, ...] | str | None = getattr(self, "target_modules", None)
        named = named_targets(given, model, context.head)
        if named is not None:
            return named
        if isinstance(given, str):
            return [given] if _is_name(given) else given
        if given is not None:
            return list(given)
        return self.shared_targets(model, context.head) if context.same_targets else None

    def shared_targets(self, model: torch.nn.Module, head: frozenset[str]) -> list[str]:
        """Return the modules that all methods target, as far as this method has a layer for them.

        Raises MethodError if they are convolutions and it has none.
        """
        found = shared_convolutions(model, head)
        if not found:
            return shared_targets(model, head)
        if not self.adapts_convolutions:
            raise MethodError(
                f"{self.name} has no layer for convolutions, and this backbone has no linear layers"
            )
        if any(kind == "divisor" for kind, _ in self.peft.fitted.values()):
            # The first convolution reads 3 colours, so that no block size divides its windows.
            pixels = getattr(model.config, "num_channels", 3)
            found = {name: one for name, one in found.items() if one.in_channels != pixels}
        return sorted(found)

    @property
    def adapts_convolutions(self) -> bool:
        """Whether PEFT has a layer of this method for convolutions of images."""
        return self.peft.peft_type in convolution_types()

    def make_config(self, model: torch.nn.Module, context: MethodContext) -> PeftConfig:
        """Return the PEFT config for a model, without the fields that depend on the task."""
        if self.from_file is not None:
            # Sizes and tokenizer are the backbone's; PEFT or `trial_fields` fills them in.
            known = self._config_fields() - SIZES - TOKENIZER
            fields = {k: v for k, v in json.loads(self.from_file).items() if k in known}
            fields |= self.peft.fixed_weightless if context.weightless else {}
            named = named_targets(fields.get("target_modules"), model, context.head)
            fields |= {} if named is None else {"target_modules": named}
            return self.config_class()(**fields | self.trial_fields(fields, model, context))
        fields = self.config_fields(model, context)
        targets = None
        if self.peft.targets_modules:
            targets = fields["target_modules"] = self.choose_targets(model, context)
        missing = {name: rule for name, rule in self.peft.fitted.items() if fields.get(name) is None}
        if missing:
            fields |= fit(missing, model, targets, context.head)
        return self.config_class()(**fields | self.trial_fields(fields, model, context))

    def attach(
        self, model: torch.nn.Module, context: MethodContext, *, keeps_head: bool = True
    ) -> PeftModel:
        """Put the method on a model as PEFT does, and return the PEFT model.

        Parameters
        ----------
        model
            The model that the task built.
        context
            What the method may need to know about the trial.
        keeps_head
            Whether the head trains and is saved with the adapter, if the config has a place for it.
            Otherwise the head is left alone.
        """
        import peft

        config = self.make_config(model, context)
        check_names(config, model)
        config.inference_mode = False
        config.task_type = context.task_type if keeps_head else None
        new = new_modules(context.head)
        if hasattr(config, "modules_to_save"):
            # PEFT adds a classifier itself and would train it twice, but does not know poolers.
            classifies = config.task_type in ("SEQ_CLS", "TOKEN_CLS")
            unknown = [name for name in new if not (classifies and _is_classifier(name))]
            own = modules_to_keep(config.modules_to_save, model, context.head)
            config.modules_to_save = [*own, *(unknown if keeps_head else ())] or None
        if not keeps_head and hasattr(config, "exclude_modules") and new:
            config.exclude_modules = with_excluded(config.exclude_modules, new)
        shapes = shapes_only(self.peft.peft_type) if context.weightless else contextlib.nullcontext()
        with quiet_warnings(), shapes:
            adapted = peft.get_peft_model(model, config)
        check_matches(config, adapted)
        show_convolutions(adapted)
        return adapted

    def adapter(self, model: PeftModel, separate_head: frozenset[str]) -> PeftAdapter:
        """Return the adapter around a PEFT model.

        PEFT does not save the parameters in `separate_head`, so the adapter does.
        """
        return PeftAdapter(model, separate_head)

    def apply(self, model: torch.nn.Module, context: MethodContext) -> PeftAdapter:
        adapted = self.attach(model, context)
        kept = getattr(adapted.peft_config["default"], "modules_to_save", None)
        separate_head = context.head if kept is None else frozenset()
        train_head(adapted.get_base_model(), separate_head)
        return self.adapter(adapted, separate_head)

    def load(self, model: torch.nn.Module, folder: Path) -> PeftModel:
        import peft

        self.config_class()  # importing one of our tuners registers it with PEFT
        load_head(model, folder)
        with quiet_warnings():
            loaded: PeftModel = peft.PeftModel.from_pretrained(model, str(folder))
        show_convolutions(loaded)
        return loaded

    def resume(self, model: torch.nn.Module, context: MethodContext, folder: Path) -> PeftAdapter:
        adapter = self.apply(model, context)
        load_head(adapter.model.get_base_model(), folder)
        set_state(adapter.model, folder)
        return adapter


def _as_peft(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _is_name(given: object) -> bool:
    """Whether an option is the name of a module: PEFT would read it as a regular expression."""
    return isinstance(given, str) and re.fullmatch(r"[\w.]+", given) is not None


def _is_classifier(module: str) -> bool:
    """Whether PEFT trains and saves this module of a classification model by itself."""
    return any(part.endswith(("classifier", "score")) for part in module.split("."))
