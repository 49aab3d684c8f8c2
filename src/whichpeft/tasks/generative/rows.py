"""Reads the rows of a table as prompts with completions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks.generative.answers import GSM8K_MARK
from whichpeft.tasks.generative.conversations import (
    SYSTEM,
    conversation_columns,
    read_conversations,
    read_history,
)
from whichpeft.tasks.generative.instructions import instructed
from whichpeft.tasks.generative.prompted import Prompted, Turn
from whichpeft.tasks.tables.column_contents import may_be_label
from whichpeft.tasks.tables.columns import LABEL_NAMES
from whichpeft.tasks.tables.table import ColumnUse, Table
from whichpeft.tasks.tables.values import column_texts, notes_on_texts
from whichpeft.units import counted

# Names that instruction data give to the columns of prompts and completions.
INSTRUCTION = "instruction"
PAIRS = (
    (INSTRUCTION, "output"),
    (INSTRUCTION, "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("input", "output"),
    ("source", "target"),
    ("question", "response"),
    ("query", "response"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("dialogue", "summary"),
    ("text", "summary"),
    (INSTRUCTION, "completion"),
    (INSTRUCTION, "answer"),
)
# These names may also be those of a text and of something about it, so a generation has to be asked for.
_ASKED_PAIRS = (("input_text", "target_text"), ("inputs", "targets"), ("query", "answer"))
_INPUTS, _CONTEXTS, _ANSWER = ("input", "context"), ("context", "passage"), "answer"
_SYSTEMS, _HISTORY = ("system", "system_prompt"), "history"
_TEXT = ("text", "story", "content", "document")
_PLACE = re.compile(r"\{([^{}\n]+)\}")
_NAME = re.compile(r"\s*\w[\w .-]*")

Make = Callable[[Sequence[str], Sequence[str]], Prompted]


@dataclass(frozen=True, slots=True)
class ReadRows:
    """The examples of a table."""

    examples: tuple[Prompted, ...]
    """The examples, without the rows that were skipped."""
    columns: ColumnUse
    """What the columns are used for."""
    notes: tuple[str, ...]
    """What a user should know about how they were read."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a row becomes an example."""

    asked: tuple[int, ...]
    """Columns of the prompt; none for plain texts."""
    written: tuple[int, ...]
    """Columns of the completion, the completion first."""
    make: Make
    """Makes an example of the texts of both."""


def folded_names(table: Table) -> list[str]:
    """Return the names of the columns in lower case; without a header, their numbers."""
    if table.names is None:
        return [str(i) for i in range(len(table.columns))]
    return [name.strip().casefold() for name in table.names]


def read_rows(table: Table, source: TaskSource) -> ReadRows:
    """Read each row of a table as an example; skip rows without a prompt or a completion.

    If the source has a template, it gives the prompt, and the label column gives the completion.
    Otherwise columns are found by their customary names in instruction data, and conversations by what
    they hold. Raises DataError, which names the column.
    """
    if table.names is None and (source.prompt or not source.label_column):
        raise DataError(
            f"{table.location}: has no header, so its columns have no names; give --text-column and "
            "--label-column by index, or add a header"
        )
    talks = _conversations(table, source)
    free = not (source.prompt or source.text_columns)
    system = _first_of(table, _SYSTEMS) if free else None
    systems = column_texts(table, system) if system is not None else []
    first = () if system is None else (system,)
    if talks:
        found, said = read_conversations(table, talks, systems)
        label = table.title(talks[1]) if len(talks) > 1 else None
        use = _use(table, (*first, *talks[:1]), label, talks)
        return ReadRows(tuple(found), use, (*said, *_notes_on_turns(table, found)))
    recipe = _recipe(table, source)
    history = _first_of(table, (_HISTORY,)) if free and recipe.asked else None
    earlier = read_history(table, history) if history is not None else []
    asked, written = (
        [column_texts(table, index) for index in columns] for columns in (recipe.asked, recipe.written)
    )
    read_as_text = zip((*recipe.asked, *recipe.written[:1]), (*asked, *written[:1]), strict=True)
    notes = [note for index, texts in read_as_text for note in notes_on_texts(table, index, texts)]
    examples = []
    without_prompt = without_completion = 0
    never_asked = not any(text.strip() for texts in asked for text in texts)
    for row in range(len(table)):
        questions, answers = [texts[row] for texts in asked], [texts[row] for texts in written]
        example = recipe.make(questions, answers)
        if not example.completion.strip():
            without_completion += 1
        elif not never_asked and not any(text.strip() for text in questions):
            without_prompt += 1
        else:
            turns = [(SYSTEM, systems[row])] if recipe.asked and systems and systems[row].strip() else []
            turns += earlier[row] if earlier else ()
            examples.append(_after(example, tuple(turns)))
    for count, what in ((without_completion, "completion"), (without_prompt, "prompt")):
        if count:
            verb = "was" if count == 1 else "were"
            notes.append(f"{table.location}: {counted(count, 'row')} without a {what} {verb} skipped")
    if recipe.asked and history is not None:
        first = (*first, history)
    if free and not recipe.asked:
        notes += _notes_on_labels(table, recipe.written)
    label = table.title(recipe.written[0]) if recipe.asked else None
    text = (*first, *recipe.asked) if recipe.asked else recipe.written
    use = _use(table, text, label, recipe.written)
    return ReadRows(tuple(examples), use, (*notes, *_notes_on_turns(table, examples)))


def _use(table: Table, text: Sequence[int], label: str | None, others: Sequence[int]) -> ColumnUse:
    used = {*text, *others}
    return ColumnUse(
        text=tuple(map(table.title, dict.fromkeys(text))),
        label=label,
        unused=tuple(table.title(i) for i in range(len(table.columns)) if i not in used),
    )


def _notes_on_labels(table: Table, used: Sequence[int]) -> list[str]:
    """Say which column looks like labels of texts that are learned on their own."""
    found = _first_of(table, LABEL_NAMES)
    if found is None or found in used or may_be_label(table.labels(found)) != "few":
        return []
    if len({str(value) for value in table.columns[found]}) < 2:
        return []
    return [
        f"{table.location}: the texts alone are learned, and column {table.title(found)!r} is not read; "
        f"--label-column {table.title(found)} makes it the completion"
    ]


def _after(example: Prompted, turns: tuple[Turn, ...]) -> Prompted:
    return dataclasses.replace(example, before=turns) if turns else example


def _notes_on_turns(table: Table, examples: Sequence[Prompted]) -> list[str]:
    count = sum(bool(example.before) for example in examples)
    if not count:
        return []
    return [
        f"{table.location}: {counted(count, 'prompt')} after other turns; a backbone without a chat "
        "template reads these as lines of 'System:', 'User:' and 'Assistant:'"
    ]


def _conversations(table: Table, source: TaskSource) -> list[int]:
    """Return the columns whose turns make a conversation: one, or those of prompt and completion."""
    if source.prompt:
        return []
    found = conversation_columns(table)
    if source.text_columns or source.label_column:
        given = [table.index(column) for column in source.text_columns]
        label = [table.index(source.label_column)] if source.label_column else []
        asked = [*given, *label]
        return asked if len(given) == 1 and any(index in found for index in asked) else []
    names = folded_names(table)
    for asked_name, written in PAIRS:
        if {asked_name, written} <= set(names):
            pair = [names.index(asked_name), names.index(written)]
            if any(index in found for index in pair):
                return pair
    if len(found) > 1:
        columns = " and ".join(map(table.title, found))
        raise DataError(
            f"{table.location}: columns {columns} hold conversations; choose one with --text-column"
        )
    return found


def _recipe(table: Table, source: TaskSource) -> _Recipe:
    """Find the columns of prompts and completions, and how they become examples."""
    names = folded_names(table)
    label = table.index(source.label_column) if source.label_column else None
    words = source.verbaliser

    def joined(asked: Sequence[str], written: Sequence[str]) -> Prompted:
        return _verbalised("\n".join(asked), written[0], words, table)

    def verbalised(asked: Sequence[str], written: Sequence[str]) -> Prompted:
        return joined([text for text in asked if text.strip()], written)

    if source.prompt:
        prompt = source.prompt
        places = _places(table, prompt)
        if label is None:
            label = _completion_column(table)
        inserted = tuple(dict.fromkeys(places.values()))
        if label in inserted:
            raise DataError(
                f"prompt {prompt!r}: contains column {table.title(label)!r}, which is the completion; "
                "leave it out, or name another with --label-column"
            )

        def filled(asked: Sequence[str], written: Sequence[str]) -> Prompted:
            row = dict(zip(inserted, asked, strict=True))
            whole = _PLACE.sub(
                lambda place: row[places[place[1]]] if place[1] in places else place[0], prompt
            )
            return _verbalised(whole, written[0], words, table)

        return _Recipe(inserted, (label,), filled)
    if source.text_columns:
        given = tuple(table.index(column) for column in source.text_columns)
        if label is None:
            return _Recipe((), given, lambda _, written: _plain("\n".join(written)))
        return _Recipe(given, (label,), joined)
    if label is None and words:
        label = _completion_column(table)
    for asked, written in PAIRS if label is not None else (*PAIRS, *_ASKED_PAIRS):
        if asked in names and (label is not None or written in names):
            question, answer = names.index(asked), names.index(written) if label is None else label
            if asked == INSTRUCTION:
                inputs = [names.index(name) for name in _INPUTS if name in names]
                short = [names.index(_ANSWER)] if _ANSWER in names else []
                written_in = tuple(dict.fromkeys((answer, *short)))
                return _Recipe((question, *(i for i in inputs if i != answer)), written_in, instructed)
            context = [i for n in _CONTEXTS if n in names and (i := names.index(n)) != answer][:1]
            if question != answer:
                return _Recipe((*context, question), (answer,), verbalised)
    text = _first_of(table, _TEXT)
    if text is not None and label is not None and text != label:
        return _Recipe((text,), (label,), verbalised)
    if text is not None:
        return _Recipe((), (text,), lambda _, written: _plain(written[0]))
    raise DataError(
        f"{table.location}: no columns have customary names (instruction and output, prompt and "
        "completion, question and answer, text); name them with --text-column and --label-column "
        f"(the columns are {', '.join(table.names or names)})"
    )


def _plain(text: str) -> Prompted:
    return Prompted(prompt="", completion=text)


def _verbalised(prompt: str, label: str, words: Mapping[str, str], table: Table) -> Prompted:
    """Replace a label by its words in the verbaliser; without one, the label is the completion."""
    if not words:
        mark = label.rpartition(GSM8K_MARK)[2].strip() if GSM8K_MARK in label else ""
        return Prompted(prompt=prompt, completion=label, answer=mark)
    if not label.strip():
        return Prompted(prompt=prompt, completion="")
    if label in ("true", "false"):  # as a JSON file has them; Python and R write other cases
        label = next((word for word in words if word.casefold() == label), label)
    if label not in words:
        raise DataError(
            f"{table.location}: the verbaliser has no word for the label {label!r}, only for "
            f"{', '.join(words)}"
        )
    choices = tuple(words.values())
    return Prompted(prompt=prompt, completion=words[label], answer=words[label], choices=choices)


def _places(table: Table, template: str) -> dict[str, int]:
    """Return the columns that a template names in braces; other text in braces stays as it is."""
    found = {}
    for place in _PLACE.findall(template):
        index = table.find(place.strip())
        if index is None and _NAME.fullmatch(place):
            index = table.index(place)  # raises
        if index is not None:
            found[place] = index
    if not found:
        raise DataError(f"prompt {template!r}: contains no column name; write one as {{text}}")
    return found


def _completion_column(table: Table) -> int:
    names = ("completion", "output", "answer", "label")
    found = _first_of(table, names)
    if found is None:
        raise DataError(
            f"{table.location}: no column is named {', '.join(names)}; name the column of completions "
            "with --label-column"
        )
    return found


def _first_of(table: Table, names: Sequence[str]) -> int | None:
    folded = folded_names(table)
    return next((folded.index(name) for name in names if name in folded), None)
