"""Quantities, durations and times mean what Kubernetes and Go mean by them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.core.units import (
    format_bytes,
    format_duration,
    format_time,
    parse_duration,
    parse_quantity,
    parse_time,
)

QUANTITIES = {
    "0": 0,
    "4Gi": 4 << 30,
    "1.5Gi": 3 << 29,
    "512Mi": 512 << 20,
    "1k": 1000,
    "1M": 10**6,
    "1e3": 1000,
    "1E3": 1000,
    "1E": 10**18,
    "1Ei": 1 << 60,
    "1e-3": 1,
    "100m": 1,
    "1500m": 2,
    "-1500m": -2,
    ".5Ki": 512,
    "5.": 5,
    "+7": 7,
    "1n": 1,
}


@pytest.mark.parametrize(("text", "value"), QUANTITIES.items())
def test_a_quantity_is_exact_and_rounds_up(text: str, value: int) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "4GB", "4 Gi", "Gi", "1e", "0x10", "1ki", "--1", ".", "\uff11Gi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as 4Gi"):
        parse_quantity(text)


@given(st.integers(min_value=0, max_value=1 << 70))
def test_bytes_come_back(size: int) -> None:
    assert parse_quantity(format_bytes(size)) == size


@given(st.integers(min_value=1, max_value=1023), st.sampled_from(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]))
def test_bytes_are_written_in_the_largest_unit_that_is_exact(count: int, unit: str) -> None:
    assert format_bytes(parse_quantity(f"{count}{unit}")) == f"{count}{unit}"


DURATIONS = {
    "0": 0.0,
    "90s": 90.0,
    "24h": 86400.0,
    "1h30m": 5400.0,
    "1.5h": 5400.0,
    "250ms": 0.25,
    "-1m": -60.0,
    "+2s": 2.0,
    ".5s": 0.5,
    "1us": 1e-6,
    "1µs": 1e-6,
}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "s", "1 h", "1h ", "1d", "h1", "-", "1h-1m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(text)


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_durations_come_back(milliseconds: int) -> None:
    assert math.isclose(parse_duration(format_duration(milliseconds / 1000)), milliseconds / 1000, abs_tol=1e-9)


TIMES = {
    "1970-01-01T00:00:00Z": 0.0,
    "2026-01-31T12:00:00Z": 1769860800.0,
    "2026-01-31T13:00:00+01:00": 1769860800.0,
    "2026-01-31t12:00:00.5z": 1769860800.5,
    "2026-01-31T12:00:00.123456789Z": 1769860800.123456,
}


@pytest.mark.parametrize(("text", "seconds"), TIMES.items())
def test_a_time_is_read_in_any_zone(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds, abs=1e-5)


@pytest.mark.parametrize("text", ["", "2026-01-31", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z", "20260131T120000Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text)


@given(st.integers(min_value=0, max_value=253402300799))
def test_times_come_back(seconds: int) -> None:
    assert parse_time(format_time(float(seconds))) == seconds


def test_a_time_is_cut_to_the_second() -> None:
    assert format_time(0.999) == "1970-01-01T00:00:00Z"
