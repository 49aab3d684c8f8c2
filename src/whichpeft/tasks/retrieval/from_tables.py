"""Reads tables of queries with their documents."""

from __future__ import annotations

from whichpeft.errors import DataError
from whichpeft.tasks.retrieval.assemble import assemble_retrieval, raw_split
from whichpeft.tasks.retrieval.task import RetrievalTask
from whichpeft.tasks.splits import Split
from whichpeft.tasks.tables.columns import folded_name
from whichpeft.tasks.tables.table import ColumnUse, Table, TaskTables
from whichpeft.tasks.tables.values import column_texts, trimmed
from whichpeft.units import counted, join_words

# What columns of queries and of documents are called.
NAMES = (
    ("query", "document"),
    ("query", "passage"),
    ("question", "passage"),
    ("question", "context"),
    ("anchor", "positive"),
    ("docstring", "code"),
)


def is_retrieval(found: TaskTables) -> bool:
    """Whether the user asks for retrieval: nothing else tells pairs from texts with two parts."""
    return found.source.problem == "retrieval"


def retrieval_from_tables(found: TaskTables) -> RetrievalTask:
    """Build a task from tables with a column of queries and one of documents.

    Raises DataError if a table lacks one of the columns.
    """
    train, source = found.tables["train"], found.source
    titles = source.text_columns or _named(train)
    if len(titles) != 2:
        there = join_words(map(train.title, _all(train)))
        raise DataError(
            f"{train.location}: retrieval needs a column of queries and one of documents; name both "
            f"with --text-column, queries first (the columns are {there})"
        )
    notes = list(train.notes)
    splits: dict[str, Split] = {}
    for role, table in found.tables.items():
        queries, documents = (column_texts(table, table.index(title)) for title in titles)
        pairs = [(trimmed(one), trimmed(two)) for one, two in zip(queries, documents, strict=True)]
        splits[role] = raw_split(pairs, table.location)
        left = len(pairs) - len(splits[role])
        if left:
            notes.append(
                f"{table.location}: {counted(left, 'row')} without a query or a document "
                f"{'was' if left == 1 else 'were'} skipped"
            )
    used = [train.index(title) for title in titles]
    use = ColumnUse(
        text=tuple(map(train.title, used)),
        label=None,
        unused=tuple(train.title(i) for i in _all(train) if i not in used),
    )
    return assemble_retrieval(found.name, splits, metric=source.metric, columns=use, notes=notes)


def _named(table: Table) -> tuple[str, ...]:
    folded = [folded_name(name) for name in table.names or ()]
    for pair in NAMES:
        if {*pair} <= {*folded}:
            return tuple(table.title(folded.index(name)) for name in pair)
    return ()


def _all(table: Table) -> range:
    return range(len(table.columns))
