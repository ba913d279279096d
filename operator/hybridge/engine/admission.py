"""Whether an object may use its Provider now."""

from __future__ import annotations

from hybridge.api.provider import Imports, Provider, ProviderSpec
from hybridge.api.shared import PAUSED
from hybridge.api.virtualmachine import VirtualMachine, VirtualMachineSpec
from hybridge.core.errors import CloudError, Disposition, Refused
from hybridge.core.machine import Machine, MachineSpec, Placed
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
    refusal = None if deleting else _imports(machine.spec, provider)
    if refusal:
        raise Refused(Reason.NOT_PERMITTED, refusal)
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


def outside(machine: Machine, provider: ProviderSpec) -> str | None:
    """The first place of this machine that the Provider's restrictions do not allow tenants to name."""
    restrict = provider.restrict
    places: list[tuple[str, tuple[str, ...], tuple[str, ...] | None]] = [
        (f"network {'/'.join(port.network)}", port.network, restrict.network_ids) for port in machine.ports or ()
    ]
    settings = machine.settings
    places += [
        ("folder", settings.get("placement.folder", ()), restrict.folders),
        ("resource pool", settings.get("placement.resourcePool", ()), restrict.resource_pools),
        ("storage", settings.get("placement.storage", ()), restrict.storages),
        ("zone", settings.get("placement.zone") or _known(machine.zone), restrict.zones),
        ("node", settings.get("placement.node") or _known(machine.host), restrict.nodes),
    ]
    for field, names, allowed in places:
        if names and allowed is not None and not set(names) & set(allowed):
            return f"{field} {names[0]}" if " " not in field else field
    return None


def misplaced(spec: MachineSpec, placed: Placed, provider: ProviderSpec) -> str | None:
    """The zone that the networks lead to which the spec names, where tenants may not name it."""
    allowed = provider.restrict.zones
    if allowed is None or not spec.networks or placed.zone is None or placed.zone in allowed:
        return None
    return f"zone {placed.zone}, in which spec.networks are"


def _known(name: str | None) -> tuple[str, ...]:
    return (name,) if name else ()


def _imports(spec: VirtualMachineSpec, provider: Provider) -> str | None:
    """Why the machine may not be imported; None when it may, or is none."""
    if spec.lifecycle.import_ is None:
        return None
    allowed, wanted = provider.spec.imports, spec.lifecycle.management
    if allowed.value == wanted.value or allowed is Imports.MANAGED:
        return None
    name = provider.metadata.name
    return f"Provider {name} does not allow to import machines as {wanted.value}: its spec.imports is {allowed.value}"


def _restricted(spec: VirtualMachineSpec, provider: ProviderSpec) -> str | None:
    """The first thing that the machine names and that tenants may not name."""
    restrict, placement, proxmox, vsphere = provider.restrict, spec.placement, spec.proxmox, spec.vsphere
    # A VLAN is another network than that of its bridge: who may have the one need not be granted the other.
    tagged = _tagged(spec, provider)
    # A cluster, or a host of vSphere's, is its whole resource pool where none is named.
    pooled = placement.resource_pool is not None
    host = placement.node if provider.vsphere is not None else None
    # On EC2 the class of a disk is a type of volume; elsewhere it names a storage, or a policy that leads to storages.
    storage = spec.root_disk.class_ if spec.root_disk and provider.aws is None else None
    named = (
        *((f"networks[{nic.name}]", nic.id, restrict.network_ids) for nic in spec.networks if not tagged),
        ("placement.folder", placement.folder, restrict.folders),
        ("placement.resourcePool", placement.resource_pool, restrict.resource_pools),
        ("placement.storage", placement.storage, restrict.storages),
        ("placement.zone", placement.zone, restrict.zones),
        ("placement.node", placement.node, restrict.nodes),
        ("rootDisk.class", storage, restrict.storages),
        # A storage policy decides on which datastores disks come, so it is one of the storages.
        ("vsphere.storagePolicy", vsphere.storage_policy if vsphere else None, restrict.storages),
        ("proxmox.isoStorage", proxmox.iso_storage if proxmox else None, restrict.storages),
        ("proxmox.pool", proxmox.pool if proxmox else None, restrict.resource_pools),
        ("placement.cluster", None if pooled else placement.cluster, restrict.resource_pools),
        ("placement.node", None if pooled else host, restrict.resource_pools),
        *(("proxmox.vlan", name, restrict.network_ids) for name in tagged),
    )
    for field, value, allowed in named:
        if value is not None and allowed is not None and value not in allowed:
            return f"spec.{field} {value!r}"
    return None


def _tagged(spec: VirtualMachineSpec, provider: ProviderSpec) -> list[str]:
    """The VLANs that a machine asks for, as ``bridge.vlan``: another network than the bridge's own."""
    if spec.proxmox is None or spec.proxmox.vlan is None:
        return []
    bridges = [nic.id for nic in spec.networks if nic.id] or [provider.defaults.network or "the template's bridge"]
    return [f"{bridge}.{spec.proxmox.vlan}" for bridge in bridges]
