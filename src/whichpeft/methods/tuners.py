"""Importing this makes all tuners of ours known to PEFT, so that it loads adapters of theirs."""

from whichpeft.methods import bitfit_tuner, bottleneck_tuner, reft_tuner

__all__ = ["bitfit_tuner", "bottleneck_tuner", "reft_tuner"]
