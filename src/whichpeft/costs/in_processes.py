"""Counts costs in several processes at once, from a fork server that has done the imports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.engine.environment import usable_cores
from whichpeft.engine.fork_server import beginning, end_with_parent, start_context
from whichpeft.planning.fake_tensors import quiet_fakes

A = TypeVar("A")
B = TypeVar("B")

_FEWEST = 8  # of questions that are worth the start of processes


def ask_all(function: Callable[[A], B], questions: Sequence[A]) -> list[B]:
    """Return what a function answers to each question, in order.

    A process that would have to import everything first is not worth its start, so only a fork server
    gets any. Unlike forking this process, it can be used while other threads run.

    Parameters
    ----------
    function
        A function of a module, since it is sent by name.
    questions
        What it is called with. They are sent too, so they should be small.
    """
    context = start_context()
    workers = min(len(questions), usable_cores())
    if workers < 2 or len(questions) < _FEWEST or context.get_start_method() != "forkserver":
        return [_answer(function, question) for question in questions]
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        with beginning():
            asked = [pool.submit(_answer, function, question) for question in questions]
        return [future.result() for future in asked]
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    import torch

    end_with_parent()
    torch.set_num_threads(1)


def _answer(function: Callable[[A], B], question: A) -> B:
    with quiet_loading(), quiet_fakes():
        return function(question)
