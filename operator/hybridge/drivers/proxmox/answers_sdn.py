"""What is read of PVE's answers about software-defined networks (pve-network, ``PVE/API2/Network/SDN``)."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import Meta, Struct, field

from hybridge.drivers.proxmox.answers import Number, Vmid, Word

#: The name of a vnet or bridge, which goes into paths of requests.
BridgeName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.:-]*$", max_length=64)]


class Vnet(Struct, gc=False):
    """An item of ``GET /cluster/sdn/vnets?pending=1``: as it runs, and in ``pending`` what is written and not applied.

    ``state`` is ``new``, ``changed`` or ``deleted`` as long as something is not applied. Of a value that is to go,
    ``pending`` says ``deleted``.
    """

    vnet: BridgeName
    zone: Word = ""
    alias: Word = ""
    tag: Number | None = None
    digest: Word = ""
    state: Word = ""
    pending: dict[str, Any] = field(default_factory=dict)


class Section(Struct, gc=False):
    """An item of the other lists of ``/cluster/sdn`` with ``pending=1``: a zone, a subnet, a controller or a fabric."""

    zone: Word = ""
    subnet: Word = ""
    controller: Word = ""
    id: Word = ""
    type: Word = ""
    state: Word = ""


class Port(Struct, gc=False):
    """A port of a bridge, and the guest behind it."""

    vmid: Vmid | None = None


class ZoneBridge(Struct, gc=False):
    """An item of ``GET /nodes/{node}/sdn/zones/{zone}/bridges``: guests that run."""

    name: Word
    ports: list[Port] = field(default_factory=list)


class Interface(Struct, gc=False):
    """An item of ``GET /nodes/{node}/network?type=any_bridge``: a bridge, or a vnet that is in effect."""

    iface: BridgeName
    type: Word = ""
