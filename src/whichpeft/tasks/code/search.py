"""The bundled retrieval task: which function does a docstring describe?

The query is the first sentence of a docstring, and the candidates are the sources of all functions of
the split, without docstrings and without their own names.
"""

from __future__ import annotations

from whichpeft.tasks.code.functions import fewest, functions_by_split
from whichpeft.tasks.retrieval.assemble import retrieval_task
from whichpeft.tasks.retrieval.task import RetrievalTask

MOST_PER_SPLIT = {"train": 500, "validation": 200, "test": 500}


def stdlib_search() -> RetrievalTask:
    """Load the task ``stdlib-search`` from the running Python's standard library.

    Raises DataError if the library's sources are missing, as in an embedded or frozen Python.
    """
    splits = {
        key: [(function.summary, function.code) for function in fewest(functions, MOST_PER_SPLIT[key])]
        for key, functions in functions_by_split("stdlib-search").items()
    }
    return retrieval_task(
        "stdlib-search",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
    )
