"""The one place where a tuner of ours is made known to PEFT.

PEFT accepts a new method only if its name is a member of the closed enum `PeftType`, so the enum
is extended first. An adapter saved this way loads wherever `whichpeft.methods.tuners` was imported
before.
"""

from __future__ import annotations

from typing import Any

from peft import PeftType
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.utils import register_peft_method


def register(name: str, config: type[Any], model: type[Any]) -> None:
    """Register a tuner under `name` (lower case); a second call does nothing.

    Raises RuntimeError where this release of PEFT no longer takes a new member.
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
        raise RuntimeError(f"this release of peft does not take the new method {name!r}")
    if PeftType(key) not in PEFT_TYPE_TO_CONFIG_MAPPING:
        register_peft_method(name=name, config_cls=config, model_cls=model)
