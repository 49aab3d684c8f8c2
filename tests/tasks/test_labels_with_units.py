"""Labels that are numbers with a unit: what refuses them names a fix that works."""

from __future__ import annotations

import pandas as pd
import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_percentages_are_refused_until_they_are_plain_numbers(tmp_path, suffix):
    path = tmp_path / f"data.{suffix}"

    def write(labels):
        frame = pd.DataFrame({"text": [f"some text {i}" for i in range(40)], "label": labels})
        if suffix == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_json(path, orient="records", lines=True)

    write([f"{50 + i}%" for i in range(40)])
    with pytest.raises(DataError, match=r"write numbers such as '50%' plainly \(50\) to predict them"):
        load_task(TaskSource(name=str(path)))
    with pytest.raises(DataError, match=r"label '50%' is not a number.*; write it plainly \(50\)"):
        load_task(TaskSource(name=str(path), problem="regression"))
    write(["50", *(str(50 + i) for i in range(1, 40))])
    assert load_task(TaskSource(name=str(path))).problem == "regression"
