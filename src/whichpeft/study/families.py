"""Families of methods: what they adapt, and how, so that figures can show related methods as related.

These are plain names, because records are also read on machines without the methods. A method that is in
no list is a family of its own.
"""

from __future__ import annotations

from functools import lru_cache

from whichpeft.errors import StudyError
from whichpeft.study.names import parse_method

FAMILIES: dict[str, tuple[str, ...]] = {
    "everything": ("full",),
    "nothing": ("zero-shot", "few-shot"),
    "upper layers": ("head", "top-layers"),
    "chosen weights": (
        "bitfit", "bn", "beft", "ln-tuning", "shira", "supertuning", "trainable-tokens", "osf",
    ),
    "low rank": (
        "lora", "dora", "rslora", "pissa", "olora", "mica", "adalora", "adamss", "deft", "delora",
        "frod", "glora", "gralora", "hira", "lily", "loha", "lokr", "miss", "peanut", "poly", "pvera",
        "randlora", "tinylora", "unilora", "vblora", "vera", "xlora",
    ),
    "factors": ("ia3",),
    "rotations": ("oft", "boft", "hra", "psoft", "road"),
    "transforms": ("fourierft", "waveft", "c3a"),
    "adapters": ("series-adapter", "parallel-adapter", "conv-adapter", "shadow"),
    "representations": ("loreft",),
    "prompts": (
        "prefix", "prompt", "p-tuning", "multitask-prompt", "cpt", "cartridge", "adaption-prompt",
    ),
}  # fmt: skip

_OF = {name: family for family, names in FAMILIES.items() for name in names}


@lru_cache(maxsize=4096)  # figures look up the same methods repeatedly
def family_of(method: str) -> str:
    """Return the family of a method: that of its first part, else the part's own name.

    Text that is not the name of a method is a family of its own too.
    """
    try:
        name = parse_method(method).parts[0].name.lower()
    except StudyError:
        return method
    name = name.partition("@")[0]  # the values of a config file follow its method's name
    return _OF.get(name, name)
