"""Instruction data: instructions with outputs, and the choices that an instruction offers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.tables.values import trimmed

# The list of possible answers at the end of an instruction.
_FORMAT = re.compile(r"answer format:\s*([^\n]+?)\s*$", re.IGNORECASE)
_LETTERED = re.compile(r"\(([A-Z])\)")


def instruction_prompt(asked: str) -> str:
    """Return the prompt for an instruction or a question."""
    return f"{trimmed(asked)}\n\n### Answer:\n"


def instructed(asked: Sequence[str], written: Sequence[str]) -> Prompted:
    """Read instruction data: an instruction, optional inputs, the output, and optionally its answer."""
    question = "\n".join(part for part in asked if part.strip())
    output, answer = trimmed(written[0]), written[1].strip() if written[1:] else ""
    prompt = instruction_prompt(question)
    choices = _offered(question)
    if answer not in choices:
        return Prompted(prompt=prompt, completion=output or answer, answer=answer)
    # If the output ends with the answer, each choice can take its place.
    stem = output.removesuffix(answer) if output.endswith(answer) else ""
    return Prompted(
        prompt=prompt,
        completion=output or answer,
        answer=answer,
        choices=choices,
        completions=tuple(stem + choice for choice in choices),
    )


def _offered(asked: str) -> tuple[str, ...]:
    """Return the choices that an instruction offers: after its format, or as letters in brackets."""
    listed = _FORMAT.search(asked)
    if listed:
        return tuple(dict.fromkeys(choice.strip() for choice in listed.group(1).split("/")))
    letters = tuple(dict.fromkeys(_LETTERED.findall(asked)))
    # Letters that are not consecutive from A are something else in brackets.
    return letters if letters == tuple("ABCDEFGHIJ"[: len(letters)]) and len(letters) > 1 else ()
