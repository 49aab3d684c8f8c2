"""The bundled task of describing code: the first sentence of a function's docstring, from its source.

Functions are those of `tasks.code.search`. Scores are ROUGE-L and its kin, so sacrebleu has to be
installed. The bundled `tiny-llama` knows neither code nor these words; it shows that everything runs.
"""

from __future__ import annotations

from whichpeft.tasks.code.functions import Function, fewest, functions_by_split
from whichpeft.tasks.generative.from_examples import generative_task
from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.generative.task import GenerativeTask

METRIC = "rouge_l"
MOST_PER_SPLIT = {"train": 500, "validation": 100, "test": 300}


def stdlib_summary() -> GenerativeTask:
    """Load the task ``stdlib-summary`` from the running Python's standard library.

    Raises DataError if the library's sources are missing, as in an embedded or frozen Python, or if
    sacrebleu is not installed.
    """
    splits = {
        key: [_asked(function) for function in fewest(functions, MOST_PER_SPLIT[key])]
        for key, functions in functions_by_split("stdlib-summary").items()
    }
    return generative_task(
        "stdlib-summary",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        metric=METRIC,
    )


def _asked(function: Function) -> Prompted:
    return Prompted(prompt=f"{function.code}\n\nThis function does:\n", completion=function.summary)
