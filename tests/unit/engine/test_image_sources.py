"""From where a Provider lets tenants have images fetched."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hybridge.api.image import ImageSpec
from hybridge.api.provider import ProviderSpec
from hybridge.engine.images import beyond

ALLOWED = ["https://images.example/linux/", "https://images.example/one.qcow2", "s3://images/linux"]
SUM = f"sha256:{'0' * 64}"


def told(source: dict[str, Any], allowed: list[str] | None) -> str | None:
    """What of this source the Provider does not allow."""
    restrict = {} if allowed is None else {"imageSources": allowed}
    words = {"aws": {"region": "eu-central-1"}, "credentials": {"secretRef": {"namespace": "a", "name": "b"}}}
    provider = msgspec.convert({**words, "restrict": restrict}, ProviderSpec)
    return beyond(msgspec.convert({"providerRef": {"name": "a"}, "source": source}, ImageSpec), provider)


def url(place: str) -> dict[str, Any]:
    return {"url": {"url": place, "checksum": SUM}}


def stored(bucket: str, key: str) -> dict[str, Any]:
    return {"s3": {"bucket": bucket, "key": key, "format": "raw"}}


@pytest.mark.parametrize(
    "source",
    [
        url("https://images.example/linux/debian.qcow2"),
        url("https://images.example/one.qcow2"),
        stored("images", "linux/debian.raw"),
        {"copy": {"id": "ami-0abc"}},
        {"id": "ami-0abc"},
    ],
)
def test_what_is_below_one_of_them_is_allowed(source: dict[str, Any]) -> None:
    assert told(source, ALLOWED) is None


@pytest.mark.parametrize(
    "source",
    [
        url("https://images.example.evil.example/linux/debian.qcow2"),
        url("https://images.example@evil.example/linux/debian.qcow2"),
        url("http://images.example/linux/debian.qcow2"),
        url("https://images.example/linuxes/debian.qcow2"),
        url("https://images.example/linux/../secret.qcow2"),
        url("https://images.example/linux/%2e%2e/secret.qcow2"),
        url("https://images.example/linux/%252e%252e/secret.qcow2"),
        url("https://images.example/linux/..%2fsecret.qcow2"),
        url("https://images.example/linux/..\\secret.qcow2"),
        stored("images-of-others", "linux/debian.raw"),
        stored("images", "linux-of-others/debian.raw"),
    ],
)
def test_everything_else_is_named(source: dict[str, Any]) -> None:
    assert told(source, None) is None
    named = told(source, ALLOWED)
    assert named is not None
    assert named.startswith("spec.source.")
    assert told(source, []) is not None
