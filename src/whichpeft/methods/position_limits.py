"""How many virtual tokens the positions of a backbone leave room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whichpeft.backbones import Backbone
    from whichpeft.tasks import Task


def too_many_tokens(count: int, backbone: Backbone, task: Task) -> str | None:
    """Return why a backbone has too few positions for some virtual tokens and an input, or None.

    Only a table of positions has an end. Rotary positions have none, but a model has not learned to read
    beyond those that it was trained with; relative positions and ALiBi have no such limit.
    """
    residues = bool(getattr(task, "residues", False))
    free, positions = backbone.free_positions(residues=residues), backbone.positions
    if free is None or positions is None or count <= free:
        return None
    from whichpeft.backbones.position_table import has_position_table, is_rotary

    if has_position_table(backbone):
        return (
            f"{count} virtual tokens overflow the position embeddings: only {free} of {positions} "
            "positions are reserved for them"
        )
    from whichpeft.tasks.generative.encoding import LONGEST as LONGEST_PROMPT
    from whichpeft.tasks.residues.encoding import LONGEST_SEQUENCE
    from whichpeft.tasks.text_encoding import LONGEST

    longest = LONGEST_PROMPT if task.task_type == "CAUSAL_LM" else LONGEST
    if residues:
        longest = LONGEST_SEQUENCE
    longest = min(longest, backbone.input_positions or longest)
    if not is_rotary(backbone) or count + longest <= positions:
        return None
    return (
        f"{count} virtual tokens and an input of up to {longest} tokens exceed the {positions} "
        f"positions that {backbone.name} was trained with"
    )
