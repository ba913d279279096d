"""How the lab puts itself around moto's methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from unittest import mock

_Wrapper = TypeVar("_Wrapper", bound=Callable[..., Any])


def around(owner: type, name: str) -> Callable[[_Wrapper], _Wrapper]:
    """Marks a method of an extension as the wrapper of this method of moto's: see ``install`` and ``wrap``."""

    def mark(wrapper: _Wrapper) -> _Wrapper:
        vars(wrapper)["around"] = (owner, name)
        return wrapper

    return mark


def install(extension: object) -> None:
    """Puts all methods of this object that are marked in front of moto's."""
    for name in vars(type(extension)):
        wrapper = getattr(extension, name)
        if place := getattr(wrapper, "around", None):
            owner, method = place
            wrap(owner, method, wrapper)


def wrap(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    """From now on ``wrapper`` answers for this method; it is given the original, and all that the method is given."""
    original = getattr(owner, name)

    def method(self: Any, *given: Any, **wanted: Any) -> Any:
        return wrapper(original, self, *given, **wanted)

    mock.patch.object(owner, name, method).start()
