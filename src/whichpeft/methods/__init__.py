"""What is compared: the baselines, the methods of HF PEFT, and our own tuners."""

from whichpeft.methods.adapter import Adapter, AdapterBase
from whichpeft.methods.baselines import PlainAdapter, PlainMethod, ZeroShot
from whichpeft.methods.catalogue import methods, read_method, resolve_method, resolve_methods
from whichpeft.methods.info import MethodInfo, PeftInfo
from whichpeft.methods.method import LogRange, Method, MethodContext
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.unreadable import Unreadable

UNTRAINED = ZeroShot.info.name
"""The method that every study ends with, because it costs nothing."""

__all__ = [
    "UNTRAINED",
    "Adapter",
    "AdapterBase",
    "LogRange",
    "Method",
    "MethodContext",
    "MethodInfo",
    "PeftInfo",
    "PeftMethod",
    "PlainAdapter",
    "PlainMethod",
    "Unreadable",
    "methods",
    "read_method",
    "resolve_method",
    "resolve_methods",
]
