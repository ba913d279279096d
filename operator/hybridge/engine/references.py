"""What objects need of others: whether they may use it, whether it can be used yet, and whether they need each other.

A reference leads to another namespace only where its target grants that (``spec.allowedNamespaces``). Nothing is told of
one that does not grant it but that: neither what it is nor how it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, cast

import msgspec

from hybridge.api.managed import ManagedObject
from hybridge.api.selectors import NamespaceGrant
from hybridge.api.shared import Management
from hybridge.core.conditions import Type
from hybridge.core.errors import CloudError, Disposition
from hybridge.core.kinds import CloudKind
from hybridge.core.plan import Refuse, Wait
from hybridge.core.reasons import Reason
from hybridge.engine import conditions
from hybridge.engine.keys import Key
from hybridge.engine.lasting import lasts, needs_to_be_made
from hybridge.engine.relations import granted_by_labels, is_begun
from hybridge.engine.world import NAMESPACE_AGE, World

T = TypeVar("T", bound=ManagedObject)


class _Granting(Protocol):
    @property
    def allowed_namespaces(self) -> NamespaceGrant: ...


async def reach(
    world: World, told: ManagedObject, key: Key, path: str, model: type[T], *, age: float = NAMESPACE_AGE
) -> T | Wait | Refuse:
    """What ``told`` refers to at ``path`` below its spec, where it exists and may be used; else why not.

    ``age``: the greatest, in seconds, of what is known of the labels by which its namespace is granted.
    """
    target, own = world.decode(key, model), told.metadata.namespace
    if target is None:
        return Wait(Reason.DEPENDENCY_NOT_READY, f"{key.in_words} does not exist", patient=True)
    if key.namespace != own:
        grant = cast("_Granting", target.spec).allowed_namespaces
        labels: Mapping[str, str] = {}
        if grant.selector is not None:
            labels = (await world.namespace(own, age)).get("labels", {})
        if not grant.allows(own, labels):
            words = f"{key.in_words} does not grant namespace {own}: its spec.allowedNamespaces has to name it"
            return Refuse(Reason.NOT_PERMITTED, f"spec.{path}: {words}")
    theirs, ours = target.spec.provider_ref.name, told.spec.provider_ref.name
    if theirs != ours:
        words = f"{key.in_words} is in Provider {theirs}, not in {ours}"
        return Refuse(Reason.INVALID_SPEC, f"spec.{path}: {words}")
    return target


def unready(target: ManagedObject, key: Key) -> Wait | None:
    """What keeps something new from being made with it; None: it can be used."""
    status = target.status
    if target.metadata.deletion_timestamp is not None:
        return Wait(Reason.DEPENDENCY_NOT_READY, f"{key.in_words} is being deleted", patient=True)
    told = {one.type: one.reason for one in status.conditions}
    forbidden = told.get(Type.SYNCED.value) == Reason.NOT_PERMITTED.value
    if status.id is None or forbidden or not conditions.is_true(status.conditions, Type.READY):
        reason = Reason.NOT_PERMITTED.value if forbidden else told.get(Type.READY.value)
        why = f" ({reason})" if reason else ""
        return Wait(Reason.DEPENDENCY_NOT_READY, f"{key.in_words} is not ready{why}", patient=True)
    return None


def owner_of(world: World, target: ManagedObject) -> str | None:
    """Whom the marker of its cloud object names; None where it only observes one."""
    observed = target.spec.lifecycle.management is Management.OBSERVED
    return None if observed else f"{world.cluster_id}/{target.metadata.uid}"


def own(world: World, target: ManagedObject, key: Key) -> Any:
    """What an object has on record, as its cloud shows it, where its marker proves that it is its own (what is only
    observed has none); else a Wait.
    """
    link, known_id = world.link(target.spec.provider_ref.name), target.status.id
    shown = link.shelf(CloudKind(key.kind)).inventory if link is not None else None
    found = shown.get(known_id) if shown is not None and known_id else None
    owner = owner_of(world, target)
    if found is not None and (owner is None or (found.marker is not None and found.marker.owner == owner)):
        return found
    return Wait(Reason.DEPENDENCY_NOT_READY, f"{key.in_words} ({known_id}) is not provably its own")


def circle(world: World, key: Key, first: Key) -> Refuse | None:
    """Why an object can never be made that refers to ``first``: that cannot be made either without the object itself.

    What is made, or being made, needs nothing any more. What is in between is not named, as it may be others'.
    """
    seen, left = {key}, [first]
    while left:
        one = left.pop()
        if one == key:
            words = f"{key.in_words} needs {first.in_words}, which cannot be made without {key.in_words} itself"
            return Refuse(Reason.INVALID_SPEC, f"{words}: one of them has to be made of something else")
        body = world.store.get(one)
        if body is None or is_begun(body):
            continue
        seen.add(one)
        needed = (other for other in world.store.relations.named_by(one) if needs_to_be_made(one, other.kind))
        left += [other for other in needed if other == key or other not in seen]
    return None


def users(world: World, key: Key) -> tuple[str, ...]:
    """In words, the objects that use this one: that refer to it and may, and still need it."""
    return tuple(sorted(one.in_words for one in world.store.relations.referrers(key) if _uses(world, one, key)))


async def read_grants(world: World, key: Key) -> None:
    """Reads the labels of the namespaces whose objects refer to this one, where it grants by labels: who is not granted
    does not use it.
    """
    body = world.store.get(key)
    if body is not None and granted_by_labels(body):
        others = {one.namespace for one in world.store.relations.referrers(key)} - {key.namespace}
        for namespace in sorted(others):
            await world.namespace(namespace)


def error(step: Wait | Refuse) -> CloudError:
    """The same as an error, for an object that cannot be worked on before."""
    stop = isinstance(step, Refuse)
    return CloudError(step.reason, step.message, disposition=Disposition.STOP if stop else Disposition.WAIT)


def _uses(world: World, user: Key, key: Key) -> bool:
    """Whether it refers to this one and may, and has it or is about to: who is not made yet waits for what is there then."""
    body, target = world.store.get(user), world.store.get(key)
    if body is None or not (is_begun(body) or world.is_making(user)):
        return False
    if target is not None and not _grants(world, target, user.namespace):
        return False
    return lasts(world, user, body, key.kind)


def _grants(world: World, target: Mapping[str, Any], namespace: str) -> bool:
    if target["metadata"].get("namespace", "") == namespace:
        return True
    grant = target["spec"].get("allowedNamespaces")
    return grant is not None and msgspec.convert(grant, NamespaceGrant).allows(namespace, world.labels(namespace))
