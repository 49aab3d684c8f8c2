"""One example of a task for language models."""

from __future__ import annotations

from dataclasses import dataclass

JOINT = " "


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompted:
    """A prompt with the text to generate after it."""

    prompt: str
    """The prompt; empty for a plain text."""
    completion: str
    """The text that training teaches to generate."""
    answer: str = ""
    """The part of the completion that is right or wrong; the whole completion if empty."""
    choices: tuple[str, ...] = ()
    """Answers to choose from, including `answer`."""
    completions: tuple[str, ...] = ()
    """The completion for each choice; the choices themselves if empty."""
    group: str = ""
    """Name of the set that the example comes from, in a mixture of several sets."""

    @property
    def right(self) -> str:
        """The answer to find."""
        return self.answer or self.completion.strip()

    def joined(self, completion: str) -> str:
        """Return a completion as it follows the prompt: with a space in between if there is none."""
        separated = not self.prompt or self.prompt[-1].isspace() or completion[:1].isspace()
        return completion if separated else JOINT + completion
