"""One example of a task for language models."""

from __future__ import annotations

from dataclasses import dataclass

JOINT = " "
Turn = tuple[str, str]
"""A role (``system``, ``user`` or ``assistant``) and what it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompted:
    """A prompt with the text to generate after it."""

    prompt: str
    """The prompt, which is the last turn of the user in a conversation; empty for a plain text."""
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
    before: tuple[Turn, ...] = ()
    """The turns of a conversation before the prompt."""

    @property
    def right(self) -> str:
        """The answer to find."""
        return self.answer or self.completion.strip()

    @property
    def plain_prompt(self) -> str:
        """The prompt after the turns before it, for a backbone without a chat template.

        With such turns, each is a line that begins with its role, and the last line is ``Assistant:``.
        """
        if not self.before:
            return self.prompt
        turns = [*self.before, ("user", self.prompt.rstrip()), ("assistant", "")]
        return "\n".join(f"{role.title()}: {words}" for role, words in turns).rstrip(" ")

    def joined(self, completion: str) -> str:
        """Return a completion as it follows the prompt: with a space in between if there is none."""
        prompt = self.plain_prompt
        separated = not prompt or prompt[-1].isspace() or completion[:1].isspace()
        return completion if separated else JOINT + completion
