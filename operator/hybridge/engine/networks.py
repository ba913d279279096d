"""The kind Network."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from hybridge.api.network import Network, NetworkSpec, NetworkStatus
from hybridge.api.network_desired import network_spec
from hybridge.api.provider import ProviderSpec
from hybridge.api.shared import clip
from hybridge.core import network as core
from hybridge.core import network_plan
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Known
from hybridge.core.managed import Phase
from hybridge.core.managed_status import Story
from hybridge.core.network_plan import Situation
from hybridge.core.plan import Plan
from hybridge.drivers.base import Driver, NetworkDriver
from hybridge.engine.objects.plain import Nature

_MOST_WORD, _MOST_CIDR, _MOST_PART, _MOST_PARTS = 255, 43, 64, 16


class NetworkNature(Nature[Network, core.NetworkSpec, core.Network]):
    """See the base."""

    kind = CloudKind.NETWORK
    model = Network
    situation = Situation

    def driver(self, driver: Driver) -> NetworkDriver | None:
        """See the base."""
        return driver.networks

    def wanted(self, told: Network, cloud: str) -> core.NetworkSpec:
        """See the base."""
        return network_spec(told, cloud)

    def holders(self, found: core.Network) -> Collection[str]:
        """See the base."""
        return found.machines

    def plan(self, situation: Situation) -> Plan:
        """See the base."""
        return network_plan.plan(situation)

    def status(self, old: NetworkStatus, story: Story[core.NetworkSpec, core.Network], now: Phase) -> NetworkStatus:
        """See the base."""
        status, found = msgspec.structs.replace(old, phase=now), story.found
        if found is None:
            return status
        vlan = _first(found.settings.get("vlan", ()))
        return msgspec.structs.replace(
            status,
            network_id=clip(found.attaches, _MOST_WORD) or None,
            cidr=clip(_first(found.settings.get("cidr", ())), _MOST_CIDR) or None,
            vlan=int(vlan) if vlan.isdecimal() and int(vlan) in range(4096) else None,
            parts=tuple(dict.fromkeys(clip(part, _MOST_PART) for part in found.parts))[:_MOST_PARTS],
            machines=len(found.machines),
        )

    def beyond(self, told: Network, provider: ProviderSpec) -> str | None:
        """See the base."""
        return beyond(told.spec, provider)

    def outside(self, found: core.Network, provider: ProviderSpec) -> str | None:
        """See the base."""
        return outside(found, provider)


def _first(known: Known) -> str:
    return next(iter(known), "")


def beyond(spec: NetworkSpec, provider: ProviderSpec) -> str | None:
    """The first thing that the network names and that tenants may not name.

    What a network is made in leads to other networks than what machines may name: it has to be listed by its own name, and
    with a VLAN as ``name.vlan``. A VPC of its own is listed by its range.
    """
    restrict, aws, proxmox, vsphere = provider.restrict, spec.aws, spec.proxmox, spec.vsphere
    imported = spec.lifecycle.import_ if provider.proxmox else None
    named = imported and (imported.id or (imported.filter.name if imported.filter else None))
    listed = (
        ("aws.vpcID", aws.vpc_id if aws else None),
        ("aws.vpcCIDR", aws.vpc_cidr if aws else None),
        ("proxmox.bridge", _tagged(proxmox.bridge if proxmox else None, spec.vlan)),
        ("proxmox.sdnZone", _tagged(proxmox.sdn_zone if proxmox else None, spec.vlan)),
        ("vsphere.switch", _tagged(vsphere.switch if vsphere else None, spec.vlan)),
        # Elsewhere what is imported goes by more names than this one.
        ("lifecycle.import", named),
    )
    for field, value in listed:
        if value is not None and restrict.network_ids is not None and value not in restrict.network_ids:
            return f"spec.{field} {value!r}"
    if aws and aws.zone is not None and restrict.zones is not None and aws.zone not in restrict.zones:
        return f"spec.aws.zone {aws.zone!r}"
    if vsphere and vsphere.cluster is not None and restrict.resource_pools is not None:
        return None if vsphere.cluster in restrict.resource_pools else f"spec.vsphere.cluster {vsphere.cluster!r}"
    return None


def _tagged(name: str | None, vlan: int | None) -> str | None:
    return f"{name}.{vlan}" if name is not None and vlan is not None else name


def outside(network: core.Network, provider: ProviderSpec) -> str | None:
    """What keeps tenants from a network that exists: never its name. What is not known is not allowed.

    Who may have a VLAN of a bridge may look at the bridge.
    """
    allowed = provider.restrict.network_ids
    if allowed is None:
        return None
    if not network.detailed:
        return "its configuration, which cannot be read,"
    names = {network.id, network.attaches, network.name} - {""}
    listed = {*allowed, *(name.rpartition(".")[0] for name in allowed if provider.proxmox is not None)}
    return None if names & listed else "its network"
