"""Conditions: how every trial of a study computes. A field here is declared once for the whole package.

A study holds the conditions that were asked for, and so does every trial. The metadata of a field says
what the rest of the package needs to know of it: which values are allowed, its words in a report, and
its command-line option. Adding a field takes no edit in the code that reads studies, writes records,
computes fingerprints, compares studies or parses options.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, TypedDict

from whichpeft.errors import StudyError, unknown

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
QUANTISED = ("8bit", "4bit")
ATTENTIONS = ("auto", "sdpa", "eager", "flash_attention_2")

Place = Literal["fingerprint", "record", "study"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConditionInfo:
    """What the package needs to know of a field of `Conditions`."""

    label: str
    """Its name in sentences about two studies that differ in it."""

    choices: tuple[str, ...] = ()
    """The allowed values, if they are known by name."""

    minimum: float | None = None
    """The smallest allowed number."""

    memory_words: str | None = None
    """Its words among a study's memory options, ``{}`` standing for the value; None if it saves none."""

    help: str | None = None
    """Help text of its command-line option; None if it has no option."""

    commands: tuple[str, ...] = ("run", "plan", "auto")
    """The commands that have the option."""

    always_in: tuple[Place, ...] = ()
    """Where the default is written too.

    Leave it empty for a new field, so that existing fingerprints, records and study files stay valid.
    """


def _condition(default: Any, **info: Any) -> Any:
    return field(default=default, metadata={"info": ConditionInfo(**info)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """How every trial of a study computes. Raises StudyError if a value is wrong."""

    precision: str = _condition(
        "auto",
        label="precision",
        choices=PRECISIONS,
        help="Precision: auto, float32, bfloat16 or float16.",
        commands=("plan",),
        always_in=("fingerprint", "record", "study"),
    )
    """``auto`` takes bfloat16 if all devices of the study multiply it, else float16 if all are GPUs
    that multiply that, else float32."""

    threads: int = _condition(
        1, label="threads", minimum=1, always_in=("fingerprint", "record", "study")
    )
    """Threads per trial on a CPU. With another number, results differ in their last bits."""

    same_targets: bool = _condition(
        True, label="same target modules", always_in=("fingerprint", "record", "study")
    )
    """Whether all methods that adapt target modules adapt the same ones."""

    gradient_checkpointing: bool = _condition(
        False,
        label="gradient checkpointing",
        memory_words="gradient checkpointing",
        help="Recompute activations: less memory, more time.",
        always_in=("record", "study"),
    )
    """Whether the backward pass recomputes activations: less memory, more time."""

    quantise: str | None = _condition(
        None,
        label="weights kept in",
        choices=QUANTISED,
        memory_words="the backbone's weights in {}",
        help="Precision of the backbone's weights: 8bit or 4bit.",
        always_in=("record", "study"),
    )
    """``8bit`` or ``4bit`` keeps the backbone's frozen linear weights in that format. Needs CUDA."""

    shards: int = _condition(
        1,
        label="shards",
        minimum=1,
        memory_words="each trial over {} devices",
        help="Number of devices to spread each trial over.",
        always_in=("record", "study"),
    )
    """Devices that one trial is spread over; each holds its share of every weight."""

    packing: bool = _condition(
        False,
        label="examples packed into shared rows",
        memory_words="short examples packed into shared rows",
        always_in=("record",),
    )
    """Whether short examples of a language model share the rows of a batch, if that saves any."""

    attention: str = _condition(
        "auto",
        label="attention",
        choices=ATTENTIONS,
        help="Attention: auto, sdpa, eager or flash_attention_2.",
    )
    """Implementation of attention, the same for all methods. ``auto`` takes torch's fused kernels (sdpa)
    if transformers has them for the backbone, else eager."""

    deterministic: bool = _condition(
        False,
        label="deterministic operations",
        help="Use only operations that always give the same bits; slower on a GPU.",
        commands=("run", "auto"),
    )
    """Whether a trial uses only operations that give the same bits each time. On a CPU all do."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value, info = getattr(self, f.name), f.metadata["info"]
            if info.choices and value not in (f.default, *info.choices):
                raise StudyError(unknown(f.name, str(value), info.choices))
            if info.minimum is not None and value < info.minimum:
                raise StudyError(f"{f.name} is {value}; it has to be {info.minimum} or more")
        if self.packing and self.shards > 1:
            raise StudyError(
                "packing and shards do not go together: tasks of language models take one process; "
                "keep one of the two"
            )
        if self.attention == "flash_attention_2" and (self.packing or self.precision == "float32"):
            other = "packing" if self.packing else "precision float32"
            raise StudyError(
                f"attention flash_attention_2 and {other} do not go together: it takes no mask that "
                "keeps examples in a row apart, and multiplies in 16 bits; keep one of the two"
            )
        if self.quantise is not None and self.shards > 1:
            raise StudyError(
                "quantise and shards do not go together: quantised weights are not spread over devices; "
                "keep one of the two"
            )

    def written(self, place: Place) -> dict[str, Any]:
        """Return the fields that a place holds: its own, and all that are not at their default."""
        return {
            f.name: value
            for f in fields(self)
            if (value := getattr(self, f.name)) != f.default or place in f.metadata["info"].always_in
        }

    @property
    def memory_options(self) -> tuple[str, ...]:
        """What reduces the memory of a trial, in words."""
        return tuple(
            words.format(getattr(self, f.name))
            for f in fields(self)
            if (words := f.metadata["info"].memory_words) and getattr(self, f.name) != f.default
        )


class ConditionOptions(TypedDict, total=False):
    """The fields of `Conditions` as keywords, for type checkers; `Study` takes them."""

    precision: str
    threads: int
    same_targets: bool
    gradient_checkpointing: bool
    quantise: str | None
    shards: int
    packing: bool
    attention: str
    deterministic: bool


@cache  # a run reads it for every record
def condition_infos() -> tuple[tuple[str, ConditionInfo], ...]:
    """Return the name of each field of `Conditions`, and what the package needs to know of it."""
    return tuple((f.name, f.metadata["info"]) for f in fields(Conditions))


FIRST_CONDITIONS = tuple(name for name, info in condition_infos() if "fingerprint" in info.always_in)
"""The fields that every record has, since the first."""
