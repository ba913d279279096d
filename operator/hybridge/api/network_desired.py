"""What a Network wants, in the core's words. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hybridge.api.managed_desired import managed, options
from hybridge.api.network import Network
from hybridge.core.lifecycle import Import
from hybridge.core.network import NetworkSpec


@dataclass(frozen=True, slots=True)
class Segment:
    """What interfaces of machines are put into; ``vlan`` as in ``core.machine.Nic``."""

    network: str
    vlan: str | None = None


def segment(network: Network) -> Segment | None:
    """What a Network stands for; None while its cloud has no word for it."""
    known, spec = network.status.network_id, network.spec
    if known is None:
        return None
    # A bridge is shared by networks, which the tags of the interfaces tell apart.
    bridged = spec.proxmox is not None and spec.proxmox.bridge is not None
    return Segment(known, str(spec.vlan or "") if bridged else None)


def network_spec(network: Network, cloud: str) -> NetworkSpec:
    """What the user wants; ``cloud`` is the type of the Provider, which picks the block of options.

    A bridge of Proxmox, which other guests and the node itself use, is only looked at.
    """
    spec = network.spec
    wanted = NetworkSpec(
        **managed(network.metadata, spec), cidr=spec.cidr, vlan=spec.vlan, options=options(spec, cloud)
    )
    bridge = spec.proxmox.bridge if spec.proxmox else None
    # The tag is each machine's own there, and nothing of the bridge's.
    return (
        wanted if bridge is None else replace(wanted, observed=True, imports=Import(id=bridge), vlan=None, options={})
    )
