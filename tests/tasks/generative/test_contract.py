"""Tasks for language models keep the contract of tasks, with every type of evaluation."""

from __future__ import annotations

import pytest

from whichpeft.backbones import Backbone
from whichpeft.tasks import GenerativeTask, Prompted, generative_task
from whichpeft.testing import TaskContract

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def examples(first: int, last: int, *, chosen: bool = False) -> list[Prompted]:
    return [
        Prompted(
            prompt=f"{NAMES[i // 10]} {NAMES[i % 10]} is",
            completion=f"the answer is {i}",
            answer=str(i),
            choices=(str(i), str(i + 1), str(i - 1)) if chosen else (),
            group="small" if i % 2 else "large",
        )
        for i in range(first, last)
    ]


def counting(metric: str) -> GenerativeTask:
    chosen = metric in ("acc", "acc_norm")
    return generative_task(
        "counting",
        train=examples(10, 70, chosen=chosen),
        validation=examples(70, 80, chosen=chosen),
        test=examples(80, 100, chosen=chosen),
        metric=metric,
    )


@pytest.mark.parametrize("rule", TaskContract.rules)
@pytest.mark.parametrize("metric", ["acc", "acc_norm", "exact_match", "log_likelihood"])
def test_rule(rule: str, metric: str, tiny_writer: Backbone) -> None:
    contract = TaskContract(load=lambda: counting(metric), backbone=tiny_writer, max_train=40)
    getattr(contract, rule)()
