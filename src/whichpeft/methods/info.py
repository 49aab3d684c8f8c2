"""Facts about a method that hold for every instance of it. Reading them needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodInfo:
    """What every method states about itself. Only name and description are required."""

    name: str
    """The name in studies and on the command line."""

    description: str
    """What the method does, in one line without a final period."""

    paper: str = ""
    """Authors, year and an arXiv id, or another way to find the paper."""

    paper_title: str = ""
    """The paper's title. With it, reports cite the paper."""

    supports: str = "any"
    """What the method is for, such as ``decoders``; shown in lists, enforced by `Method.refuses`."""

    learning_rate: float = 1e-3
    """The usual peak learning rate at a width of 384; 0 if nothing trains."""

    learning_rate_source: str = ""
    """Where the usual learning rate comes from."""

    scales_with_width: bool = False
    """Whether the learning rate falls as the backbone gets wider.

    Under Adam, the learning rate of matrices falls with the width that they sum over (Yang et al.
    2022, arXiv 2203.03466); that of vectors does not.
    """

    choices: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    """Values that tuning may try for the method's own options; it always tunes the learning rate."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names for options: the name that a user may write, and the field it stands for."""

    may_be_zero: frozenset[str] = frozenset()
    """Whole-number options that may be 0 or less; all others must be at least 1."""

    merges: bool = True
    """Whether it can be merged into the weights, so that inference costs nothing extra."""

    several_adapters: bool = False
    """Whether one model can hold several of its adapters."""

    layers_alike: bool = True
    """Whether it adds the same to every layer, so that costs can be counted on a few layers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeftInfo:
    """What a method that HF PEFT carries out states in addition."""

    config: str
    """Name of the PEFT config class; the method's own fields are fields of that class."""

    peft_type: str
    """PEFT's name for the method, which a saved config contains."""

    targets_modules: bool = False
    """Whether the config names the modules that the method adapts."""

    fixed: Mapping[str, object] = field(default_factory=dict)
    """Config fields that always have the same value for this method."""

    fixed_weightless: Mapping[str, object] = field(default_factory=dict)
    """Config fields that replace `fixed` ones when the model has shapes but no weights."""

    fitted: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Options that, if not given, are fitted to the widths of the target modules.

    Each has a rule and a limit; `whichpeft.methods.targets.fit` explains the rules.
    """

    further_options: frozenset[str] = frozenset()
    """Options that keep PEFT's own default when they are None, and are left out of short lists."""

    file_options: frozenset[str] = frozenset()
    """Options that hold mappings or classes of PEFT, so that only a config file can set them."""

    decided: frozenset[str] = frozenset()
    """Fields of the config that the backbone, the task or the trial decides, so that users cannot."""

    combines: bool = True
    """Whether the method can be part of a composition such as ``lora+bitfit``."""

    stacking_order: int = 1
    """Position in a composition: parts with lower numbers are put on the model first."""

    claims: tuple[str, ...] = ()
    """What the method trains that no other part of a composition may train, too."""

    loads_with: str = "peft"
    """What can load a saved adapter.

    ``peft`` alone; ``tuners``, which is PEFT after ``import whichpeft.methods.tuners``; or
    ``whichpeft``, through the method's own `load`.
    """
