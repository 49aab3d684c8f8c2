"""Methods that HF PEFT carries out: from our fields to a PEFT config, and the model around it."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from whichpeft.methods.method import Method, Situation
from whichpeft.methods.targets import shared_targets

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

    def config_fields(self, situation: Situation) -> dict[str, Any]:
        """Return what the PEFT config is made with, beside task type and target modules."""
        fields = {f.name for f in dataclasses.fields(self)} - {*_RECIPE, "target_modules"}
        return {name: value for name, value in self.hyperparameters.items() if name in fields}

    def apply(self, model: torch.nn.Module, situation: Situation) -> PeftAdapter:
        import peft

        fields = self.config_fields(situation)
        if self.targets:
            chosen = getattr(self, "target_modules", None)
            if chosen is None and situation.same_targets:
                chosen = shared_targets(model, situation.head)
            fields["target_modules"] = list(chosen) if isinstance(chosen, tuple) else chosen
        config = self.config_class()(task_type=situation.task_type, **fields)
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
