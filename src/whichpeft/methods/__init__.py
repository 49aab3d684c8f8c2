"""What is compared: the baselines, the methods of HF PEFT, and our own tuners."""

from whichpeft.methods.baselines import PlainAdapter, PlainMethod, ZeroShot
from whichpeft.methods.catalogue import methods, resolve_method, resolve_methods
from whichpeft.methods.method import Adapter, LogRange, Method, MethodContext
from whichpeft.methods.peft_method import PeftMethod

UNTRAINED = ZeroShot.name
"""The method that every study ends with, because it costs nothing."""

__all__ = [
    "UNTRAINED",
    "Adapter",
    "LogRange",
    "Method",
    "MethodContext",
    "PeftMethod",
    "PlainAdapter",
    "PlainMethod",
    "methods",
    "resolve_method",
    "resolve_methods",
]
