"""Published results: there, whole, and with their source."""

from __future__ import annotations

import pytest

from whichpeft import reference
from whichpeft.errors import RequestError

ROWS = {"domains": 7, "commonsense_llama": 17, "arithmetic_llama": 12, "parameter_counts": 9}


@pytest.mark.parametrize("name", reference.NAMES)
def test_table_and_source(name):
    frame = reference.load(name)
    assert len(frame) == ROWS[name]
    assert frame.attrs["source"].startswith(reference.source(name).what)
    assert reference.source(name).published in frame.attrs["source"]


def test_averages_are_means_of_the_tasks():
    frame = reference.load("commonsense_llama")
    tasks = frame.loc[:, "BoolQ":"OBQA"].mean(axis=1)
    assert (tasks - frame["average"]).abs().max() < 0.11


def test_unknown_name_gets_the_nearest():
    with pytest.raises(RequestError, match="did you mean 'domains'"):
        reference.load("domain")
