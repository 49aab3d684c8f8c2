"""Every method keeps the contract of methods, on the embedded backbone."""

from functools import cache

import pytest

from whichpeft.methods import methods
from whichpeft.testing import MethodContract


@cache
def contract(name: str) -> MethodContract:
    return MethodContract(name)


@pytest.mark.parametrize("rule", MethodContract.rules)
@pytest.mark.parametrize("name", list(methods()))
def test_method_keeps_its_contract(name: str, rule: str) -> None:
    contract(name).check_rule(rule)
