"""What our tuners share: their registration with PEFT, and the check for autocast.

PEFT accepts a new method only if its name is a member of the closed enum `PeftType`, so `register`
extends the enum first. A saved adapter loads after ``import whichpeft.methods.tuners``.
"""

from __future__ import annotations

import torch
from peft import PeftConfig, PeftType
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners.tuners_utils import BaseTuner
from peft.utils import register_peft_method


def register(name: str, config: type[PeftConfig], model: type[BaseTuner]) -> None:
    """Register a tuner with PEFT; a second call does nothing.

    Parameters
    ----------
    name
        Name of the method, in lower case.
    config
        Its config class.
    model
        Its tuner class.

    Raises
    ------
    RuntimeError
        If this release of PEFT does not accept a new member.
    """
    key = name.upper()
    if key not in PeftType.__members__:
        member = str.__new__(PeftType, key)
        member._name_ = key
        member._value_ = key
        PeftType._member_map_[key] = member
        PeftType._member_names_.append(key)
        PeftType._value2member_map_[key] = member
        type.__setattr__(PeftType, key, member)
    if PeftType(key) is not getattr(PeftType, key, None) or key not in [m.value for m in PeftType]:
        raise RuntimeError(f"this release of peft does not accept the new method {name!r}")
    if PeftType(key) not in PEFT_TYPE_TO_CONFIG_MAPPING:
        register_peft_method(name=name, config_cls=config, model_cls=model)


def autocasts(tensor: torch.Tensor) -> bool:
    """Whether autocast is on for a tensor's device; not every kind of device supports it."""
    device = tensor.device.type
    return bool(torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device))
