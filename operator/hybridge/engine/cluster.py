"""The port to Kubernetes: the few calls that the engine makes. ``kube`` implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hybridge.engine.keys import Key

#: A Kubernetes object as JSON gives it.
Body = Mapping[str, Any]


class Conflict(Exception):
    """The object changed since it was read: nothing was written."""


class Invalid(Exception):
    """The API server does not take what was to be written, because the kind's schema forbids it: a mistake of ours."""


class ClusterUnavailable(Exception):
    """The API server did not answer, or not usably. Nothing is known about the effect of the call."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret as it is now. ``data`` is decoded and must not leave memory."""

    name: str
    uid: str
    resource_version: str
    data: Mapping[str, str] = field(repr=False)


class Cluster(Protocol):
    """Kubernetes. Every method may raise ClusterUnavailable, and every one that writes Invalid."""

    async def patch_status(self, key: Key, patch: Body, *, resource_version: str | None = None) -> Body | None:
        """Merge-patches the status subresource; the new object, or None when it is gone.

        With ``resource_version``: raises Conflict unless that is the object's version still.
        """
        ...

    async def set_finalizers(self, key: Key, finalizers: Sequence[str], *, resource_version: str) -> Body | None:
        """Replaces metadata.finalizers; the new object, or None when it is gone. Raises Conflict."""
        ...

    async def get(self, key: Key) -> Body | None:
        """The object, read past every cache; None when there is none."""
        ...

    async def list(self, kind: str) -> Sequence[Body]:
        """All objects of a kind, read past every cache."""
        ...

    async def secret(self, namespace: str, name: str) -> Secret | None:
        """A Secret, read past every cache; None when there is none or it may not be read."""
        ...

    async def namespace(self, name: str) -> Body | None:
        """A Namespace; None when there is none."""
        ...

    async def emit(self, body: Body, *, reason: str, message: str, warning: bool) -> None:
        """Records a Kubernetes Event about the object. Failure to do so is only logged."""
        ...
