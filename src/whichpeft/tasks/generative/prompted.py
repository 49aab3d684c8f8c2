"""One example of a task for language models."""

from __future__ import annotations

from dataclasses import dataclass

JOINT = " "


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompted:
    """A prompt, and what is to be written after it.

    completion: what training teaches to write; a text alone, where the prompt is empty.
    answer: the part of the completion that is right or wrong; the whole of it where not given.
    choices: answers to choose among, of which `answer` is one, and completions: each of them written
    out as the completion is.
    group: of a mixture of several sets, the name of the one that it is from.
    """

    prompt: str
    completion: str
    answer: str = ""
    choices: tuple[str, ...] = ()
    completions: tuple[str, ...] = ()
    group: str = ""

    @property
    def right(self) -> str:
        """What has to be found."""
        return self.answer or self.completion.strip()

    def joined(self, completion: str) -> str:
        """Return a completion as it follows the prompt: with a space between them, if there is none."""
        apart = not self.prompt or self.prompt[-1].isspace() or completion[:1].isspace()
        return completion if apart else JOINT + completion
