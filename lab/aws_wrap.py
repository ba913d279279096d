"""How the lab puts itself around moto's methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock


def wrap(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    """From now on ``wrapper`` answers for this method; it is given the original, and all that the method is given."""
    original = getattr(owner, name)

    def method(self: Any, *given: Any, **wanted: Any) -> Any:
        return wrapper(original, self, *given, **wanted)

    mock.patch.object(owner, name, method).start()
