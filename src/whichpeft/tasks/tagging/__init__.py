"""Tasks that give each word of a sentence, or each residue of a protein, a tag."""

from __future__ import annotations

from whichpeft.tasks.tagging.task import TaggingTask

__all__ = ["TaggingTask"]
