"""What a test asks the API server about a kind: whether it takes, refuses and keeps objects as it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hybridge.api.fields import Model
from tests.integration.api.bodies import Body
from tests.integration.api.conftest import Api

Make = Callable[..., Body]


def accepts(api: Api, wanted: Body) -> None:
    """It is stored as it was written."""
    answer = api.create(wanted, dry_run=True)
    assert answer.message == ""
    assert answer.body["spec"] == wanted["spec"]


def refuses(api: Api, wanted: Body, sentence: str) -> None:
    """It is not taken, with this sentence."""
    assert sentence in api.create(wanted, dry_run=True).message


def judges(api: Api, made: Body, change: Body, sentence: str, status: Body | None = None) -> None:
    """A change of the spec is allowed, where the sentence is empty, or refused with it."""
    assert api.create(made).message == ""
    if status is not None:
        assert api.merge(made, {"status": status}, status=True).message == ""
    message = api.merge(made, {"spec": change}).message
    assert (sentence in message) if sentence else (message == "")


def agrees(api: Api, made: Body, status: Body, model: type[Model]) -> None:
    """The model reads, and writes, exactly what the server stored."""
    assert api.create(made).message == ""
    stored = api.merge(made, {"status": status}, status=True)
    assert stored.message == ""
    assert {key: stored.body["status"][key] for key in status} == status
    read: Any = msgspec.convert(stored.body, model)
    assert _json(read.status) == stored.body["status"]
    assert _json(read.spec) == made["spec"]


def _json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
