"""Builds a tagging task from tables with a list of words and a list of tags per row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from whichpeft.errors import DataError
from whichpeft.tasks.tables.table import ColumnUse, Table, TaskTables
from whichpeft.tasks.tables.values import column_kind
from whichpeft.tasks.tagging.assemble import Sentence, assemble_tagging, raw_split
from whichpeft.tasks.tagging.task import TaggingTask
from whichpeft.units import counted

_WORDS = ("tokens", "words", "sequence", "residues")
# Entities come before what every word has, such as its part of speech.
_TAGS = (
    "ner_tags",
    "ner",
    "tags",
    "labels",
    "entities",
    "chunk_tags",
    "pos_tags",
    "pos",
    "upos",
    "label",
)


def is_tagging(found: TaskTables) -> bool:
    """Whether the tables hold words with a tag each: two columns of lists with customary names."""
    source = found.source
    if source.problem is not None:
        return source.problem == "tagging"
    if source.prompt:
        return False
    table = found.tables["train"]
    if source.text_columns or source.label_column:
        asked = [*source.text_columns, *([source.label_column] if source.label_column else [])]
        lists = _list_columns(table)
        return len(lists) > 1 and all(table.find(name) in lists for name in asked)
    return None not in customary_columns(table)


def tagging_from_tables(found: TaskTables) -> TaggingTask:
    """Build the task; raises DataError if columns are missing or words and tags are not equally many."""
    source, train = found.source, found.tables["train"]
    if len(source.text_columns) > 1:
        raise DataError(f"task {found.name!r}: tagging reads one column of words; name one")
    names = _columns(train, *source.text_columns, label=source.label_column)
    notes = list(train.notes)
    others = [
        train.title(i) for i in _list_columns(train) if train.title(i).casefold() in _TAGS
        and train.title(i) != names[1]
    ]  # fmt: skip
    if others and source.label_column is None:
        notes.append(
            f"tags are read from column {names[1]!r}; name {' or '.join(others)} with "
            "--label-column to predict another one"
        )
    splits = {
        role: raw_split(_sentences(table, names), table.location) for role, table in found.tables.items()
    }
    for role, split in splits.items():
        if left_out := len(found.tables[role]) - len(split):
            rows = counted(left_out, "row")
            notes.append(
                f"{split.location}: {rows} without words {'was' if left_out == 1 else 'were'} left out"
            )
    order = train.class_orders.get(train.index(names[1]), ())
    return assemble_tagging(
        found.name,
        splits,
        metric=source.metric,
        tag_order=order,
        columns=ColumnUse(
            text=(names[0],),
            label=names[1],
            unused=tuple(
                train.title(i) for i in range(len(train.columns)) if train.title(i) not in names
            ),
        ),
        notes=notes,
    )


def _columns(table: Table, words: str | None = None, *, label: str | None = None) -> tuple[str, str]:
    lists = _list_columns(table)
    usual = customary_columns(table)
    found = [
        table.index(words) if words is not None else usual[0],
        table.index(label) if label is not None else usual[1],
    ]
    for place, what in zip(found, ("words", "tags"), strict=True):
        if place is None or place not in lists:
            held = f"column {table.title(place)!r} does not hold lists" if place is not None else (
                f"no column of lists is called as one of {what} is"
            )  # fmt: skip
            raise DataError(
                f"{table.location}: {held}; tagging needs a list of words and a list of tags per row, "
                "named with --text-column and --label-column"
            )
    return table.title(found[0] or 0), table.title(found[1] or 0)


def _sentences(table: Table, names: Sequence[str]) -> Iterator[Sentence]:
    words = table.columns[table.index(names[0])]
    for own, tags in zip(words, tag_names(table, table.index(names[1])), strict=True):
        yield list(map(str, own or ())), tags


def customary_columns(table: Table) -> tuple[int | None, int | None]:
    """Return the columns of lists that are called as those of words and of tags mostly are."""
    lists = _list_columns(table)
    return _customary(table, lists, _WORDS), _customary(table, lists, _TAGS)


def tag_names(table: Table, place: int) -> list[list[str]]:
    """Return the tags of each row of a column, by name if the source numbers them."""
    order = table.class_orders.get(place, ())
    return [[_tag(tag, order) for tag in tags or ()] for tags in table.columns[place]]


def _tag(value: object, order: Sequence[str]) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(order):
        return order[value]
    return str(value)


def _list_columns(table: Table) -> list[int]:
    return [i for i, values in enumerate(table.columns) if column_kind(values) == "lists"]


def _customary(table: Table, among: Sequence[int], names: Sequence[str]) -> int | None:
    titles = {table.title(i).strip().casefold(): i for i in among}
    return next((titles[name] for name in names if name in titles), None)
