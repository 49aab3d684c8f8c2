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
    learning_rate_source = "docs/defaults.md: best of a sweep on SST-2 and stdlib-docs with minilm"
    config = "BitFitConfig"

    learning_rate: float = 1e-3

    def config_class(self) -> type[Any]:
        from whichpeft.methods.bitfit_tuner import BitFitConfig

        return BitFitConfig
