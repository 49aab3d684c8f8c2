"""PEFT tuners of ours. Importing this makes them known to PEFT, so that it loads their adapters."""

from whichpeft.methods.tuners import bitfit, bottleneck, reft

__all__ = ["bitfit", "bottleneck", "reft"]
