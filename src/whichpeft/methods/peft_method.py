"""Methods that HF PEFT carries out: from our fields to a PEFT config, and the model around it."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from whichpeft.methods.method import Method, Situation
from whichpeft.methods.targets import new_modules, shared_targets

if TYPE_CHECKING:
    import torch

_RECIPE = ("learning_rate", "weight_decay", "warmup_ratio")


class PeftAdapter:
    """A PEFT model; it saves itself in PEFT's format, the head included."""

    trains = True

    def __init__(self, model: Any) -> None:
        self.model = model

    def penalty(self) -> torch.Tensor | None:
        return None

    def after_step(self, step: int) -> None:
        """Nothing follows a step."""

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)


@dataclass(frozen=True, kw_only=True)
class PeftMethod(Method):
    """A method of HF PEFT. Its own fields are fields of the PEFT config class named `config`."""

    config: ClassVar[str]
    targets: ClassVar[bool] = False

    def config_class(self) -> type[Any]:
        """Return the PEFT config class. Imports torch."""
        import peft

        found: type[Any] = getattr(peft, self.config)
        return found

    def config_fields(self, model: torch.nn.Module, situation: Situation) -> dict[str, Any]:
        """Return what the PEFT config is made with, beside task type and target modules."""
        fields = {f.name for f in dataclasses.fields(self)} - {*_RECIPE, "target_modules"}
        return {name: value for name, value in self.hyperparameters.items() if name in fields}

    def choose_targets(self, model: torch.nn.Module, situation: Situation) -> list[str] | None:
        """Return the modules to target, or None for those that PEFT targets on this family."""
        given: tuple[str, ...] | None = getattr(self, "target_modules", None)
        if given is not None:
            return list(given)
        return shared_targets(model, situation.head) if situation.same_targets else None

    def apply(self, model: torch.nn.Module, situation: Situation) -> PeftAdapter:
        import peft

        fields = self.config_fields(model, situation)
        if self.targets:
            fields["target_modules"] = self.choose_targets(model, situation)
        config = self.config_class()(task_type=situation.task_type, **fields)
        # PEFT trains a text classifier by itself; a pooler that is new as well has to be named, and
        # so has all that is new where PEFT knows no such task.
        unasked = situation.task_type is not None
        new = new_modules(situation.head)
        config.modules_to_save = [n for n in new if not (unasked and _is_classifier(n))] or None
        with warnings.catch_warnings():
            # PEFT warns of its own deprecated calls into transformers; nothing to act on.
            warnings.simplefilter("ignore")
            adapted = peft.get_peft_model(model, config)
        return PeftAdapter(adapted)

    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        import peft

        self.config_class()  # a tuner of ours is made known to PEFT when it is first imported
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded: torch.nn.Module = peft.PeftModel.from_pretrained(model, str(folder))
        return loaded


def _is_classifier(module: str) -> bool:
    """Whether PEFT trains and saves this module of a classification model unasked."""
    return any(part.endswith(("classifier", "score")) for part in module.split("."))
