"""Contracts for authors of plug-ins; whichpeft's own tests run them, too.

    from whichpeft.testing import MethodContract, TaskContract

    def test_my_task():
        TaskContract(load=my_task).check()

    def test_my_method():
        MethodContract("my-method:size=4").check()

A broken rule raises AssertionError, whose message says what was expected and what was found.
"""

from whichpeft.testing.methods import MethodContract
from whichpeft.testing.tasks import TaskContract

__all__ = ["MethodContract", "TaskContract"]
