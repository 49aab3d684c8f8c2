"""Families of methods: what is adapted, and how, so that kin can be shown as kin.

Plain names, because records are read where no method is installed. A method that no family names
is a family of its own.
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
        "bitfit", "beft", "ln-tuning", "shira", "supertuning", "trainable-tokens", "osf",
    ),
    "low rank": (
        "lora", "dora", "rslora", "pissa", "olora", "mica", "adalora", "adamss", "deft", "delora",
        "frod", "glora", "gralora", "hira", "lily", "loha", "lokr", "miss", "peanut", "poly", "pvera",
        "randlora", "tinylora", "unilora", "vblora", "vera", "xlora",
    ),
    "factors": ("ia3",),
    "rotations": ("oft", "boft", "hra", "psoft", "road"),
    "transforms": ("fourierft", "waveft", "c3a"),
    "adapters": ("series-adapter", "parallel-adapter", "shadow"),
    "representations": ("loreft",),
    "prompts": (
        "prefix", "prompt", "p-tuning", "multitask-prompt", "cpt", "cartridge", "adaption-prompt",
    ),
}  # fmt: skip

_OF = {name: family for family, names in FAMILIES.items() for name in names}


@lru_cache(maxsize=4096)  # figures ask for the same methods again and again
def family_of(method: str) -> str:
    """Return the family of a method as typed: that of its first part, else the part's own name.

    A text that is no method's name is a family of its own too.
    """
    try:
        name = parse_method(method).parts[0].name.lower()
    except StudyError:
        return method
    name = name.partition("@")[0]  # what a config file settles follows its method's name
    return _OF.get(name, name)
