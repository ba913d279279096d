"""Whether an object may use its Provider now."""

from __future__ import annotations

from hybridge.api.provider import Provider, ProviderSpec
from hybridge.api.shared import PAUSED
from hybridge.api.virtualmachine import VirtualMachine, VirtualMachineSpec
from hybridge.core.errors import CloudError, Disposition, Refused
from hybridge.core.reasons import Reason
from hybridge.engine.keys import Key
from hybridge.engine.world import World


async def admit(world: World, machine: VirtualMachine) -> Provider:
    """The Provider, if this object may use it as it does. Raises CloudError: DEPENDENCY_NOT_READY, NOT_PERMITTED or PAUSED.

    A grant that was taken back still lets what was made under it be deleted.
    """
    name, namespace = machine.spec.provider_ref.name, machine.metadata.namespace
    provider = world.decode(Key("Provider", "", name), Provider)
    if provider is None:
        raise CloudError(Reason.DEPENDENCY_NOT_READY, f"Provider {name} does not exist", disposition=Disposition.WAIT)
    deleting = machine.metadata.deletion_timestamp is not None
    surroundings = await world.namespace(namespace)
    labels: dict[str, str] = surroundings.get("labels", {})
    annotations: dict[str, str] = surroundings.get("annotations", {})
    began = machine.status.id is not None or machine.status.intent is not None
    if not provider.spec.allowed_namespaces.allows(namespace, labels) and not (deleting and began):
        raise Refused(
            Reason.NOT_PERMITTED,
            f"Provider {name} does not grant namespace {namespace}: its spec.allowedNamespaces has to name it",
        )
    named = None if deleting else _restricted(machine.spec, provider.spec)
    if named:
        raise Refused(Reason.NOT_PERMITTED, f"Provider {name} does not allow {named}: see its spec.restrict")
    if provider.spec.paused or PAUSED in {
        key
        for holder in (machine.metadata.annotations, annotations, provider.metadata.annotations)
        for key, value in holder.items()
        if value == "true"
    }:
        raise CloudError(Reason.PAUSED, "nothing is changed while it is paused", disposition=Disposition.WAIT)
    return provider


def _restricted(spec: VirtualMachineSpec, provider: ProviderSpec) -> str | None:
    """The first thing that the machine names and that tenants may not name."""
    restrict, placement, proxmox = provider.restrict, spec.placement, spec.proxmox
    # On EC2 the class of a disk is a type of volume; elsewhere it names a storage.
    storage = spec.root_disk.class_ if spec.root_disk and provider.aws is None else None
    named = (
        *((f"networks[{nic.name}]", nic.id, restrict.network_ids) for nic in spec.networks),
        ("placement.folder", placement.folder, restrict.folders),
        ("placement.resourcePool", placement.resource_pool, restrict.resource_pools),
        ("placement.storage", placement.storage, restrict.storages),
        ("placement.zone", placement.zone, restrict.zones),
        ("placement.node", placement.node, restrict.nodes),
        ("rootDisk.class", storage, restrict.storages),
        ("proxmox.isoStorage", proxmox.iso_storage if proxmox else None, restrict.storages),
    )
    for field, value, allowed in named:
        if value is not None and allowed is not None and value not in allowed:
            return f"spec.{field} {value!r}"
    return None
