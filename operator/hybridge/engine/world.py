"""What all kinds share: store, queue, Kubernetes, links to the clouds, the clock, and the right to act."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import msgspec

from hybridge.api.fields import Model
from hybridge.api.shared import FINALIZER, PAUSED
from hybridge.core.errors import CloudError
from hybridge.core.units import format_time
from hybridge.engine.bulkhead import NotLeading
from hybridge.engine.chronicle import Chronicle
from hybridge.engine.cluster import Cluster, Conflict
from hybridge.engine.keys import Clock, Key
from hybridge.engine.link import Link
from hybridge.engine.patch import merge_patch
from hybridge.engine.queue import Priority, WorkQueue
from hybridge.engine.store import Store, provider_of

M = TypeVar("M", bound=Model)

#: Seconds for which labels and annotations of a Namespace are believed.
NAMESPACE_AGE = 10.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a Provider cannot be worked with. ``since`` in Unix seconds."""

    error: CloudError
    since: float


@dataclass(slots=True)
class World:
    """The state of one running operator. Everything in it is only touched on the event loop.

    ``leads`` tells, in any thread, whether this process may change clouds now. ``visibility`` replaces the drivers'
    seconds after which an unanswered create is certain to be seen; None leaves them. ``providers``: how each stands,
    either connected or failed; what is in neither state is being connected, and will be in one of them in a moment.
    """

    store: Store
    queue: WorkQueue
    cluster: Cluster
    clock: Clock
    cluster_id: str
    leads: Callable[[], bool]
    visibility: float | None = None
    monotonic: Clock = time.monotonic
    providers: dict[str, Link | Failure] = field(default_factory=dict)
    chronicle: Chronicle = field(init=False)
    _making: set[Key] = field(default_factory=set)
    _namespaces: dict[str, tuple[float, Mapping[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chronicle = Chronicle(self.cluster, self.monotonic)
        self.store.call = partial(self.enqueue, priority=Priority.SWEEP)

    def link(self, provider: str) -> Link | None:
        """The link of a Provider that is connected."""
        state = self.providers.get(provider)
        return state if isinstance(state, Link) else None

    def links(self) -> list[Link]:
        """The links of all Providers that are connected."""
        return [state for state in self.providers.values() if isinstance(state, Link)]

    def tell(self, key: Key, reason: str, message: str, *, warning: bool = False) -> None:
        """Records a Kubernetes Event about the object, in the background."""
        body = self.store.get(key)
        if body is not None:
            self.chronicle.tell(body, reason, message, warning=warning)

    def enqueue(self, key: Key, priority: Priority = Priority.USER, *, after: float = 0.0) -> None:
        """Has ``key`` reconciled."""
        self.queue.add(key, self.group(key), priority, after=after)

    def enqueue_users(self, provider: str, priority: Priority = Priority.SWEEP) -> None:
        """Has every object of this Provider reconciled."""
        for key in self.store.users(provider):
            self.enqueue(key, priority)

    def enqueue_leaving(self, provider: str) -> None:
        """Has a Provider reconciled that is on its way out and waits for its last user."""
        key = Key("Provider", "", provider)
        body = self.store.get(key)
        if body is not None and body["metadata"].get("deletionTimestamp"):
            self.enqueue(key)

    def group(self, key: Key) -> str:
        """The Provider whose turn it is when ``key`` is worked on."""
        if key.kind == "Provider":
            return key.name
        body = self.store.get(key)
        return provider_of(body) if body else ""

    def decode(self, key: Key, model: type[M]) -> M | None:
        """The object as its typed model."""
        body = self.store.get(key)
        return None if body is None else msgspec.convert(body, model)

    async def namespace(self, name: str, age: float = NAMESPACE_AGE) -> Mapping[str, Any]:
        """The metadata of a Namespace, at most ``age`` seconds old; empty when there is none.

        When it differs from what was known, everything in it is reconciled: who may do what may have changed.
        """
        known = self._namespaces.get(name)
        if known is not None and self.clock() - known[0] <= age:
            return known[1]
        body = await self.cluster.namespace(name)
        metadata: Mapping[str, Any] = body["metadata"] if body else {}
        self._namespaces[name] = (self.clock(), metadata)
        if known is not None and _decisive(known[1]) != _decisive(metadata):
            for key in self.store.inside(name):
                self.enqueue(key)
                for other in self.store.relations.named_by(key):
                    # Whether it is used by what is in here may have changed.
                    if other.namespace != name and self.store.get(other) is not None:
                        self.enqueue(other)
        return metadata

    def labels(self, namespace: str) -> Mapping[str, str]:
        """The labels of a Namespace as they were last read; none where they were not."""
        _, metadata = self._namespaces.get(namespace, (0.0, {}))
        labels: Mapping[str, str] = metadata.get("labels", {})
        return labels

    async def surroundings(self, provider: str) -> None:
        """Reads the Namespaces of all objects of this Provider, as far as what is known of them is too old."""
        for name in sorted({key.namespace for key in self.store.users(provider)}):
            await self.namespace(name)

    async def write_status(self, key: Key, status: Model, *, read: str | None = None) -> None:
        """Writes the status if it differs, and only onto the version that was read. Raises Conflict and NotLeading.

        ``read``: the version of the object that the status was made of, where others may have written meanwhile; by default
        the newest known one. ``lastSyncTime`` moves only together with something else.
        """
        body = self.store.get(key)
        if body is None:
            return
        if read is not None and body["metadata"]["resourceVersion"] != read:
            raise Conflict
        old: Mapping[str, Any] = body["status"]
        # By way of JSON: the models' tuples would never equal the lists that the API server gives back.
        new: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(status))
        if "lastSyncTime" in old:
            new["lastSyncTime"] = old["lastSyncTime"]
        patch = merge_patch(old, new)
        if not patch:
            return
        if "last_sync_time" in type(status).__struct_fields__:
            patch["lastSyncTime"] = format_time(self.clock())
        version = body["metadata"]["resourceVersion"]
        self._lead()
        self._accept(key, body, await self.cluster.patch_status(key, {"status": patch}, resource_version=version))

    @contextmanager
    def making(self, key: Key) -> Iterator[None]:
        """Meanwhile the object uses what it refers to, also before that is on record: nothing of that may go."""
        self._making.add(key)
        try:
            yield
        finally:
            self._making.discard(key)
            for other in self.store.relations.named_by(key):
                body = self.store.get(other)
                if body is not None and body["metadata"].get("deletionTimestamp"):
                    self.enqueue(other)

    def is_making(self, key: Key) -> bool:
        """Whether the object is about to be made."""
        return key in self._making

    async def add_finalizer(self, key: Key) -> None:
        """Puts our finalizer on the object unless it is there. Raises Conflict and NotLeading."""
        body = self.store.get(key)
        if body is None or FINALIZER in body["metadata"].get("finalizers", ()):
            return
        await self._set_finalizers(key, [*body["metadata"].get("finalizers", ()), FINALIZER])

    async def drop_finalizer(self, key: Key) -> None:
        """Takes our finalizer away, so that the object can go. Raises Conflict and NotLeading."""
        body = self.store.get(key)
        if body is None or FINALIZER not in body["metadata"].get("finalizers", ()):
            return
        await self._set_finalizers(key, [name for name in body["metadata"]["finalizers"] if name != FINALIZER])

    async def _set_finalizers(self, key: Key, finalizers: list[str]) -> None:
        body = self.store.get(key)
        if body is not None:
            version = body["metadata"]["resourceVersion"]
            self._lead()
            self._accept(key, body, await self.cluster.set_finalizers(key, finalizers, resource_version=version))

    def _lead(self) -> None:
        """Raises NotLeading when another replica may be acting, whose record of its steps would be written over."""
        if not self.leads():
            raise NotLeading

    def _accept(self, key: Key, before: Mapping[str, Any], after: Mapping[str, Any] | None) -> None:
        uid = before["metadata"]["uid"]
        current = self.store.get(key)
        if after is None:
            self.store.drop(key, uid)
        elif current is not None and current["metadata"]["uid"] == uid:
            # The watch may have been faster than this answer: what it took away must not come back.
            self.store.put(key, after)


def _decisive(metadata: Mapping[str, Any]) -> tuple[object, ...]:
    """What of a Namespace decides what may be done in it."""
    return metadata.get("uid"), metadata.get("labels"), metadata.get("annotations", {}).get(PAUSED)
