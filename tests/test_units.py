"""Sizes and speeds as people write them."""

from __future__ import annotations

import pytest

from whichpeft.errors import StudyError
from whichpeft.units import parse_bytes, parse_speed


@pytest.mark.parametrize(
    ("text", "value"),
    [("24GB", 24_000_000_000), ("24 GB", 24_000_000_000), ("6 GiB", 6 * 1024**3), ("500mb", 500_000_000),
     ("1.5kB", 1500), ("12 B", 12)],
)  # fmt: skip
def test_sizes_are_read(text: str, value: int) -> None:
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["24", "GB", "24 gigs", "-1GB", "0GB", "", "1,5GB"])
def test_what_is_no_size_is_named(text: str) -> None:
    with pytest.raises(StudyError, match="write it as 24GB"):
        parse_bytes(text)


@pytest.mark.parametrize(("text", "value"), [("80TFLOPS", 8e13), ("500 GFLOP/s", 5e11)])
def test_speeds_are_read(text: str, value: float) -> None:
    assert parse_speed(text) == value


def test_what_is_no_speed_is_named() -> None:
    with pytest.raises(StudyError, match="'80' is not a speed; write it as 80TFLOPS"):
        parse_speed("80")
