"""Our PEFT tuners. Importing this registers them with PEFT, so that PEFT can load their adapters."""

from whichpeft.methods.tuners import bitfit, bottleneck, conv_adapter, reft

__all__ = ["bitfit", "bottleneck", "conv_adapter", "reft"]
