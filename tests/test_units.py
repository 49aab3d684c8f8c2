"""Sizes, speeds, durations and percentages as people write them."""

from __future__ import annotations

import pytest

from whichpeft.errors import StudyError
from whichpeft.units import (
    counted,
    join_words,
    parse_bytes,
    parse_duration,
    parse_percent,
    parse_speed,
    plural,
    show_milliseconds,
    show_seconds_between,
    show_seeds,
)


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(8.23, 21.4, "8.2 to 21 s"), (78, 210, "1.3 to 3.5 min"), (7200, 18360, "2.0 to 5.1 h"),
     (9.96, 10.2, "10 s"), (0.0, 0.0, "0.0 s")],
)  # fmt: skip
def test_ranges_of_durations_have_one_unit(low: float, high: float, shown: str) -> None:
    assert show_seconds_between(low, high) == shown


@pytest.mark.parametrize(
    ("text", "value"),
    [("24GB", 24_000_000_000), ("24 GB", 24_000_000_000), ("6 GiB", 6 * 1024**3), ("500mb", 500_000_000),
     ("1.5kB", 1500), ("12 B", 12)],
)  # fmt: skip
def test_sizes_are_read(text: str, value: int) -> None:
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["24", "GB", "24 gigs", "-1GB", "0GB", "", "1,5GB"])
def test_text_that_is_not_a_size_is_reported(text: str) -> None:
    with pytest.raises(StudyError, match="write it as 24GB"):
        parse_bytes(text)


@pytest.mark.parametrize(("text", "value"), [("80TFLOPS", 8e13), ("500 GFLOP/s", 5e11)])
def test_speeds_are_read(text: str, value: float) -> None:
    assert parse_speed(text) == value


def test_text_that_is_not_a_speed_is_reported() -> None:
    with pytest.raises(StudyError, match="'80' is not a speed; write it as 80TFLOPS"):
        parse_speed("80")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("30s", 30), ("1h", 3600), ("20ms", 0.02), ("1.5 min", 90), ("2 hours", 7200)],
)
def test_durations_are_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["10", "m", "0s", "-1m", "ten minutes", "", "1h 30m"])
def test_text_that_is_not_a_duration_is_reported(text: str) -> None:
    with pytest.raises(StudyError, match="write it as 10m, 30s, 1h or 20ms"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "value"), [("1%", 1.0), ("0.5 %", 0.5), ("0%", 0.0), ("100%", 100.0)])
def test_percentages_are_read(text: str, value: float) -> None:
    assert parse_percent(text) == value


@pytest.mark.parametrize("text", ["1", "%", "101%", "-1%", "", "a %"])
def test_text_that_is_not_a_percentage_is_reported(text: str) -> None:
    with pytest.raises(StudyError, match=r"write it as 1% or 0\.5%"):
        parse_percent(text)


def test_milliseconds_are_shown_short() -> None:
    assert [show_milliseconds(v) for v in (0.42, 4.2, 1234.5)] == ["0.42 ms", "4.2 ms", "1,234 ms"]


def test_nouns_agree_with_their_count() -> None:
    assert [plural("seed", count) for count in (0, 1, 2)] == ["seeds", "seed", "seeds"]
    assert counted(1, "step") == "1 step"
    assert counted(2000, "step") == "2,000 steps"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, ""),
        (1, "a"),
        (2, "a and b"),
        (3, "a, b and c"),
        (4, "a, b, c and d"),
        (5, "a, b, c and 2 more"),
    ],
)
def test_long_lists_end_with_a_count(count: int, shown: str) -> None:
    assert join_words("abcde"[:count], most=3) == shown
    assert join_words("abcde") == "a, b, c, d and e"


@pytest.mark.parametrize(
    ("seeds", "shown"),
    [([], ""), ([4], "4"), ([0, 1, 2], "0, 1, 2"), (range(12), "0 to 11"), ([0, 1, 2, 5], "0, 1, 2, 5")],
)
def test_many_seeds_in_a_row_are_shown_by_their_ends(seeds, shown):
    assert show_seeds(list(seeds)) == shown
