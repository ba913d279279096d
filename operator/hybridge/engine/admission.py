"""Whether an object may use its Provider now."""

from __future__ import annotations

from collections.abc import Callable

from hybridge.api.managed import ManagedObject, ManagedSpec
from hybridge.api.provider import Imports, Provider, ProviderSpec
from hybridge.api.shared import PAUSED
from hybridge.core.errors import CloudError, Disposition, Refused
from hybridge.core.reasons import Reason
from hybridge.engine.keys import Key
from hybridge.engine.world import NAMESPACE_AGE, World


async def admit(
    world: World, told: ManagedObject, beyond: Callable[[ProviderSpec], str | None], age: float = NAMESPACE_AGE
) -> Provider:
    """The Provider, if this object may use it as it does. ``beyond``: what it names that tenants may not name. ``age``: the
    greatest, in seconds, of what is known of its namespace.

    Raises CloudError: DEPENDENCY_NOT_READY, NOT_PERMITTED or PAUSED.

    A grant that was taken back still lets what was made under it be deleted.
    """
    name, namespace = told.spec.provider_ref.name, told.metadata.namespace
    provider = world.decode(Key("Provider", "", name), Provider)
    if provider is None:
        raise CloudError(Reason.DEPENDENCY_NOT_READY, f"Provider {name} does not exist", disposition=Disposition.WAIT)
    deleting = told.metadata.deletion_timestamp is not None
    surroundings = await world.namespace(namespace, age)
    labels: dict[str, str] = surroundings.get("labels", {})
    annotations: dict[str, str] = surroundings.get("annotations", {})
    began = told.status.id is not None or told.status.intent is not None
    if not provider.spec.allowed_namespaces.allows(namespace, labels) and not (deleting and began):
        raise Refused(
            Reason.NOT_PERMITTED,
            f"Provider {name} does not grant namespace {namespace}: its spec.allowedNamespaces has to name it",
        )
    refusal = None if deleting else _imports(told.spec, provider)
    if refusal:
        raise Refused(Reason.NOT_PERMITTED, refusal)
    named = None if deleting else beyond(provider.spec)
    if named:
        raise Refused(Reason.NOT_PERMITTED, f"Provider {name} does not allow {named}: see its spec.restrict")
    if provider.spec.paused or PAUSED in {
        key
        for holder in (told.metadata.annotations, annotations, provider.metadata.annotations)
        for key, value in holder.items()
        if value == "true"
    }:
        raise CloudError(Reason.PAUSED, "nothing is changed while it is paused", disposition=Disposition.WAIT)
    return provider


def _imports(spec: ManagedSpec, provider: Provider) -> str | None:
    """Why it may not be imported; None when it may, or is none."""
    if spec.lifecycle.import_ is None:
        return None
    allowed, wanted = provider.spec.imports, spec.lifecycle.management
    if allowed.value == wanted.value or allowed is Imports.MANAGED:
        return None
    name = provider.metadata.name
    return f"Provider {name} does not allow to import anything as {wanted.value}: its spec.imports is {allowed.value}"
