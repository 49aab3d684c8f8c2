"""The rows of a report as a Parquet file with a type for each column."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from whichpeft.analysis.method_result import COUNTS, IDENTITY, Row
from whichpeft.report.tables.export import keys, strict

if TYPE_CHECKING:
    import pyarrow as pa


def as_parquet(rows: Sequence[Row], *, study: str) -> bytes:
    """Write rows as Parquet.

    Scores and gaps are doubles, counts and bytes are integers, ``seeds`` is a list of integers and
    ``hyperparameters`` is JSON. Unknown values are null.

    Parameters
    ----------
    rows
        The rows of a report.
    study
        The study's YAML, stored in the file's metadata under ``whichpeft.study``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = keys(rows)
    schema = pa.schema(
        [pa.field(key, _type(key)) for key in columns], metadata={"whichpeft.study": study}
    )
    values = [{key: _value(key, row[key]) for key in columns} for row in rows]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(values, schema=schema), buffer)
    return buffer.getvalue()


def _type(key: str) -> pa.DataType:
    import pyarrow as pa

    if key == "seeds":
        return pa.list_(pa.int64())
    if key == "on_frontier":
        return pa.bool_()
    if key in COUNTS:
        return pa.int64()
    if key == "verdict" or (key in IDENTITY and key != "chance"):
        return pa.string()
    return pa.float64()


def _value(key: str, value: object) -> object:
    if key == "hyperparameters" and value is not None:
        return json.dumps(strict(value), sort_keys=True)
    return strict(value)
