"""Kubernetes quantities, Go durations and RFC 3339 times, read and written exactly."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache

_QUANTITY = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?[0-9]{1,3}))?")
_BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    **{letter: Fraction(1000**power) for power, letter in enumerate("kMGTPE", start=1)},
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 10**3),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@lru_cache(maxsize=1024)
def parse_quantity(text: str | int) -> int:
    """The whole number that a Kubernetes quantity means (bytes, for sizes); fractions round up, as in Kubernetes.

    ValueError when it is no quantity. Grammar: apimachinery ``pkg/api/resource/quantity.go``.
    """
    if isinstance(text, int):
        return text
    found = _QUANTITY.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a quantity such as 4Gi")
    sign, digits, binary, decimal, exponent = found.groups()
    value = Fraction(f"0{digits}" if digits.startswith(".") else digits.removesuffix("."))
    if binary:
        value *= _BINARY[binary]
    elif decimal:
        value *= _DECIMAL[decimal]
    elif exponent:
        value *= Fraction(10) ** int(exponent)
    whole = -(-value.numerator // value.denominator)
    return -whole if sign == "-" else whole


def format_bytes(size: int) -> str:
    """``size`` as the shortest exact quantity: ``4Gi``, ``1536Mi``, ``1000``."""
    for suffix, factor in reversed(_BINARY.items()):
        if size and size % factor == 0:
            return f"{size // factor}{suffix}"
    return str(size)


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as ``1h30m``; ValueError when it is none. Source: Go ``time.ParseDuration``."""
    body = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if body == "0":
        return 0.0
    total, at = Fraction(0), 0
    while part := _DURATION.match(body, at):
        number, unit = part.groups()
        total += Fraction(f"0{number}" if number.startswith(".") else number.removesuffix(".")) * _SECONDS[unit]
        at = part.end()
    if not body or at != len(body):
        raise ValueError(f"{text!r} is not a duration such as 90s or 1h30m")
    return float(-total if text.startswith("-") else total)


def format_duration(seconds: float) -> str:
    """``seconds`` as a Go duration, to the millisecond: ``1h30m``, ``90s`` as ``1m30s``, ``0.25`` as ``250ms``."""
    milliseconds = round(abs(seconds) * 1000)
    parts = []
    for unit, factor in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, factor)
        if count:
            parts.append(f"{count}{unit}")
    if not parts:
        return "0s"
    return ("-" if seconds < 0 else "") + "".join(parts)


def parse_time(text: str) -> float:
    """Unix seconds of an RFC 3339 time; ValueError when it is none."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not a time such as 2026-01-31T12:00:00Z")
    return datetime.fromisoformat(text.upper()).timestamp()


def format_time(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC, cut to the second, as Kubernetes writes its own times."""
    return datetime.fromtimestamp(seconds // 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
