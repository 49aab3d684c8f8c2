"""The rows of a report as Parquet: typed, and the same as the table."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from whichpeft.analysis import KEYS
from whichpeft.report import Report

from .. import builders


def test_rows_keep_their_types(tmp_path):
    records = [
        *builders.whole("full", [0.9, 0.91], adapter=builders.BASE),
        *builders.whole("lora:r=8", [0.8, 0.82]),
        builders.ended("ia3", "failed", "no memory", phase="fit"),
    ]
    report = Report(builders.study(["full", "lora:r=8", "ia3"], seeds=(0, 1)), records)
    path = tmp_path / "new" / "rows.parquet"
    report.write_parquet(path)
    schema = pq.read_schema(path)
    assert schema.names == list(KEYS)
    assert schema.field("seeds").type == pa.list_(pa.int64())
    assert schema.field("adapter_bytes").type == pa.int64()
    assert schema.field("score_mean").type == pa.float64()
    assert schema.field("on_frontier").type == pa.bool_()
    assert schema.metadata[b"whichpeft.study"].decode() == report.study_text
    frame, table = pd.read_parquet(path), report.table()
    for key in ("method", "status", "score_mean", "gap_high", "adapter_bytes", "verdict"):
        for found, known in zip(frame[key], table[key], strict=True):
            assert (pd.isna(found) and pd.isna(known)) or found == known
    assert list(frame["seeds"].iloc[1]) == [0, 1]
    assert json.loads(frame["hyperparameters"].iloc[1]) == {"learning_rate": 0.001}
    assert pd.isna(frame["score_mean"].iloc[2])
    report.with_pscp().write_parquet(path)
    assert pq.read_schema(path).names == [*KEYS, "pscp_low", "pscp_high"]


def test_a_report_without_scores_can_be_written(tmp_path):
    report = Report(builders.study(["full"]), [])
    report.write_parquet(tmp_path / "rows.parquet")
    assert len(pd.read_parquet(tmp_path / "rows.parquet")) == len(report.rows)
