"""One reconcile of one object: everything that its steps and its report need."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from hybridge.api.managed import ManagedObject
from hybridge.api.provider import ProviderSpec
from hybridge.core.cloudobject import CloudObject, Wanted
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.drivers.base import ObjectDriver
from hybridge.engine.keys import Key
from hybridge.engine.link import Link
from hybridge.engine.objects.memo import Memo
from hybridge.engine.shelf import Shelf

M = TypeVar("M", bound=ManagedObject)
W = TypeVar("W", bound=Wanted)
C = TypeVar("C", bound=CloudObject)


@dataclass(slots=True)
class Case(Generic[M, W, C]):
    """One reconcile of one object. ``driver`` is the part of the cloud's driver for its kind, ``shelf`` what is known of
    its cloud objects.
    """

    key: Key
    object: M
    memo: Memo[M, C]
    provider: ProviderSpec
    link: Link
    shelf: Shelf[C]
    driver: ObjectDriver[W, C]
    spec: W
    marker: Marker

    @property
    def lane(self) -> Hashable:
        """What objects that have to choose where they go one after the other have in common; None: nothing."""
        return None

    @property
    def deleting(self) -> bool:
        """Whether the object is on its way out."""
        return self.object.metadata.deletion_timestamp is not None


#: Of whatever kind.
AnyCase: TypeAlias = Case[Any, Any, Any]


def normal(driver: ObjectDriver[W, C], wanted: W, *, deleting: bool) -> W:
    """What the cloud would show back of it. Raises Refused for what the cloud cannot do, unless the object is on its way
    out: what its spec asks for does not matter any more.
    """
    try:
        return driver.normalize(wanted)
    except Refused:
        if not deleting:
            raise
        return wanted
