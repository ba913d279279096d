"""What a Provider's ``spec.restrict`` keeps from tenants: what they may name, where machines may come to, and what they may
import or see. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from hybridge.api.provider import ProviderSpec, Restrict
from hybridge.api.virtualmachine import VirtualMachineSpec
from hybridge.core.machine import Known, Machine
from hybridge.core.place import Placed, Within


def beyond(spec: VirtualMachineSpec, provider: ProviderSpec) -> str | None:
    """The first thing that the machine names and that tenants may not name."""
    restrict, placement = provider.restrict, spec.placement
    aws, proxmox, vsphere = spec.aws, spec.proxmox, spec.vsphere
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
        ("aws.iamInstanceProfile", aws.iam_instance_profile if aws else None, restrict.iam_instance_profiles),
        *(
            ("aws.securityGroupIDs", group, restrict.security_group_ids)
            for group in (aws.security_group_ids if aws else ())
        ),
        *(("proxmox.vlan", name, restrict.network_ids) for name in tagged),
    )
    for field, value, allowed in named:
        if value is not None and allowed is not None and value not in allowed:
            return f"spec.{field} {value!r}"
    return None


def within(provider: ProviderSpec) -> Within:
    """The places among which drivers may choose."""
    nodes, zones = provider.restrict.nodes, provider.restrict.zones
    return Within(None if nodes is None else frozenset(nodes), None if zones is None else frozenset(zones))


def misplaced(placed: Placed, provider: ProviderSpec) -> str | None:
    """The zone or node that a new machine would come to, by whatever way, where tenants may not be."""
    restrict = provider.restrict
    # A host of vSphere's goes by several names, which only its driver knows: that keeps to what is allowed by itself.
    host = placed.host if provider.vsphere is None else None
    for field, name, allowed in (("zone", placed.zone, restrict.zones), ("node", host, restrict.nodes)):
        if name is not None and allowed is not None and name not in allowed:
            return f"{field} {name}"
    return None


def outside(machine: Machine, provider: ProviderSpec) -> str | None:
    """What keeps tenants from a machine that exists: a kind of place, never its name, because it may not be theirs to
    know. What is not known yet counts as not allowed.
    """
    restrict = provider.restrict
    if restrict == Restrict():
        return None
    read = (restrict.network_ids, restrict.folders, restrict.resource_pools, restrict.storages)
    if not machine.detailed and any(allowed is not None for allowed in read):
        return "its configuration, which cannot be read,"
    if machine.ports is None and restrict.network_ids is not None:
        return "its network, which cannot be read,"
    for kind, names, allowed in _places(machine, provider):
        if names and allowed is not None and not set(names) & set(allowed):
            return f"its {kind}"
    return None


def _places(machine: Machine, provider: ProviderSpec) -> Iterator[tuple[str, Known, Collection[str] | None]]:
    """All that a machine has of what can be restricted, each with the words under which it may be listed."""
    restrict, settings = provider.restrict, machine.settings
    for port in machine.ports or ():
        tagged = tuple(f"{name}.{port.vlan}" for name in port.network) if port.vlan else port.network
        yield "network", tagged, restrict.network_ids
    yield "folder", settings.get("placement.folder", ()), restrict.folders
    yield "resource pool", settings.get("placement.resourcePool", ()), restrict.resource_pools
    yield "resource pool", settings.get("proxmox.pool", ()), restrict.resource_pools
    yield "storage", settings.get("placement.storage", ()), restrict.storages
    yield "zone", settings.get("placement.zone") or _known(machine.zone), restrict.zones
    yield "node", settings.get("placement.node") or _known(machine.host), restrict.nodes
    yield "instance profile", settings.get("aws.iamInstanceProfile", ()), restrict.iam_instance_profiles
    for together in settings.get("aws.securityGroupIDs", ()):
        for group in re.split(r"[;,]\s*", together):
            yield "security group", (group,), restrict.security_group_ids


def _known(name: str | None) -> Known:
    return (name,) if name else ()


def _tagged(spec: VirtualMachineSpec, provider: ProviderSpec) -> list[str]:
    """The VLANs that a machine asks for, as ``bridge.vlan``: another network than the bridge's own."""
    if spec.proxmox is None or spec.proxmox.vlan is None:
        return []
    bridges = [nic.id for nic in spec.networks if nic.id] or [provider.defaults.network or "the template's bridge"]
    return [f"{bridge}.{spec.proxmox.vlan}" for bridge in bridges]
