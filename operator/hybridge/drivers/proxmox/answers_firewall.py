"""What is read of PVE's answers about its firewall (pve-firewall, ``PVE/API2/Firewall``)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from hybridge.drivers.proxmox.answers import Number, Word

#: The name of a security group, which goes into paths of requests.
GroupName: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]


class Group(Struct, gc=False):
    """An item of ``GET /cluster/firewall/groups``. ``digest`` is that of the whole list."""

    group: GroupName
    comment: Word = ""
    digest: Word = ""


class FirewallRule(Struct, gc=False, rename={"icmp_type": "icmp-type"}):
    """A rule of a security group or of a guest. ``digest`` is that of the whole list; ``action`` may name a group."""

    type: Word
    action: Word
    pos: Number
    enable: Number = 0
    proto: Word = ""
    source: Word = ""
    dest: Word = ""
    dport: Word = ""
    sport: Word = ""
    macro: Word = ""
    iface: Word = ""
    icmp_type: Word = ""
    comment: Word = ""
    digest: Word = ""


class FirewallOptions(Struct, gc=False):
    """``GET …/firewall/options`` of a guest, or of the cluster."""

    enable: Number = 0
    policy_in: Word = ""
    policy_out: Word = ""
    digest: Word = ""
