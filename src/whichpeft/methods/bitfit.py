"""BitFit as a method; its PEFT tuner lives in `bitfit_tuner`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whichpeft.methods.peft_method import PeftMethod


@dataclass(frozen=True, kw_only=True)
class BitFit(PeftMethod):
    """BitFit: the biases train, and nothing else."""

    name = "bitfit"
    description = "the backbone's biases train, and nothing else"
    paper = "Ben Zaken et al. 2022, arXiv 2106.10199"
    usual_learning_rate = 5e-3
    learning_rate_source = "docs/defaults.md: a sweep with minilm on stdlib-docs"
    config = "BitFitConfig"

    def config_class(self) -> type[Any]:
        from whichpeft.methods.bitfit_tuner import BitFitConfig

        return BitFitConfig
