"""The methods of the installed PEFT, read from its source without importing it.

Importing PEFT imports torch, which takes seconds; listing methods, or a typing error in a name, should
not cost that. Tests compare the result with PEFT's own dataclasses.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, Optional, Union, get_args

UNREAD = object()
"""Stands for a default that code computes, so that it cannot be read."""


@dataclass(frozen=True, slots=True)
class OptionSource:
    """A field of a PEFT config."""

    name: str
    """Name of the field."""

    hint: Any
    """Type that a method's option is checked against."""

    default: object
    """PEFT's default, or `UNREAD`."""

    help: str
    """PEFT's explanation."""


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """A PEFT config class."""

    name: str
    """Name of the class."""

    peft_type: str
    """PEFT's name of the method, such as ``LORA``."""

    options: Mapping[str, OptionSource]
    """The fields by name."""


@dataclass(slots=True)
class _Class:
    bases: list[str]
    options: dict[str, OptionSource] = field(default_factory=dict)
    peft_type: str | None = None


@cache
def peft_configs() -> Mapping[str, ConfigSource]:
    """Return every config class of the installed PEFT by its method type, in alphabetical order."""
    classes: dict[str, _Class] = {}
    for path in _sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes |= {node.name: _read(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    found = {
        kind.peft_type: ConfigSource(name, kind.peft_type, _inherited(name, classes))
        for name, kind in classes.items()
        if kind.peft_type is not None and "PeftConfig" in _ancestors(name, classes)
    }
    return dict(sorted(found.items()))


@cache
def base_options() -> frozenset[str]:
    """Return the names of the fields that every PEFT config has."""
    tree = ast.parse((_package() / "config.py").read_text(encoding="utf-8"))
    classes = {node.name: _read(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    return frozenset(_inherited("PeftConfig", classes))


@cache
def quantised_types(quantise: str) -> frozenset[str]:
    """Return the method types for which PEFT has layers on ``8bit`` or ``4bit`` weights.

    Their packages have a module ``bnb`` with a class such as ``Linear4bit``.
    """
    found = set()
    for path in sorted((_package() / "tuners").glob("*/bnb.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        layers = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        if any(quantise in layer for layer in layers):
            found |= _types_in(path.parent / "config.py")
    return frozenset(found)


@cache
def convolution_types() -> frozenset[str]:
    """Return the method types for which PEFT has layers on convolutions of images.

    Their packages have a module ``layer`` with a class such as ``Conv2d``.
    """
    found = set()
    for path in sorted((_package() / "tuners").glob("*/layer.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.ClassDef) and node.name.endswith("Conv2d") for node in tree.body):
            found |= _types_in(path.parent / "config.py")
    return frozenset(found)


def _types_in(config: Path) -> set[str]:
    """Return the method types of the config classes in a file."""
    tree = ast.parse(config.read_text(encoding="utf-8"))
    kinds = (_read(node).peft_type for node in tree.body if isinstance(node, ast.ClassDef))
    return {kind for kind in kinds if kind is not None}


def _package() -> Path:
    spec = importlib.util.find_spec("peft")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("peft is not installed")
    return Path(spec.origin).parent


def _sources() -> Iterator[Path]:
    package = _package()
    yield package / "config.py"
    yield from sorted((package / "tuners").glob("*.py"))
    yield from sorted((package / "tuners").glob("*/config.py"))


def _read(node: ast.ClassDef) -> _Class:
    found = _Class([base.id for base in node.bases if isinstance(base, ast.Name)])
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            option = _option(item.target.id, item)
            found.options[option.name] = option
        elif isinstance(item, ast.FunctionDef) and item.name == "__post_init__":
            found.peft_type = _assigned_type(item)
    return found


def _assigned_type(function: ast.FunctionDef) -> str | None:
    """Find ``self.peft_type = PeftType.LORA`` and return ``LORA``."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "self.peft_type":
            return ast.unparse(node.value).rpartition(".")[2]
    return None


def _option(name: str, item: ast.AnnAssign) -> OptionSource:
    default, text = UNREAD, ""
    if isinstance(item.value, ast.Call):
        given = {keyword.arg: keyword.value for keyword in item.value.keywords}
        if "default" in given:
            default = _literal(given["default"])
        metadata = given.get("metadata")
        if isinstance(metadata, ast.Dict):
            for key, value in zip(metadata.keys, metadata.values, strict=True):
                found = _literal(value)
                if key is not None and _literal(key) == "help" and isinstance(found, str):
                    text = found
    elif item.value is not None:
        default = _literal(item.value)
    return OptionSource(name, _hint(item.annotation), default, text)


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNREAD


class _Lists:
    """Stands for ``list`` in annotations: options of methods are tuples, which are hashable."""

    def __getitem__(self, item: Any) -> Any:
        return tuple[item, ...]


class _Mapping:
    """Stands for ``dict`` in annotations: what no text can express, so that a union leaves it out."""

    def __class_getitem__(cls, item: Any) -> Any:
        return cls


class _Choices:
    """Stands for ``Literal``; choices that are patterns (``pissa_niter_[n]``) allow any string."""

    def __getitem__(self, items: Any) -> Any:
        listed = items if isinstance(items, tuple) else (items,)
        if any(isinstance(item, str) and "[" in item for item in listed):
            return str
        return Literal.__getitem__(items)  # mypy accepts only literal values here


class _Names(dict[str, object]):
    """Names that annotations use; any other is a class of PEFT, which no text can express."""

    def __missing__(self, key: str) -> None:
        return None


_NAMES = {
    "int": int, "float": float, "bool": bool, "str": str, "None": None, "list": _Lists(),
    "List": _Lists(), "dict": _Mapping, "Optional": Optional, "Union": Union, "Literal": _Choices(),
}  # fmt: skip


def _hint(annotation: ast.expr) -> Any:
    """Return an annotation as a type, or None if a text cannot express such values."""
    try:
        code = compile(ast.Expression(annotation), "<annotation>", "eval")
        hint = eval(code, {"__builtins__": {}}, _Names(_NAMES))
    except (TypeError, AttributeError):  # dict[str, int], torch.nn.Module
        return None
    if _Mapping in get_args(hint):
        hint = Union[tuple(kind for kind in get_args(hint) if kind is not _Mapping)]  # noqa: UP007
    return None if hint in (type(None), _Mapping) else hint


def _ancestors(name: str, classes: Mapping[str, _Class]) -> list[str]:
    """Return a class and its ancestors, the most distant first."""
    found: list[str] = []
    for base in classes[name].bases if name in classes else ():
        found += [other for other in _ancestors(base, classes) if other not in found]
    return [*found, name]


def _inherited(name: str, classes: Mapping[str, _Class]) -> dict[str, OptionSource]:
    options: dict[str, OptionSource] = {}
    for ancestor in _ancestors(name, classes):
        if ancestor in classes:
            options |= classes[ancestor].options
    return options
