"""All methods by name: ours, PEFT's, and those of plug-ins (entry points `whichpeft.methods`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from whichpeft.errors import ConfigFileError, StudyError, unknown
from whichpeft.methods.baselines import FewShot, Full, Head, TopLayers, ZeroShot
from whichpeft.methods.bitfit import BitFit
from whichpeft.methods.bottleneck import ConvAdapter, ParallelAdapter, SeriesAdapter
from whichpeft.methods.composition import compose
from whichpeft.methods.from_file import read_config
from whichpeft.methods.loreft import LoReft
from whichpeft.methods.method import Method
from whichpeft.methods.options import with_options, with_recipe
from whichpeft.methods.peft_catalogue import peft_methods
from whichpeft.methods.unreadable import Unreadable
from whichpeft.study.names import CONFIG_FILE, PartName, parse_method

_OWN: tuple[type[Method], ...] = (
    Full, Head, TopLayers, ZeroShot, FewShot, BitFit, SeriesAdapter, ParallelAdapter, ConvAdapter,
    LoReft,
)  # fmt: skip


@cache
def methods() -> Mapping[str, type[Method]]:
    """Return every method by name, in the order of lists."""
    known: dict[str, type[Method]] = {method.info.name: method for method in _OWN}
    known |= {name: method for name, method in peft_methods().items() if name not in known}
    for point in entry_points(group="whichpeft.methods"):
        if point.name not in known:
            known[point.name] = point.load()
    return known


def resolve_method(text: str) -> Method:
    """Return the method with the given name and options, such as ``lora:r=16`` or ``lora+bitfit``.

    Raises
    ------
    StudyError
        If a name or an option is unknown, or a value has the wrong type.
    """
    made = [_resolve_part(part, text) for part in parse_method(text).parts]
    return made[0] if len(made) == 1 else compose(made, text)


def _resolve_part(part: PartName, text: str) -> Method:
    if part.is_file:
        return with_recipe(read_config(part.name, methods().values()), part, text)
    if part.name not in methods():
        fix = "`whichpeft methods` lists them"
        if Path(part.name, CONFIG_FILE).is_file():
            fix = f"for the config in the folder of this name, write ./{part.name}"
        raise StudyError(unknown("method", part.name, methods(), fix=fix))
    return with_options(methods()[part.name], part, text)


def read_method(text: str) -> Method:
    """Return the method like `resolve_method`, or a stand-in if a config file cannot be read.

    The stand-in refuses every backbone and task, with the reason.

    Raises
    ------
    StudyError
        If a name or an option that was typed is wrong.
    """
    try:
        return resolve_method(text)
    except ConfigFileError as error:
        return Unreadable(text=text, reason=str(error))


def resolve_methods(texts: Iterable[str]) -> dict[str, Method]:
    """Return the methods by their spelling, in order.

    A method whose config file cannot be read is among them and refuses everything.

    Raises
    ------
    StudyError
        If a name is unknown, two spellings name the same method, or no method can be read.
    """
    found: dict[str, Method] = {}
    spelled: dict[str, str] = {}
    for text in texts:
        method = read_method(text)
        other = spelled.setdefault(method.identity, text)
        if other != text:
            raise StudyError(f"methods {other!r} and {text!r} are the same method; keep one")
        found[text] = method
    reasons = [method.reason for method in found.values() if isinstance(method, Unreadable)]
    if reasons and len(reasons) == len(found):
        raise ConfigFileError("; ".join(reasons))
    return found
